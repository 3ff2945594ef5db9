//! `kvspec list`: names, laws and clauses, and nothing is started for it.

use std::io::{BufRead, BufReader, Read};

use rstest::rstest;

use super::{Ran, kvspec, lonely, scripts};

#[test]
fn every_scenario_has_a_line() {
    let ran = Ran::of(&mut lonely(["list"])).exits(0).hides("\x1b");
    assert_eq!(ran.out.lines().count(), kvspec::scenario::embedded().unwrap().len());
    ran.says(
        "core/watch/two-updates-one-key: Two updates of one key are two events; its expiry is a third. [W2 W3 L1]\n",
    );
}

#[test]
fn filters_choose() {
    let ran =
        Ran::of(&mut kvspec(["list", "core::add", "lease/move", "--skip", "binary"])).exits(0);
    assert!(
        ran.out.lines().all(|line| line.starts_with("core/add/") || line.starts_with("lease/move"))
    );
    ran.says("core/add/two-keys: ").says("lease/move-back: ").hides("binary-");
    let ran = Ran::of(&mut kvspec(["list", "--exact", "lease/move"])).exits(0);
    assert_eq!(ran.out.lines().count(), 1);
}

#[test]
fn a_part_of_the_suite_has_no_gaps_in_what_it_does_not_check() {
    let ran = Ran::of(&mut lonely(["list", "--clauses", "core/add/two-keys"])).exits(0);
    ran.says("core/add/two-keys").says(" clauses, 1 scenarios, 0 gaps").hides("no scenario checks");
}

#[test]
fn a_scenario_is_shown_with_its_line_numbers() {
    let ran = Ran::of(&mut lonely(["show", "core::watch::two-updates-one-key"])).exits(0);
    ran.says("scenarios/core/watch/two-updates-one-key.kv\n")
        .says("   1  # Two updates of one key are two events; its expiry is a third.\n")
        .says("  watch key as=w\n");
}

#[rstest]
#[case(&["run", "core/wach/burst"], "no scenario matches 'core/wach/burst' (did you mean 'core/watch/burst'?)")]
#[case(&["show", "two-keyz"], "no scenario matches 'two-keyz' (did you mean 'core/add/two-keys'?)")]
#[case(&["show", "core/add"], "no scenario matches 'core/add'; `kvspec list` names them all")]
fn a_name_that_is_nearly_right_is_suggested(#[case] args: &[&str], #[case] words: &str) {
    Ran::of(&mut lonely(args)).exits(2).warns(words);
}

#[test]
fn a_folder_takes_the_place_of_the_suite() {
    let folder =
        scripts(&[("a/b.kv", "# Says so.\nread k\n---\n(none)\n"), ("a/note.txt", "not one")]);
    let mut list = kvspec(["list", "--scenarios"]);
    let ran = Ran::of(list.arg(folder.path())).exits(0);
    assert_eq!(ran.out, "a/b: Says so. []\n");
}

#[test]
fn a_closed_pipe_is_no_error() {
    let mut child = kvspec(["list"]).spawn().unwrap();
    let mut first = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with("calls/"), "{first}");
    let mut err = String::new();
    child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
    assert_eq!((child.wait().unwrap().code(), err.as_str()), (Some(0), ""));
}
