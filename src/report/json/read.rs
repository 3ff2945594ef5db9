//! Reads a recorded run line by line, and makes its events again.

use std::borrow::Cow;
use std::collections::HashMap;
use std::io::BufRead;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde::de::DeserializeOwned;

use super::lines::{CaseFinished, Finished, Kind, Script, Started, TargetFinished, TargetStarted};
use super::{SCHEMA, convert};
use crate::capability::Capabilities;
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::plan::{Case, Shard};
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// One event of a recorded run.
#[derive(Debug)]
pub enum Recorded {
    /// The run began.
    Started {
        /// The version of the kvspec that ran it.
        kvspec: String,
        /// The hash of its scenarios.
        suite: String,
        /// When it began.
        at: SystemTime,
        /// How many cases there were.
        cases: usize,
        /// Which shard of the scenarios it ran, if it did not run them all.
        shard: Option<Shard>,
    },
    /// The cases of a target began, or were all skipped.
    TargetStarted {
        /// The backend's name.
        name: String,
        /// What it was, or why it was not there.
        about: Result<String, String>,
        /// The version of what stood behind it.
        version: Option<String>,
        /// What its stores could do.
        capabilities: Option<Capabilities>,
        /// How many cases it had.
        cases: usize,
    },
    /// A case was over.
    CaseFinished(Box<Outcome>),
    /// The cases of a target were over.
    TargetFinished(String, Tally),
    /// The run was over.
    Finished(Summary),
}

impl Recorded {
    /// The event, as reports take it.
    pub fn event(&self) -> RunEvent<'_> {
        match self {
            Self::Started { kvspec, suite, at, cases, shard } => {
                RunEvent::Started { kvspec, suite, at: *at, cases: *cases, shard: *shard }
            }
            Self::TargetStarted { name, about, version, capabilities, cases } => {
                let about = about.as_deref().map_err(String::as_str);
                let (version, capabilities) = (version.as_deref(), capabilities.as_ref());
                RunEvent::TargetStarted { name, about, version, capabilities, cases: *cases }
            }
            Self::CaseFinished(outcome) => RunEvent::CaseFinished { outcome },
            Self::TargetFinished(name, tally) => RunEvent::TargetFinished { name, tally },
            Self::Finished(summary) => RunEvent::Finished { summary },
        }
    }
}

/// A recorded run that cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}:{line}: {reason}", path.display())]
pub struct RecordingError {
    /// The file.
    pub path: PathBuf,
    /// The line, counted from 1.
    pub line: usize,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads a recorded run; `path` is its name in errors.
///
/// Events and fields that this version does not know are passed over. Fails where a line cannot be used, and where the
/// run has no end.
pub fn read(path: &Path, from: impl BufRead) -> Result<Vec<Recorded>, RecordingError> {
    let mut reader = Reader::default();
    let (mut events, mut last) = (Vec::new(), 0);
    for (index, line) in from.lines().enumerate() {
        last = index + 1;
        let taken = line
            .map_err(|error| format!("cannot be read: {error}"))
            .and_then(|line| reader.take(last, &line));
        let wrong = |reason| RecordingError { path: path.into(), line: last, reason };
        events.extend(taken.map_err(wrong)?);
    }
    if matches!(events.last(), Some(Recorded::Finished(_))) {
        return Ok(events);
    }
    let reason = match last {
        0 => "the file is empty: expected what `kvspec run --json` writes".into(),
        _ => "the recorded run has no end: it was cut off, and cannot be judged as a whole".into(),
    };
    Err(RecordingError { path: path.into(), line: last.max(1), reason })
}

/// What must be remembered from line to line.
#[derive(Default)]
struct Reader {
    scenarios: HashMap<(String, String), Arc<Scenario>>,
    tallies: Vec<(String, Tally)>,
}

impl Reader {
    fn take(&mut self, number: usize, line: &str) -> Result<Option<Recorded>, String> {
        let Kind { schema, event } = parse(line)?;
        let line = match schema {
            SCHEMA => Cow::Borrowed(line),
            1 => Cow::Owned(convert::from_1(parse(line)?)?),
            _ => {
                return Err(format!(
                    "its schema is {schema}, and this kvspec reads {SCHEMA} and 1"
                ));
            }
        };
        let line = line.as_ref();
        if number == 1 && event != "started" {
            return Err(format!("a recorded run begins with 'started', not with '{event}'"));
        }
        Ok(Some(match event.as_str() {
            "started" => started(parse(line)?),
            "target_started" => target_started(parse(line)?),
            "case_finished" => Recorded::CaseFinished(Box::new(self.outcome(parse(line)?)?)),
            "target_finished" => {
                let TargetFinished { backend, tally } = parse(line)?;
                let (name, tally) = (backend.into_owned(), tally.into_owned());
                self.tallies.push((name.clone(), tally.clone()));
                Recorded::TargetFinished(name, tally)
            }
            "finished" => {
                let Finished { ended_early, took } = parse(line)?;
                let ended_early = ended_early.map(Into::into);
                let tallies = std::mem::take(&mut self.tallies);
                Recorded::Finished(Summary { tallies, ended_early, took })
            }
            _ => return Ok(None),
        }))
    }

    fn outcome(&mut self, line: CaseFinished<'_>) -> Result<Outcome, String> {
        let verdict = line.verdict.verdict()?;
        let skip = match &verdict {
            Verdict::Skipped(reason) => Some(reason.clone()),
            _ => None,
        };
        let scenario = self.scenario(line.scenario)?;
        let known = line.known.map(Cow::into_owned);
        let case = Case { backend: line.backend.into(), scenario, skip, known };
        let transcript = line.transcript.map(Cow::into_owned);
        Ok(Outcome { case, verdict, transcript, took: line.took })
    }

    fn scenario(&mut self, script: Script<'_>) -> Result<Arc<Scenario>, String> {
        let key = (script.name.into_owned(), script.text.into_owned());
        if let Some(scenario) = self.scenarios.get(&key) {
            return Ok(scenario.clone());
        }
        let scenario = Scenario::recall(&key.0, script.path.as_ref().into(), key.1.clone())
            .map_err(|error| format!("its script cannot be used: {error}"))?;
        Ok(self.scenarios.entry(key).or_insert(Arc::new(scenario)).clone())
    }
}

fn parse<T: DeserializeOwned>(line: &str) -> Result<T, String> {
    serde_json::from_str(line).map_err(|error| {
        let (text, column) = (error.to_string(), error.column());
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        format!("invalid event of a recorded run: {text}, in column {column}")
    })
}

fn started(line: Started<'_>) -> Recorded {
    let at = UNIX_EPOCH + Duration::from_millis(line.unix_ms);
    let (kvspec, suite) = (line.kvspec.into(), line.suite.into());
    Recorded::Started { kvspec, suite, at, cases: line.cases, shard: line.shard }
}

fn target_started(line: TargetStarted<'_>) -> Recorded {
    let missing = line.missing.unwrap_or_default().into_owned();
    Recorded::TargetStarted {
        name: line.backend.into(),
        about: line.about.map(Into::into).ok_or(missing),
        version: line.version.map(Into::into),
        capabilities: line.capabilities.map(Cow::into_owned),
        cases: line.cases,
    }
}
