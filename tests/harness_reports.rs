//! The reports of a test program: this program runs itself as one, with a right store and one that lists parts of keys.

use std::fs::{self, OpenOptions};
use std::path::Path;
use std::process::{Command, ExitCode};

use kvspec::backend::memory::MemoryBackend;
use kvspec::event::Outcome;
use kvspec::harness::Harness;
use kvspec::mutants;
use kvspec::report::json::{Recorded, read};
use kvspec::verdict::Verdict;
use libtest_mimic::{Arguments, Failed, Trial};
use tempfile::TempDir;

/// Says that this program is the test program, and what it writes to.
const AUTHOR: &str = "KVSPEC_TEST_AUTHOR";

/// The fault of the one store.
const FAULT: &str = "list-bare-names";

/// A few quick cases, of which some fail on the store with the fault.
const PART: &str = "core::list";

const TESTS: &[(&str, fn())] = &[
    ("functions_and_variables_make_the_same_files", functions_and_variables_make_the_same_files),
    ("failures_come_first_and_a_table_last", failures_come_first_and_a_table_last),
    (
        "a_file_that_cannot_be_written_ends_it_at_once",
        a_file_that_cannot_be_written_ends_it_at_once,
    ),
    ("a_list_writes_nothing", a_list_writes_nothing),
    ("under_nextest_nothing_is_written", under_nextest_nothing_is_written),
];

fn main() -> ExitCode {
    if let Ok(by) = std::env::var(AUTHOR) {
        return author(&by);
    }
    let trial = |(name, test): &(&'static str, fn())| {
        let test = *test;
        Trial::test(*name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), TESTS.iter().map(trial).collect()).exit_code()
}

fn author(by: &str) -> ExitCode {
    let faulty = mutants::all().into_iter().find(|mutant| mutant.name == FAULT).unwrap();
    let harness = Harness::new().backend(MemoryBackend).backend(faulty);
    match by {
        "functions" => harness.html("run.html").json("run.json").junit("run.xml").run(),
        _ => harness.run(),
    }
}

/// Runs the test program in `folder`; its exit code, and all that it said in the order in which it did.
fn run(folder: &TempDir, by: &str, args: &[&str], variables: &[(&str, &str)]) -> (i32, String) {
    let path = folder.path().join("said.txt");
    let said = OpenOptions::new().create(true).append(true).open(&path).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    for name in ["NEXTEST", "KVSPEC_HTML", "KVSPEC_JSON", "KVSPEC_JUNIT"] {
        command.env_remove(name);
    }
    command.args(args).current_dir(folder.path()).env(AUTHOR, by).envs(variables.iter().copied());
    let status = command.stdout(said.try_clone().unwrap()).stderr(said).status().unwrap();
    (status.code().unwrap(), fs::read_to_string(path).unwrap())
}

const VARIABLES: [(&str, &str); 3] =
    [("KVSPEC_HTML", "run.html"), ("KVSPEC_JSON", "run.json"), ("KVSPEC_JUNIT", "run.xml")];

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

/// Backend, scenario and verdict of each recorded case.
fn recorded(folder: &TempDir) -> Vec<(String, String, Verdict)> {
    let json = fs::read(folder.path().join("run.json")).unwrap();
    let events = read(Path::new("run.json"), json.as_slice()).unwrap();
    let of = |Outcome { case, verdict, .. }: Outcome| {
        (case.backend, case.scenario.name.clone(), verdict)
    };
    let cases = events.into_iter().filter_map(|event| match event {
        Recorded::CaseFinished(outcome) => Some(of(*outcome)),
        _ => None,
    });
    cases.collect()
}

fn functions_and_variables_make_the_same_files() {
    let mut seen = Vec::new();
    for (by, variables) in [("functions", &[][..]), ("variables", &VARIABLES)] {
        let folder = folder();
        let (code, said) = run(&folder, by, &[PART], variables);
        assert_eq!(code, 101, "{said}");
        let text = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
        let cases = recorded(&folder);
        assert!(cases.iter().all(|(_, name, _)| name.starts_with("core/list/")), "{cases:?}");
        let failed = |backend: &str| {
            cases
                .iter()
                .filter(|(of, _, verdict)| of == backend && matches!(verdict, Verdict::Failed(_)))
                .count()
        };
        assert!(failed("memory") == 0 && failed(FAULT) > 0, "{cases:?}");
        assert_eq!(text("run.xml").matches("<testcase ").count(), cases.len());
        assert_eq!(text("run.xml").matches("<failure ").count(), failed(FAULT));
        assert!(text("run.html").starts_with("<!DOCTYPE html>"));
        let rerun = format!("cargo test --test harness_reports -- --exact {FAULT}::core::list::");
        assert!(text("run.html").contains(&rerun) && text("run.xml").contains(&rerun));
        seen.push(cases.into_iter().map(|(of, name, _)| (of, name)).collect::<Vec<_>>());
    }
    seen.iter_mut().for_each(|cases| cases.sort());
    assert_eq!(seen[0], seen[1]);
}

fn failures_come_first_and_a_table_last() {
    let folder = folder();
    let (_, said) = run(&folder, "nothing", &[PART], &[]);
    let place = |text: &str| said.find(text).unwrap_or_else(|| panic!("no '{text}' in\n{said}"));
    let failure = place(&format!("  {FAULT}  core/list/"));
    assert!(failure < place("\nfailures:\n"), "{said}");
    assert!(
        place("\n  - expected   + observed") < place("\nfailures:\n"),
        "a diff comes with its failure\n{said}"
    );
    let table = place("\npassed of run ");
    assert!(place("test result: FAILED") < table, "{said}");
    assert!(table < place(&format!("\ndid not pass on {FAULT}\n")), "{said}");
    let tally =
        said.lines().find(|line| line.starts_with("FAILED: ") && line.contains(" passed, "));
    assert!(tally.is_some_and(|line| line.contains(" failed in ")), "{said}");
    let listed = said.matches("(shown in full above)").count();
    assert_eq!(listed, said.matches("\nFAIL ").count(), "{said}");
}

fn a_file_that_cannot_be_written_ends_it_at_once() {
    let (code, said) = run(&folder(), "nothing", &[PART], &[("KVSPEC_HTML", "nowhere/run.html")]);
    assert_eq!(code, 2, "{said}");
    assert!(
        said.starts_with("KVSPEC_HTML nowhere/run.html: the file cannot be written: "),
        "{said}"
    );
    assert!(!said.contains("running "), "{said}");
}

fn a_list_writes_nothing() {
    let folder = folder();
    let (code, said) = run(&folder, "functions", &["--list"], &VARIABLES);
    assert_eq!(code, 0, "{said}");
    assert!(!folder.path().join("run.html").exists());
    assert!(said.lines().all(|line| line.ends_with(": test")), "{said}");
}

fn under_nextest_nothing_is_written() {
    let folder = folder();
    let exact = format!("{FAULT}::core::list::full-keys");
    let variables = [VARIABLES.as_slice(), &[("NEXTEST", "1")]].concat();
    let (_, said) = run(&folder, "functions", &["--exact", &exact], &variables);
    assert!(said.contains("running 1 test"), "{said}");
    assert!(!folder.path().join("run.html").exists());
    assert!(!said.contains(" passed, "), "{said}");
}
