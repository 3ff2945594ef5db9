//! A run as JUnit XML: a suite a backend, with failure, error and skipped distinguished.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::SystemTime;

use chrono::{DateTime, Utc};
use quick_junit::{NonSuccessKind, Report, TestCase, TestCaseStatus, TestSuite};

use super::Reporter;
use super::failure::describe;
use super::log::log;
use super::paint::Paint;
use crate::event::{Outcome, RunEvent, Tally};
use crate::plan::Rerun;
use crate::verdict::Verdict;

/// Writes JUnit XML once the run is over.
pub struct Junit<W> {
    out: W,
    report: Report,
    at: SystemTime,
    properties: Vec<(&'static str, String)>,
    /// How many of the properties are those of every backend.
    told_of_all: usize,
    /// The cases of the backend that is running, by name: they end in any order.
    cases: BTreeMap<String, TestCase>,
    rerun: Rerun,
}

impl<W: Write> Junit<W> {
    /// A report to `out`; `rerun` is the command that runs one case, up to what names the case.
    pub fn new(out: W, rerun: impl Into<Rerun>) -> Self {
        Self {
            out,
            report: Report::new("kvspec"),
            at: SystemTime::UNIX_EPOCH,
            properties: Vec::new(),
            told_of_all: 0,
            cases: BTreeMap::new(),
            rerun: rerun.into(),
        }
    }

    fn target(&mut self, about: &Result<&str, &str>, version: Option<&str>) {
        self.properties.truncate(self.told_of_all);
        match about {
            Ok(about) => self.properties.push(("about", about.to_string())),
            Err(reason) => self.properties.push(("missing", reason.to_string())),
        }
        self.properties.extend(version.map(|version| ("version", version.to_string())));
    }

    fn case(&mut self, outcome: &Outcome) {
        let scenario = &outcome.case.scenario;
        let (group, name) = scenario.name.rsplit_once('/').unwrap_or(("", &scenario.name));
        let class = format!("{}.{}", outcome.case.backend, group.replace('/', "."));
        let mut case = TestCase::new(name, self.status(outcome));
        case.set_classname(class.trim_end_matches('.')).set_time(outcome.took);
        // The schemas have neither `file` nor `line`; pytest writes both, and GitLab shows them.
        case.extra.insert("file".into(), scenario.path.to_string_lossy().as_ref().into());
        if let Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) = &outcome.verdict {
            case.extra.insert("line".into(), mismatch.line.to_string().into());
        }
        if let Some(transcript) = &outcome.transcript {
            case.set_system_out(log(&outcome.case.scenario, transcript).join("\n"));
        }
        self.cases.insert(scenario.name.clone(), case);
    }

    fn status(&self, outcome: &Outcome) -> TestCaseStatus {
        let title = &outcome.case.scenario.title;
        match &outcome.verdict {
            Verdict::Passed => TestCaseStatus::success(),
            Verdict::Skipped(reason) => skipped("skipped", reason),
            Verdict::Known(reason, _) => skipped("known failure", reason),
            Verdict::Failed(_) => self.wrong(outcome, NonSuccessKind::Failure, "failed", title),
            Verdict::Stale(reason) => self.wrong(outcome, NonSuccessKind::Failure, "stale", reason),
            Verdict::Unclear(reason) => {
                self.wrong(outcome, NonSuccessKind::Error, "unclear", reason)
            }
            Verdict::Errored(reason) => {
                self.wrong(outcome, NonSuccessKind::Error, "errored", reason)
            }
        }
    }

    fn wrong(
        &self,
        outcome: &Outcome,
        kind: NonSuccessKind,
        word: &str,
        message: &str,
    ) -> TestCaseStatus {
        let mut status = TestCaseStatus::non_success(kind);
        let rerun = outcome.case.rerun(&self.rerun);
        let description = describe(outcome, &rerun, Paint::new(false));
        status.set_type(word).set_message(message).set_description(description);
        status
    }

    fn end_of_target(&mut self, name: &str, tally: &Tally) {
        let mut suite = TestSuite::new(name);
        suite.set_timestamp(DateTime::<Utc>::from(self.at)).set_time(tally.took);
        suite.add_properties(self.properties.iter().map(|(name, value)| (*name, value.as_str())));
        suite.add_test_cases(std::mem::take(&mut self.cases).into_values());
        self.report.add_test_suite(suite);
    }
}

impl<W: Write> Reporter for Junit<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { kvspec, suite, at, shard, .. } => {
                // Each suite reports it; the schemas have no such attribute of the whole.
                self.at = *at;
                self.properties =
                    vec![("kvspec", kvspec.to_string()), ("suite", suite.to_string())];
                self.properties.extend(shard.map(|shard| ("shard", shard.to_string())));
                self.told_of_all = self.properties.len();
            }
            RunEvent::TargetStarted { about, version, .. } => self.target(about, *version),
            RunEvent::CaseStarted { .. } => {}
            RunEvent::CaseFinished { outcome } => self.case(outcome),
            RunEvent::TargetFinished { name, tally } => self.end_of_target(name, tally),
            RunEvent::Finished { summary } => {
                if let Some(reason) = &summary.ended_early {
                    self.report.add_test_suite(ended_early(reason));
                }
                self.report.set_time(summary.took);
                self.report.serialize(&mut self.out).map_err(io::Error::other)?;
                self.out.flush()?;
            }
        }
        Ok(())
    }
}

/// A suite of one case that is in error: readers of JUnit know no other place for what is wrong with a whole run.
fn ended_early(reason: &str) -> TestSuite {
    let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
    status.set_type("ended early").set_message(reason);
    let mut suite = TestSuite::new("kvspec");
    suite.add_test_case(TestCase::new("the whole run", status));
    suite
}

fn skipped(word: &str, reason: &str) -> TestCaseStatus {
    let mut status = TestCaseStatus::skipped();
    status.set_type(word).set_message(reason);
    status
}
