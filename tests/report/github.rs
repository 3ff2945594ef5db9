//! GitHub's commands, read back by the rules that its runner reads them by, and the summary of the step.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use kvspec::builtin::memory_target;
use kvspec::plan::Plan;
use kvspec::report::Reporter;
use kvspec::report::github::Github;
use kvspec::runner::Settings;
use kvspec::scenario::Scenario;
use kvspec::suite;
use kvspec::target::Target;

use super::{run, scenarios};

/// A workflow command as the runner takes it apart.
#[derive(Debug)]
struct Command {
    name: String,
    properties: BTreeMap<String, String>,
    message: String,
}

/// A percent sign is undone last, so that an escaped one makes no escape of what follows it.
fn unescaped(text: &str, escapes: &[(&str, &str)]) -> String {
    let text = escapes.iter().fold(text.to_string(), |text, (code, c)| text.replace(code, c));
    assert!(!text.replace("%25", "").contains('%'), "a percent sign is not escaped: {text}");
    text.replace("%25", "%")
}

const OF_A_MESSAGE: &[(&str, &str)] = &[("%0D", "\r"), ("%0A", "\n")];
const OF_A_PROPERTY: &[(&str, &str)] = &[("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ",")];

fn command(line: &str) -> Command {
    let (head, message) =
        line.strip_prefix("::").and_then(|rest| rest.split_once("::")).expect("a command");
    let (name, properties) = head.split_once(' ').expect("properties");
    let property = |text: &str| {
        let (name, value) = text.split_once('=').expect("a property has a value");
        (name.to_string(), unescaped(value, OF_A_PROPERTY))
    };
    Command {
        name: name.into(),
        properties: properties.split(',').map(property).collect(),
        message: unescaped(message, OF_A_MESSAGE),
    }
}

fn commands(text: Vec<u8>) -> Vec<Command> {
    let text = String::from_utf8(text).unwrap();
    assert!(!text.contains('\r'));
    text.lines().map(command).collect()
}

/// What is reported of a run of the scenarios on one target.
fn reported(target: Target, scenarios: &[Arc<Scenario>]) -> Vec<Command> {
    let mut plan = Plan::new(vec![target], scenarios);
    plan.open();
    let mut text = Vec::new();
    let mut report = Github::new(&mut text, None::<Vec<u8>>, "kvspec run");
    suite::run(&plan, &Settings::default(), None, &mut |event| report.take(&event)).unwrap();
    commands(text)
}

#[test]
fn github_is_told_of_what_did_not_pass() {
    let (mut told, mut summary) = (Vec::new(), Vec::new());
    run(&mut Github::new(&mut told, Some(&mut summary), "kvspec run"));
    let told = commands(told);
    let titles: Vec<_> = told.iter().map(|one| one.properties["title"].as_str()).collect();
    let broken = ["broken: core/fail", "broken: core/known", "broken: core/pass"];
    assert_eq!(titles[0], "memory: core/fail");
    assert!(titles.len() == 4 && broken.iter().all(|title| titles.contains(title)), "{titles:?}");
    let Command { name, properties, message } = &told[0];
    assert_eq!(name, "error");
    // No file of that name is in the checkout.
    assert_eq!(properties.keys().collect::<Vec<_>>(), ["title"]);
    assert!(message.starts_with("Wrong on purpose.\nat "), "{message}");
    assert!(message.contains("\n-   6 │ read k: w\n+     │ read k: v\n"), "{message}");
    assert!(message.ends_with("kvspec run --backend memory --exact core/fail"), "{message}");

    let summary = String::from_utf8(summary).unwrap();
    assert!(summary.contains("| memory | 1 | 1 | 1 | 0 | 1 |"), "{summary}");
    assert!(summary.contains("| broken | 0 | 3 | 0 | 0 | 1 |"), "{summary}");
    assert!(summary.contains("<details><summary>memory: core/fail</summary>"), "{summary}");
    assert!(summary.contains("\n-   6 │ read k: w\n+     │ read k: v\n"), "{summary}");
}

#[test]
fn a_failure_is_at_the_file_of_its_script() {
    let text = "# A title.\nread k\n---\nread k: w\n";
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("fail.kv");
    std::fs::write(&path, text).unwrap();
    let scenario = Scenario::parse(Path::new("fail.kv"), path.clone(), text.into()).unwrap();
    let told = reported(memory_target(), &[Arc::new(scenario)]);
    assert_eq!(told[0].properties["file"], path.to_str().unwrap());
    assert_eq!(told[0].properties["line"], "2");
}

#[test]
fn what_a_command_would_read_comes_back_as_it_was() {
    let name = "100%0A, odd: ::x\r\ny%";
    let told = reported(memory_target().called(name), &scenarios());
    let title = format!("{name}: core/fail");
    let fail = told.iter().find(|one| one.properties["title"] == title).unwrap();
    assert!(fail.message.contains("100%0A, odd: ::x"), "{fail:?}");
}
