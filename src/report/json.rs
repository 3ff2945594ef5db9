//! A run as JSON, an object an event and line: written as it happens, read again for judging and for other reports.

mod convert;
mod lines;
mod merge;
mod read;

use std::borrow::Cow;
use std::io::{self, Write};
use std::time::{Duration, Instant, UNIX_EPOCH};

use serde::Serialize;

use self::lines::{
    CaseFinished, CaseStarted, Finished, Head, Script, Started, TargetFinished, TargetStarted, Told,
};
pub use self::merge::{MergeError, Merged, merge};
pub use self::read::{Recorded, RecordingError, read};
use super::Reporter;
use crate::event::{Outcome, RunEvent};

/// The version of the schema, which grows only with a change that a reader would misunderstand.
pub const SCHEMA: u32 = 2;

/// What a line is, as a JSON Schema (draft 2020-12) that refuses every field that this version does not write.
pub const JSON_SCHEMA: &str = include_str!("json/schema.json");

/// How long a case that is over may wait, while others end, before it is written.
const WAIT: Duration = Duration::from_millis(200);

/// Writes a run as JSON, an object an event and line.
///
/// What ends within 200 ms of the last flush is flushed with the next event after them, so a run that is killed may
/// leave out the cases that ended last.
pub struct Json<W> {
    out: W,
    /// The line that is being made.
    line: Vec<u8>,
    flushed: Instant,
}

impl<W: Write> Json<W> {
    /// A report to `out`.
    pub fn new(out: W) -> Self {
        Self { out, line: Vec::new(), flushed: Instant::now() }
    }

    fn line(&mut self, event: &str, data: impl Serialize) -> io::Result<()> {
        let schema = SCHEMA;
        self.line.clear();
        serde_json::to_writer(&mut self.line, &Head { schema, event: event.into(), data })?;
        self.line.push(b'\n');
        self.out.write_all(&self.line)
    }

    /// Flushes what was over for a while: a flush a case is a call of the system a case.
    fn flush(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        let is_case = matches!(event, RunEvent::CaseStarted { .. } | RunEvent::CaseFinished { .. });
        if is_case && self.flushed.elapsed() < WAIT {
            return Ok(());
        }
        self.flushed = Instant::now();
        self.out.flush()
    }
}

impl<W: Write> Reporter for Json<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { kvspec, suite, at, cases, shard } => {
                let since = at.duration_since(UNIX_EPOCH).unwrap_or_default();
                let unix_ms = since.as_millis().try_into().unwrap_or(u64::MAX);
                let (kvspec, suite) = ((*kvspec).into(), (*suite).into());
                let (cases, shard) = (*cases, *shard);
                self.line("started", Started { kvspec, suite, unix_ms, cases, shard })?;
            }
            RunEvent::TargetStarted { name, about, version, capabilities, cases } => {
                let line = TargetStarted {
                    backend: (*name).into(),
                    about: about.ok().map(Cow::from),
                    missing: about.err().map(Cow::from),
                    version: version.map(Cow::from),
                    capabilities: capabilities.map(Cow::Borrowed),
                    cases: *cases,
                };
                self.line("target_started", line)?;
            }
            RunEvent::CaseStarted { case } => {
                let (backend, scenario) = (&case.backend, &case.scenario.name);
                self.line("case_started", CaseStarted { backend, scenario })?;
            }
            RunEvent::CaseFinished { outcome } => self.case(outcome)?,
            RunEvent::TargetFinished { name, tally } => {
                let (backend, tally) = ((*name).into(), Cow::Borrowed(*tally));
                self.line("target_finished", TargetFinished { backend, tally })?;
            }
            RunEvent::Finished { summary } => {
                let ended_early = summary.ended_early.as_deref().map(Cow::from);
                self.line("finished", Finished { ended_early, took: summary.took })?;
            }
        }
        self.flush(event)
    }
}

impl<W: Write> Json<W> {
    fn case(&mut self, outcome: &Outcome) -> io::Result<()> {
        let case = &outcome.case;
        let line = CaseFinished {
            backend: (&case.backend).into(),
            scenario: Script::of(&case.scenario),
            known: case.known.as_ref().map(Cow::Borrowed),
            verdict: Told::of(&outcome.verdict),
            took: outcome.took,
            transcript: outcome.transcript.as_ref().map(Cow::Borrowed),
        };
        self.line("case_finished", line)
    }
}
