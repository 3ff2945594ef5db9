//! Reports of one run with a pass, a failure, an error, a skip and a known failure, read by parsers that others wrote.

use std::path::Path;

use kvspec::event::Outcome;
use kvspec::report::Reporter;
use kvspec::report::json::{Recorded, read};
use serde_json::Value;

#[path = "report/badge.rs"]
mod badge;
#[path = "report/command.rs"]
mod command;
#[path = "report/formats.rs"]
mod formats;
#[path = "report/github.rs"]
mod github;
#[path = "report/html.rs"]
mod html;
#[path = "report/junit.rs"]
mod junit;
#[path = "report/raced.rs"]
mod raced;
#[path = "sample/mod.rs"]
mod sample;
#[path = "report/schema.rs"]
mod schema;
#[path = "report/shards.rs"]
mod shards;
#[path = "report/terminal.rs"]
mod terminal;

use sample::{KNOWN, SCRIPTS, recorded, run, scenarios};

/// The report that a recorded run makes.
fn replayed(json: &[u8], report: &mut dyn Reporter) {
    let events = read(Path::new("run.json"), json).expect("what was written is read");
    events.iter().for_each(|event| report.take(&event.event()).expect("the report takes all"));
}

fn outcomes(json: &[u8]) -> Vec<Outcome> {
    let events = read(Path::new("run.json"), json).expect("what was written is read");
    let outcome = |event| match event {
        Recorded::CaseFinished(outcome) => Some(*outcome),
        _ => None,
    };
    events.into_iter().filter_map(outcome).collect()
}

/// The lines, each as what it holds.
fn values(json: &[u8]) -> Vec<Value> {
    json.split(|byte| *byte == b'\n')
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_slice(line).expect("a line is an object"))
        .collect()
}
