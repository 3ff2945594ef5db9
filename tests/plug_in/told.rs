//! What the author is told, and how often.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::FAULT;

/// Every test, by its name.
pub const TESTS: &[(&str, fn())] = &[
    ("names_are_filters_in_every_form", names_are_filters_in_every_form),
    (
        "a_filter_of_a_scenario_that_is_not_there_fails",
        a_filter_of_a_scenario_that_is_not_there_fails,
    ),
    ("what_stops_every_case_is_said_once", what_stops_every_case_is_said_once),
    ("a_panic_of_a_task_is_tied_to_its_case", a_panic_of_a_task_is_tied_to_its_case),
    (
        "what_cannot_run_is_listed_as_ignored_under_nextest",
        what_cannot_run_is_listed_as_ignored_under_nextest,
    ),
    ("nextest_runs_only_what_is_there", nextest_runs_only_what_is_there),
    ("a_script_travels_with_its_failure", a_script_travels_with_its_failure),
    ("a_known_failure_is_called_so", a_known_failure_is_called_so),
];

struct Ran {
    code: i32,
    text: String,
}

impl Ran {
    fn says(&self, said: &str) -> usize {
        self.text.matches(said).count()
    }

    #[track_caller]
    fn ends_with(&self, code: i32, result: &str) {
        assert_eq!(self.code, code, "{}", self.text);
        assert!(self.text.contains(result), "{result} is not in\n{}", self.text);
    }
}

/// Runs this program as the author's, whose store has a fault.
fn run(fault: &str, arguments: &[&str]) -> Ran {
    run_with(fault, arguments, &[])
}

fn run_with(fault: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    ran(command(fault, arguments).envs(variables.iter().copied()))
}

fn command(fault: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(arguments).env_remove("NEXTEST").env(FAULT, fault).env("RUST_BACKTRACE", "1");
    command
}

fn ran(command: &mut Command) -> Ran {
    let output = command.output().unwrap();
    let text = [output.stdout, output.stderr].concat();
    Ran { code: output.status.code().unwrap(), text: String::from_utf8(text).unwrap() }
}

const NEXTEST: &[(&str, &str)] = &[("NEXTEST", "1")];

fn names_are_filters_in_every_form() {
    for filter in
        ["core/add/two-keys", "mine::core::add::two-keys", "scenarios/core/add/two-keys.kv:9"]
    {
        run("none", &[filter]).ends_with(0, "test result: ok. 1 passed");
    }
    run("none", &["core/add", "--skip", "core/add/two-keys"]).ends_with(0, "0 failed");
}

fn a_filter_of_a_scenario_that_is_not_there_fails() {
    let said = "no test is called 'core/add/two-kyes' (did you mean 'mine::core::add::two-keys'?)";
    run("none", &["core/add/two-kyes"]).ends_with(2, said);
    run("none", &["mine::core::nothing"]).ends_with(2, "no test is called 'mine::core::nothing'");
    // `cargo test parses` asks every test program for it.
    run("none", &["tests::parses"]).ends_with(0, "note: no test is called 'tests::parses'");
}

fn what_stops_every_case_is_said_once() {
    for (fault, said) in [
        ("make", "making a store panicked: no folder for the data (at tests/plug_in/author.rs:"),
        ("open", "opening a client panicked: no more clients (at tests/plug_in/author.rs:"),
        ("prefix", "its base prefix is empty"),
        ("todo", "`update key` panicked: not yet implemented (at tests/plug_in/author.rs:"),
        ("blocking", "`update key` panicked: Cannot start a runtime"),
        (
            "thread",
            "`update key` answered: deadline exceeded: kvspec: no answer within 10s of virtual time",
        ),
        ("shared-refused", "opening a client failed: unavailable"),
        ("shared-prefix", "its base prefix is empty"),
        ("shared-table", "`read key` answered: other: relation \"kv\" does not exist"),
    ] {
        let ran = run(fault, &["core/add"]);
        ran.ends_with(101, "test result: FAILED. 0 passed; 1 failed");
        assert_eq!(ran.says(said), 1, "{fault}: {said} in\n{}", ran.text);
        assert_eq!(ran.says("backtrace"), 0, "{fault}:\n{}", ran.text);
        assert!(ran.says("says why") > 2, "{fault}:\n{}", ran.text);
    }
}

fn a_panic_of_a_task_is_tied_to_its_case() {
    let said = "a task of the store panicked: the index is broken (at tests/plug_in/author.rs:";
    let passed = run("task", &["core/isolation"]);
    passed.ends_with(0, "0 failed");
    assert_eq!(passed.says(said), 1, "{}", passed.text);
    assert_eq!(passed.says("mine::core::isolation::"), passed.says("test mine::") + 1);
    let failed = run("task", &["core/add/two-keys"]);
    failed.ends_with(101, "1 failed");
    assert!(failed.says(said) >= 1, "{}", failed.text);
    assert_eq!(failed.says("backtrace"), 0, "{}", failed.text);
}

fn what_cannot_run_is_listed_as_ignored_under_nextest() {
    let list = |extra: &[&str]| {
        run_with("none", &[&["--list", "--format", "terse"], extra].concat(), NEXTEST)
    };
    let (all, ignored) = (list(&[]), list(&["--ignored"]));
    assert!(all.says("mine::core::add::two-keys: test") == 1 && all.says("mine::lease::") > 9);
    assert!(ignored.says("mine::lease::") == all.says("mine::lease::"));
    assert_eq!(ignored.says("mine::core::add::two-keys"), 0);
}

fn nextest_runs_only_what_is_there() {
    let exact = |name: &str, extra: &[&str]| {
        run_with("none", &[&[name, "--exact", "--nocapture"], extra].concat(), NEXTEST)
    };
    exact("mine::core::add::two-keys", &[]).ends_with(0, "1 passed");
    exact("mine::core::add::gone", &[]).ends_with(2, "no test is called 'mine::core::add::gone'");
    let asked = exact("mine::lease::two-keys", &["--ignored"]);
    assert_eq!(asked.code, 2, "{}", asked.text);
    let listed = run_with("none", &["--list", "--ignored"], NEXTEST);
    let lease = listed.text.lines().find_map(|line| line.strip_suffix(": test")).unwrap();
    exact(lease, &["--ignored"]).ends_with(101, "this test cannot run: the store has no");
}

fn a_script_travels_with_its_failure() {
    let script = fs::read_to_string("scenarios/core/add/two-keys.kv").unwrap();
    let commands = script.lines().filter(|line| line.starts_with("update") || *line == "read key2");
    let commands: Vec<_> = commands.collect();
    let mut elsewhere = command("stale", &["core/add/two-keys"]);
    let elsewhere = ran(elsewhere.current_dir(env!("CARGO_TARGET_TMPDIR")));
    for ran in [run("stale", &["core/add/two-keys"]), elsewhere] {
        for line in &commands {
            assert_eq!(ran.says(&format!(" │ {line}\n")), 1, "{line} in\n{}", ran.text);
        }
    }
}

fn a_known_failure_is_called_so() {
    let list = Path::new(env!("CARGO_TARGET_TMPDIR")).join("known.txt");
    fs::write(&list, "core/add/two-keys # it reads nothing\n").unwrap();
    let known = [("KVSPEC_TEST_KNOWN", list.to_str().unwrap())];
    let ran = run_with("stale", &["core/add/two-keys"], &known);
    ran.ends_with(0, "[known to fail] mine::core::add::two-keys");
    ran.ends_with(0, "1 ignored");
    let name = "[known to fail] mine::core::add::two-keys";
    let known = [known[0], NEXTEST[0]];
    run_with("stale", &[name, "--exact"], &known).ends_with(0, name);
    run_with("none", &[name, "--exact"], &known)
        .ends_with(101, "is listed as a known failure and passes");
}
