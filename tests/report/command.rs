//! The command's part in reports: files opened first, runs judged again, exit codes.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use super::{KNOWN, SCRIPTS, recorded};

/// A folder with the scripts in `scripts`, and the run in `run.json`.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (path, text) in SCRIPTS {
        let path = folder.path().join("scripts").join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    fs::write(folder.path().join("known.txt"), KNOWN).unwrap();
    fs::write(folder.path().join("run.json"), recorded()).unwrap();
    folder
}

fn kvspec(folder: &TempDir, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    command.args(args).current_dir(folder.path());
    command
}

fn ran(command: &mut Command) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code(), text(stdout), text(stderr))
}

const JUDGE: [&str; 4] = ["judge", "run.json", "--scenarios", "scripts"];

#[test]
fn the_same_scripts_give_the_same_verdicts() {
    let (code, out, err) = ran(&mut kvspec(&folder(), &JUDGE));
    assert_eq!((code, err.as_str()), (Some(0), ""), "{out}");
    assert_eq!(out, "6 verdicts are the same, 0 changed, 2 not run then\n");
}

#[test]
fn one_changed_expectation_changes_exactly_its_case() {
    let folder = folder();
    let script = folder.path().join("scripts/core/fail.kv");
    let text = fs::read_to_string(&script).unwrap();
    fs::write(&script, text.replace("read k: w", "read k: v")).unwrap();
    let (code, out, _) = ran(&mut kvspec(&folder, &JUDGE));
    assert_eq!(code, Some(1), "{out}");
    assert!(out.contains("failed → passed memory core/fail  the script was changed\n"), "{out}");
    assert!(out.ends_with("5 verdicts are the same, 1 changed, 2 not run then\n"), "{out}");
}

#[test]
fn a_scenario_that_is_gone_is_not_judged() {
    let (code, out, _) = ran(&mut kvspec(&folder(), &["judge", "run.json"]));
    assert_eq!(code, Some(2), "{out}");
    assert!(out.contains("gone memory core/pass"), "{out}");
}

#[test]
fn a_file_that_is_no_run_is_told_by_its_line() {
    let folder = folder();
    let run = folder.path().join("run.json");
    let text = fs::read_to_string(&run).unwrap();
    fs::write(&run, &text[..text.len() / 2]).unwrap();
    for job in ["judge", "report"] {
        let (code, out, err) = ran(&mut kvspec(&folder, &[job, "run.json"]));
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.starts_with("kvspec: run.json:") && err.contains("invalid event"), "{err}");
    }
}

#[test]
fn a_recorded_run_makes_every_report() {
    let folder = folder();
    let args = ["report", "run.json", "-q", "--junit", "run.xml", "--badge", "badge.json"];
    let (code, out, _) = ran(kvspec(&folder, &args).args(["--html", "run.html"]));
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains("  1 passed, 1 failed, 1 known to fail, 1 skipped in "), "{out}");
    let badge = fs::read_to_string(folder.path().join("badge.json")).unwrap();
    assert!(badge.contains(r#""message":"1/6""#), "{badge}");
    assert!(fs::read_to_string(folder.path().join("run.xml")).unwrap().starts_with("<?xml"));
    let page = fs::read_to_string(folder.path().join("run.html")).unwrap();
    assert!(page.starts_with("<!DOCTYPE html>") && page.ends_with("</html>\n"), "{page}");
}

const RUN: [&str; 7] =
    ["run", "--backend", "memory", "--scenarios", "scripts", "--known-failures", "known.txt"];

#[test]
fn a_file_that_cannot_be_written_is_told_before_anything_is_lost() {
    let folder = folder();
    let before = fs::read(folder.path().join("run.json")).unwrap();
    let args = ["--json", "run.json", "--junit", "nowhere/run.xml"];
    let (code, out, err) = ran(kvspec(&folder, &RUN).args(args));
    assert_eq!((code, out.as_str()), (Some(2), ""));
    assert!(err.contains("--junit nowhere/run.xml: the file cannot be written"), "{err}");
    assert_eq!(fs::read(folder.path().join("run.json")).unwrap(), before);
}

#[test]
fn a_page_that_cannot_be_served_is_told_before_anything_is_lost() {
    let folder = folder();
    let before = fs::read(folder.path().join("run.json")).unwrap();
    for (address, words) in [
        ("0.0.0.0:0", "--serve-report 0.0.0.0:0: a report is served on loopback only"),
        ("8080", "expected an address and a port, such as 127.0.0.1:0"),
    ] {
        let args = ["--json", "run.json", "--serve-report", address];
        let (code, out, err) = ran(kvspec(&folder, &RUN).args(args));
        assert_eq!((code, out.as_str()), (Some(2), ""));
        assert!(err.contains(words), "{err}");
        assert_eq!(fs::read(folder.path().join("run.json")).unwrap(), before);
    }
}

#[test]
fn two_reports_never_share_a_file() {
    for file in ["both", "-"] {
        let (code, _, err) = ran(kvspec(&folder(), &RUN).args(["--json", file, "--junit", file]));
        assert_eq!(code, Some(2));
        assert!(err.contains("another"), "{err}");
    }
}

#[test]
fn the_standard_output_takes_one_report() {
    let folder = folder();
    let (code, out, err) = ran(kvspec(&folder, &RUN).args(["--json", "-"]));
    assert_eq!(code, Some(1));
    assert!(out.lines().all(|line| line.starts_with(r#"{"schema":2,"event":""#)), "{out}");
    assert!(err.contains("  memory   core/fail\n"), "{err}");
}

#[test]
fn in_actions_github_is_told() {
    let folder = folder();
    fs::write(folder.path().join("summary.md"), "# Before\n").unwrap();
    let mut run = kvspec(&folder, &RUN);
    run.env("GITHUB_ACTIONS", "true").env("GITHUB_STEP_SUMMARY", "summary.md");
    let (_, out, _) = ran(&mut run);
    assert!(out.contains("\n::error file=scripts/core/fail.kv,line=4,title="), "{out}");
    let summary = fs::read_to_string(folder.path().join("summary.md")).unwrap();
    assert!(summary.starts_with("# Before\n## kvspec\n"), "{summary}");
}
