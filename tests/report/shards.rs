//! Recorded runs of shards and of several backends, merged into one.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::LazyLock;

use kvspec::event::Outcome;
use kvspec::report::json::{MergeError, Merged, Recorded, merge, read};
use rstest::rstest;
use serde_json::json;
use tempfile::TempDir;

use super::schema::checked;

const SHARDS: usize = 4;

/// A folder with `whole.json`, a run of the embedded suite on the memory store, and `1.json` to `4.json`, its shards.
fn folder() -> TempDir {
    /// Recorded once, as each test changes nothing but its own copy.
    static RUNS: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
        let shards = (0..SHARDS).map(|index| {
            let index = index.to_string();
            recorded(&[("JOB_COMPLETION_INDEX", &index), ("KVSPEC_SHARDS", "4")])
        });
        let names = ["whole", "1", "2", "3", "4"].map(|name| format!("{name}.json"));
        names.into_iter().zip([recorded(&[])].into_iter().chain(shards)).collect()
    });
    let folder = tempfile::tempdir().unwrap();
    for (name, run) in &*RUNS {
        fs::write(folder.path().join(name), run).unwrap();
    }
    folder
}

fn recorded(variables: &[(&str, &str)]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut run = kvspec(&folder, &["run", "--backend", "memory", "-q", "--json", "run.json"]);
    let (code, out, err) = ran(run.envs(variables.iter().copied()));
    assert_eq!(code, Some(0), "{out}{err}");
    fs::read(folder.path().join("run.json")).unwrap()
}

fn kvspec(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    for name in ["GITHUB_ACTIONS", "JOB_COMPLETION_INDEX", "KVSPEC_SHARDS", "ETCD_ENDPOINTS"] {
        command.env_remove(name);
    }
    command.args(args).current_dir(folder.path());
    command
}

fn ran(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

/// A recorded run of `folder`, changed as text.
fn run(
    folder: &TempDir,
    file: &str,
    change: impl Fn(String) -> String,
) -> (PathBuf, Vec<Recorded>) {
    let text = change(fs::read_to_string(folder.path().join(file)).unwrap());
    (file.into(), read(Path::new(file), text.as_bytes()).unwrap())
}

fn verdicts(events: &[Recorded]) -> Vec<String> {
    let told = |Outcome { case, verdict, .. }: &Outcome| {
        format!("{} {} {verdict:?}", case.backend, case.scenario.name)
    };
    let outcomes = events.iter().filter_map(|event| match event {
        Recorded::CaseFinished(outcome) => Some(told(outcome)),
        _ => None,
    });
    let mut verdicts: Vec<_> = outcomes.collect();
    verdicts.sort();
    verdicts
}

fn suite(events: &[Recorded]) -> (&str, usize) {
    match &events[0] {
        Recorded::Started { suite, cases, shard: None, .. } => (suite, *cases),
        other => panic!("expected the start of a whole run, found {other:?}"),
    }
}

fn counts(events: &[Recorded]) -> String {
    match events.last() {
        Some(Recorded::Finished(summary)) => {
            let (name, tally) = &summary.tallies[0];
            format!("{name} {} {:?} {:?}", tally.passed, tally.skipped, summary.ended_early)
        }
        other => panic!("expected the end of the run, found {other:?}"),
    }
}

#[test]
fn four_shards_merged_are_the_whole_run() {
    let folder = folder();
    let (_, whole) = run(&folder, "whole.json", |text| text);
    let shards = (1..=SHARDS).map(|index| run(&folder, &format!("{index}.json"), |text| text));
    let Merged { events, missing } = merge(shards.collect()).unwrap();
    assert_eq!(missing, [""; 0]);
    assert_eq!(verdicts(&events), verdicts(&whole));
    assert_eq!(suite(&events), suite(&whole));
    assert_eq!(counts(&events), counts(&whole));
}

#[test]
fn a_shard_is_recorded_by_the_schema_as_is_the_merged_run() {
    let folder = folder();
    let lines = |file: &str| checked(&fs::read(folder.path().join(file)).unwrap());
    assert_eq!(lines("2.json")[0]["shard"], json!({ "index": 2, "count": 4 }));
    let files = ["1.json", "2.json", "3.json", "4.json"];
    ran(kvspec(&folder, &["report", "-q", "--json", "all.json"]).args(files));
    assert_eq!(lines("all.json")[0]["shard"], json!(null));
}

#[test]
fn the_command_merges_into_every_report_and_judges() {
    let folder = folder();
    let files = ["3.json", "1.json", "4.json", "2.json"];
    let mut report = kvspec(&folder, &["report", "-q", "--html", "run.html", "--junit", "run.xml"]);
    let (code, out, err) =
        ran(report.args(["--json", "all.json", "--matrix", "run.md"]).args(files));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let text = |file: &str| fs::read_to_string(folder.path().join(file)).unwrap();
    let (_, whole) = run(&folder, "whole.json", |text| text);
    assert_eq!(verdicts(&run(&folder, "all.json", |text| text).1), verdicts(&whole));
    assert_eq!(text("run.xml").matches("<testsuite ").count(), 1);
    assert_eq!(text("run.xml").matches("<testcase ").count(), suite(&whole).1);
    assert!(text("run.md").contains("| function | memory |"), "{}", text("run.md"));
    assert!(text("run.html").ends_with("</html>\n"));

    let (code, out, err) = ran(kvspec(&folder, &["judge"]).args(files));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    let (_, of_whole, _) = ran(&mut kvspec(&folder, &["judge", "whole.json"]));
    assert_eq!(out, of_whole);
}

#[test]
fn a_missing_shard_is_said_and_is_no_pass() {
    let folder = folder();
    let files = ["1.json", "2.json", "4.json"];
    let (code, out, err) = ran(kvspec(&folder, &["report", "--junit", "run.xml"]).args(files));
    assert_eq!(code, Some(2), "{out}");
    assert_eq!(err, "kvspec: shard 3/4 of memory is missing: no file given holds it\n");
    let end = "the run ended early: shard 3/4 of memory is missing\nNO VERDICT: ";
    assert!(out.contains(end), "{out}");
    let junit = fs::read_to_string(folder.path().join("run.xml")).unwrap();
    assert!(junit.contains("errors=\"1\""), "{junit}");
    let (code, ..) = ran(kvspec(&folder, &["judge"]).args(files));
    assert_eq!(code, Some(2));
}

#[test]
fn a_shard_given_twice_is_refused() {
    let folder = folder();
    fs::copy(folder.path().join("2.json"), folder.path().join("again.json")).unwrap();
    for job in ["report", "judge"] {
        let mut twice =
            kvspec(&folder, &[job, "1.json", "2.json", "3.json", "4.json", "again.json"]);
        let (code, out, err) = ran(&mut twice);
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(
            err.starts_with("kvspec: cannot merge 2.json and again.json: both hold memory "),
            "{err}"
        );
    }
}

#[test]
fn two_backends_are_shown_side_by_side() {
    let folder = folder();
    let (_, memory) = run(&folder, "whole.json", |text| text);
    let other = |text: String| text.replace(r#""backend":"memory""#, r#""backend":"other""#);
    let runs = vec![run(&folder, "whole.json", |text| text), run(&folder, "whole.json", other)];
    let Merged { events, missing } = merge(runs).unwrap();
    assert_eq!(missing, [""; 0]);
    assert_eq!(verdicts(&events).len(), 2 * verdicts(&memory).len());
    assert_eq!(suite(&events), (suite(&memory).0, 2 * suite(&memory).1));
}

#[rstest]
#[case::script("# A key ", "# One key ", "the script of ")]
#[case::version(r#""version":null"#, r#""version":"3.5.16""#, "the version of memory")]
#[case::capabilities(
    r#""directories":false"#,
    r#""directories":true"#,
    "what memory is capable of"
)]
fn runs_that_do_not_agree_are_refused(#[case] was: &str, #[case] is: &str, #[case] what: &str) {
    let folder = folder();
    let changed = run(&folder, "2.json", |text| text.replace(was, is));
    // The scripts of another shard are others, so the whole run is changed in the same way under another name.
    let (one, two) = match what.starts_with("the script") {
        false => (run(&folder, "1.json", |text| text), changed),
        true => {
            let other = |text: String| {
                text.replace(was, is).replace(r#""backend":"memory""#, r#""backend":"other""#)
            };
            (run(&folder, "whole.json", |text| text), run(&folder, "whole.json", other))
        }
    };
    match merge(vec![one, two]) {
        Err(MergeError::Differs { what: told, .. }) => assert!(told.starts_with(what), "{told}"),
        other => panic!("expected the runs to be refused, found {other:?}"),
    }
}
