//! `kvspec run` on the memory store: what a run says, and what a failure looks like.

use std::io::{BufRead, BufReader, Read};

use rstest::rstest;

use super::{Ran, kvspec, lonely, scripts};

/// A script that no store can pass, as the value it expects was never written.
const WRONG: &str = "\
# A value that was never written is read.
# clauses: K1 K3
# source: nowhere
update key1 v1

read key1
read key2
---
read key1: v2
read key2: (none)
";

#[test]
fn a_run_has_a_line_a_case_and_a_summary() {
    let ran = Ran::of(&mut kvspec(["run", "--backend", "memory"])).exits(0);
    assert_eq!(ran.err, "");
    let cases = kvspec::scenario::embedded().unwrap().len();
    let lines = |word: &str| ran.out.lines().filter(|line| line.starts_with(word)).count();
    // What the memory store lacks is skipped, which is counted by reason, and everything else passes.
    let (passed, skipped) = (lines("pass "), cases - lines("pass "));
    assert!(passed > skipped && skipped > 0, "{ran:#?}");
    ran.says(&format!("memory: virtual time, {cases} cases\n"))
        .says(" skipped: the store has no directories\n")
        .says(&format!("\nPASSED: {passed} passed, {skipped} skipped in "))
        .hides("\nskip ")
        .hides("\x1b");
}

#[rstest]
#[case::part(&["core/add"], 2)]
#[case::as_cargo_test_names_it(&["core::add::two-keys"], 1)]
#[case::exact(&["--exact", "lease/move"], 1)]
#[case::one_job(&["--jobs", "1", "core/add"], 2)]
fn filters_choose(#[case] args: &[&str], #[case] at_least: usize) {
    let ran = Ran::of(kvspec(["run", "--backend", "memory"]).args(args)).exits(0);
    let passed = ran.out.lines().filter(|line| line.starts_with("pass ")).count();
    assert!(passed >= at_least && passed < 20, "{ran:#?}");
}

#[test]
fn a_failure_says_all_that_is_needed() {
    let folder = scripts(&[("own/wrong.kv", WRONG)]);
    let ran = Ran::of(kvspec(["run", "--backend", "memory", "--scenarios"]).arg(folder.path()));
    let folder = folder.path().display();
    let report = format!(
        "\
  A value that was never written is read.
  at {folder}/own/wrong.kv:6: read key1
  - expected   + observed
      4 │ update key1 v1
      5 │
  >   6 │ read key1
      7 │ read key2
      8 │ ---
  -   9 │ read key1: v2
  +     │ read key1: v1
     10 │ read key2: (none)
  clause K1: A read that begins after a write has returned sees that write, from any client.
  clause K3: Writing a key that exists replaces its value, and counts as a write even if the value is the same.
  source: nowhere
  rerun: kvspec run --scenarios {folder} --backend memory --exact own/wrong

FAILED: 0 passed, 1 failed in "
    );
    ran.exits(1).says("  memory   own/wrong\n").says(&report);
}

#[test]
fn one_failure_among_many_is_a_failure() {
    let folder = scripts(&[("wrong.kv", WRONG), ("right.kv", "# A law.\nread k\n---\n(none)\n")]);
    let ran = Ran::of(kvspec(["run", "--backend", "memory", "--scenarios"]).arg(folder.path()));
    ran.exits(1)
        .says("  memory   right\n")
        .says("  memory   wrong\n")
        .says("1 passed, 1 failed in ");
}

#[rstest]
#[case::in_a_pipe(&[], &[], false)]
#[case::always(&["--color", "always"], &[], true)]
#[case::never(&["--color", "never"], &[("CLICOLOR_FORCE", "1")], false)]
#[case::no_color(&[], &[("NO_COLOR", "1")], false)]
#[case::asked_for_over_no_color(&["--color", "always"], &[("NO_COLOR", "1")], true)]
fn colour_is_a_choice(
    #[case] args: &[&str],
    #[case] variables: &[(&str, &str)],
    #[case] is_coloured: bool,
) {
    let mut run = lonely(["run", "core/add/two-keys"]);
    let ran = Ran::of(run.args(args).envs(variables.iter().copied())).exits(0);
    assert_eq!(ran.out.contains("\x1b["), is_coloured, "{ran:#?}");
    // The warning that there is no server is red in the same cases.
    assert_eq!(ran.err.contains("\x1b[31"), is_coloured, "{ran:#?}");
}

#[test]
fn a_closed_pipe_ends_quietly() {
    let mut child = kvspec(["run", "--backend", "memory"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("memory: "), "{first}");
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    // Nobody read to the end, so nothing can be said of the stores.
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(2), ""));
}

const NO_SERVER: &str = "no etcd server was found to test / 目前找不到可实验的 Etcd 服务器\n";

#[rstest]
#[case::green(&[], &[], 0)]
#[case::required(&["--require-server"], &[], 1)]
#[case::required_by_variable(&[], &[("KVSPEC_REQUIRE_SERVER", "1")], 1)]
#[case::not_required(&[], &[("KVSPEC_REQUIRE_SERVER", "0")], 0)]
fn without_a_server(#[case] args: &[&str], #[case] variables: &[(&str, &str)], #[case] code: i32) {
    let mut run = lonely(["run", "core/add"]);
    let ran = Ran::of(run.args(args).envs(variables.iter().copied())).exits(code);
    let ran =
        ran.warns(NO_SERVER).warns("\n  endpoints  none given (").warns("\n  process    no etcd");
    let ran = ran.hides("\nskip ");
    let ran =
        ran.says("  memory   core/add/two-keys\n").says(" skipped: no etcd server was found\n");
    assert_eq!(ran.err.contains("a server is required"), code == 1, "{ran:#?}");
    let ran = ran.says("; not tested: etcd\n");
    ran.says(if code == 1 { "\nFAILED: " } else { "\nPASSED: " });
}

#[test]
fn an_endpoint_that_does_not_answer_is_not_passed_over() {
    let ran = Ran::of(&mut lonely(["run", "--endpoints", "http://127.0.0.1:1", "core/add"]));
    ran.exits(2)
        .warns("http://127.0.0.1:1: connection refused")
        .warns("a backend or server that was named was not tested")
        .hides("container:")
        .hides("memory");
}

#[rstest]
#[case::backend(&["--backend", "etcd"])]
#[case::both(&["--backend", "memory,etcd"])]
#[case::way(&["--server", "process"])]
fn a_backend_that_was_named_is_not_passed_over(#[case] args: &[&str]) {
    let ran = Ran::of(lonely(["run", "core/add"]).args(args)).exits(2);
    ran.warns(NO_SERVER)
        .warns("a backend or server that was named was not tested")
        .says("NO VERDICT: ")
        .hides("PASSED");
}

fn snapshot(name: &str, text: &str) {
    let mut snapshots = insta::Settings::clone_current();
    snapshots.set_prepend_module_to_snapshot(false);
    snapshots.set_omit_expression(true);
    snapshots.bind(|| insta::assert_snapshot!(name, text));
}

#[test]
fn without_a_server_it_is_said_in_five_lines() {
    let ran = Ran::of(lonely(["run", "core/add/two-keys"]).env("COLUMNS", "80")).exits(0);
    snapshot("no_server", &ran.err);
}

#[test]
fn the_help_of_run_fits_a_terminal() {
    let ran = Ran::of(kvspec(["run", "--help"]).env("COLUMNS", "80")).exits(0);
    let lines = ran.out.lines().filter(|line| !line.contains("  kvspec run "));
    lines.for_each(|line| assert!(line.chars().count() <= 80, "{line}"));
    snapshot("help_of_run", &ran.out);
}

#[test]
fn completions_and_the_man_page_name_every_command() {
    let bash = Ran::of(&mut kvspec(["completions", "bash"])).exits(0);
    let page = Ran::of(&mut kvspec(["man"])).exits(0).says(".TH kvspec 1");
    for command in ["run", "self-check", "show"] {
        bash.out.find(command).expect("the script has the command");
        page.out.find(&command.replace('-', "\\-")).expect("the page has the command");
    }
}
