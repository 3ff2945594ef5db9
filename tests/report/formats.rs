//! JSON as kvspec reads it again, and the terminal.

use kvspec::event::{Outcome, RunEvent};
use kvspec::known::weigh;
use kvspec::report::Reporter;
use kvspec::report::json::{Json, read};
use kvspec::report::paint::Paint;
use kvspec::report::terminal::{Detail, Terminal};
use kvspec::transcript::{Answer, Transcript};
use kvspec::verdict::judge;
use rstest::rstest;
use serde_json::Value;
use std::path::Path;

use super::{outcomes, recorded, replayed, run, values};

/// Keeps what each case was seen to answer, as it happens.
#[derive(Default)]
struct Keeper(Vec<(String, String, Option<Transcript>)>);

impl Reporter for Keeper {
    fn take(&mut self, event: &RunEvent<'_>) -> std::io::Result<()> {
        if let RunEvent::CaseFinished { outcome } = event {
            let case = &outcome.case;
            let name = case.scenario.name.clone();
            self.0.push((case.backend.clone(), name, outcome.transcript.clone()));
        }
        Ok(())
    }
}

#[test]
fn every_line_is_an_event_of_the_schema() {
    let lines = values(&recorded());
    assert!(lines.iter().all(|line| line["schema"] == 2 && line["event"].is_string()));
    assert_eq!(lines[0]["event"], "started");
    assert_eq!(lines[0]["cases"], 8);
    assert_eq!(lines.last().unwrap()["event"], "finished");
    let verdict = |backend: &str, name: &str| {
        let found = lines.iter().find(|line| {
            line["event"] == "case_finished"
                && line["backend"] == backend
                && line["scenario"]["name"] == name
        });
        found.expect("the case is there")["verdict"].clone()
    };
    assert_eq!(verdict("memory", "core/pass")["kind"], "passed");
    assert_eq!(verdict("memory", "core/fail")["kind"], "failed");
    assert_eq!(verdict("memory", "core/fail")["mismatch"]["line"], 4);
    assert_eq!(verdict("memory", "core/known")["reason"], "<b>never</b> did");
    assert_eq!(verdict("memory", "directory/skip")["reason"], "the store has no directories");
    assert_eq!(verdict("broken", "core/pass")["kind"], "errored");
    let target = |name: &str| {
        lines.iter().find(|line| line["event"] == "target_started" && line["backend"] == name)
    };
    assert_eq!(target("broken").unwrap()["version"], "0.0 \u{1}<beta>");
    assert_eq!(target("memory").unwrap()["capabilities"]["limits"]["binary_keys"], true);
}

#[test]
fn bytes_survive() {
    let outcomes = outcomes(&recorded());
    let pass = outcomes.iter().find(|one| one.case.test_name() == "memory::core::pass").unwrap();
    let entries = &pass.transcript.as_ref().unwrap().entries;
    assert_eq!(entries[3].answer, Answer::Value(Some(b"\xff\x00]]>".to_vec().into())));
    assert_eq!(entries[5].answer, Answer::Keys(vec![b"<script>".to_vec(), b"\xfe".to_vec()]));
}

#[test]
fn a_recorded_run_is_judged_alike() {
    let outcomes = outcomes(&recorded());
    assert_eq!(outcomes.len(), 8);
    for outcome in outcomes.iter().filter(|outcome| outcome.transcript.is_some()) {
        let verdict = judge(&outcome.case.scenario, outcome.transcript.as_ref().unwrap());
        assert_eq!(weigh(verdict, outcome.case.known.as_ref()), outcome.verdict);
    }
}

#[test]
fn a_recorded_run_is_recorded_alike() {
    let json = recorded();
    let mut again = Vec::new();
    replayed(&json, &mut Json::new(&mut again));
    let is_told_again = |line: &Value| line["event"] != "case_started";
    let lines: Vec<_> = values(&json).into_iter().filter(is_told_again).collect();
    assert_eq!(values(&again), lines);
}

/// Every scenario of the suite on the memory store: answers of all kinds.
#[test]
fn every_answer_of_the_suite_survives() {
    let scenarios: Vec<_> =
        kvspec::scenario::embedded().unwrap().into_iter().map(Into::into).collect();
    let mut plan = kvspec::plan::Plan::new(vec![kvspec::builtin::memory_target()], &scenarios);
    plan.open();
    let (mut keeper, mut json) = (Keeper::default(), Vec::new());
    let mut report = Json::new(&mut json);
    let settings = kvspec::runner::Settings::default();
    kvspec::suite::run(&plan, &settings, None, &mut |event| {
        keeper.take(&event)?;
        report.take(&event)
    })
    .unwrap();
    let read: Vec<_> = outcomes(&json)
        .into_iter()
        .map(|one| (one.case.backend, one.case.scenario.name.clone(), one.transcript))
        .collect();
    assert_eq!(read, keeper.0);
}

/// A run as schema 1 had it: a long value in short, the calls of a race in a list, `inconclusive`.
const OF_SCHEMA_1: &str = include_str!("schema-1.jsonl");

#[test]
fn a_run_of_schema_1_is_read_and_judged_alike() {
    let outcomes = outcomes(OF_SCHEMA_1.as_bytes());
    let judged = |one: &Outcome| judge(&one.case.scenario, one.transcript.as_ref().unwrap());
    for outcome in &outcomes {
        assert_eq!(judged(outcome), outcome.verdict, "{}", outcome.case.scenario.name);
    }
    let kinds = outcomes.iter().map(|one| std::mem::discriminant(&one.verdict));
    assert_eq!(kinds.collect::<std::collections::HashSet<_>>().len(), 2);
}

#[rstest]
#[case::empty("", "run.json:1: the file is empty")]
#[case::no_json("nothing\n", "run.json:1: invalid event of a recorded run: expected ident")]
#[case::newer(
    r#"{"schema":3,"event":"started"}"#,
    "run.json:1: its schema is 3, and this kvspec reads 2 and 1"
)]
#[case::middle(r#"{"schema":1,"event":"finished","took":0}"#, "begins with 'started'")]
#[case::cut_off(
    "{\"schema\":1,\"event\":\"started\",\"kvspec\":\"\",\"suite\":\"\",\"unix_ms\":0,\"cases\":0}\n{\"schema\":1,\"event\":\"of the future\"}\n",
    "run.json:2: the recorded run has no end"
)]
fn an_unusable_file_is_told_by_its_line(#[case] text: &str, #[case] words: &str) {
    let error = read(Path::new("run.json"), text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[rstest]
#[case::quiet(Detail::Quiet, false, false)]
#[case::normal(Detail::Normal, true, false)]
#[case::verbose(Detail::Verbose, true, true)]
fn the_terminal_tells_as_much_as_is_wanted(
    #[case] detail: Detail,
    #[case] has_passes: bool,
    #[case] has_transcripts: bool,
) {
    let mut out = Vec::new();
    run(&mut Terminal::new(&mut out, Paint::new(false), false, "kvspec run").detail(detail));
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("  memory   core/fail\n") && out.contains("  1 passed, 1 failed, "));
    assert_eq!(out.contains("  memory   core/pass\n"), has_passes, "{out}");
    assert_eq!(out.contains("0s +0s      b: read \"<script>\": "), has_transcripts, "{out}");
}
