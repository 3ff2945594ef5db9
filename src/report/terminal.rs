//! The report that people watch: a bar on a terminal, a line a case in a pipe, failures as they come, and the end of the run.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Reporter;
use super::bar::Bar;
use super::closing::Closing;
pub use super::closing::Missing;
use super::failure::describe;
use super::log::log;
use super::paint::Paint;
use crate::event::{Outcome, RunEvent, Summary};
use crate::plan::Rerun;
use crate::verdict::Verdict;
use crate::words::seconds;

/// The columns of a case: its verdict, its time and its backend, which grows if a longer name comes.
const COLUMNS: (usize, usize, usize) = (7, 7, 7);

/// How much is reported.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Only what did not pass, and the end of the run.
    Quiet,
    /// What a user wants to see.
    #[default]
    Normal,
    /// Also the commands and answers of every case, with times, and the slowest cases.
    Verbose,
}

/// Writes what happens in a run for people.
pub struct Terminal<W> {
    out: W,
    paint: Paint,
    /// There on a terminal: then only what did not pass gets a line.
    bar: Option<Bar>,
    detail: Detail,
    /// The cases that run, by the order in which they began.
    running: BTreeMap<usize, String>,
    begun: usize,
    closing: Closing,
    /// The width of the column of backends.
    backends: usize,
    /// Whether the last line was an empty one.
    is_spaced: bool,
    /// The command that runs one case, up to what names the case.
    rerun: Rerun,
}

impl<W: Write> Terminal<W> {
    /// A report to `out`, with a progress bar on stderr if `with_bar`; without the feature `cli` there is none.
    pub fn new(out: W, paint: Paint, with_bar: bool, rerun: impl Into<Rerun>) -> Self {
        let bar = with_bar.then(Bar::new).flatten();
        Self {
            out,
            paint,
            bar,
            detail: Detail::Normal,
            running: BTreeMap::new(),
            begun: 0,
            closing: Closing::default(),
            backends: COLUMNS.2,
            is_spaced: true,
            rerun: rerun.into(),
        }
    }

    /// Reports more, or less.
    pub fn detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    /// Says what targets that are not there make of the run.
    pub fn if_missing(&mut self, missing: Missing) {
        self.closing.if_missing = missing;
    }

    fn target(&mut self, name: &str, about: Result<&str, &str>, cases: usize) -> io::Result<()> {
        self.backends = self.backends.max(name.chars().count());
        if self.detail == Detail::Quiet {
            return Ok(());
        }
        let about = match about {
            Ok(about) => format!("{about}, {}", plural(cases, "case")),
            Err(reason) => self.paint.odd(format!("{} skipped: {reason}", plural(cases, "case"))),
        };
        let line = format!("{} {about}", self.paint.head(format!("{name}:")));
        self.line(&line)
    }

    fn case(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.running.retain(|_, name| *name != outcome.case.scenario.name);
        if let Some(bar) = &self.bar {
            bar.advance();
        }
        self.show_running();
        self.count(outcome);
        // Why the run ended early is reported once, and not by every case that it took along.
        if outcome.is_unfinished() {
            return Ok(());
        }
        let is_worth_a_line =
            !matches!(outcome.verdict, Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..));
        // Skips are counted by reason at the end.
        let is_wanted = match self.detail {
            Detail::Quiet => false,
            Detail::Normal => self.bar.is_none() && outcome.transcript.is_some(),
            Detail::Verbose => true,
        };
        if is_worth_a_line || is_wanted {
            self.line(&self.summed_up(outcome))?;
        }
        if let Some(transcript) =
            outcome.transcript.as_ref().filter(|_| self.detail == Detail::Verbose)
        {
            for line in log(&outcome.case.scenario, transcript) {
                self.line(&self.paint.faint(format!("  {line}")))?;
            }
        }
        if is_worth_a_line {
            let rerun = outcome.case.rerun(&self.rerun);
            self.line(&describe(outcome, &rerun, self.paint))?;
        }
        Ok(())
    }

    /// A case in a line: verdict, time, backend, name, and a reason if it has one.
    fn summed_up(&self, outcome: &Outcome) -> String {
        let took = match &outcome.transcript {
            Some(_) => seconds(outcome.took),
            None => "-".into(),
        };
        let backend = format!("{:width$}", outcome.case.backend, width = self.backends);
        let reason = match &outcome.verdict {
            Verdict::Skipped(reason) | Verdict::Known(reason, _) => {
                self.paint.faint(format!("  {reason}"))
            }
            _ => String::new(),
        };
        format!(
            "{} {took:>width$}  {}  {}{reason}",
            self.word(&outcome.verdict),
            self.paint.faint(backend),
            outcome.case.scenario.name,
            width = COLUMNS.1,
        )
    }

    /// Counts a case for the end of the run.
    pub(crate) fn count(&mut self, outcome: &Outcome) {
        self.closing.case(outcome);
    }

    fn word(&self, verdict: &Verdict) -> String {
        let padded = |word: &str| format!("{word:width$}", width = COLUMNS.0);
        match verdict {
            Verdict::Passed => self.paint.good(padded("pass")),
            Verdict::Skipped(_) => self.paint.odd(padded("skip")),
            Verdict::Known(..) => self.paint.odd(padded("known")),
            Verdict::Failed(_) => self.paint.loud(padded("FAIL")),
            Verdict::Stale(_) => self.paint.loud(padded("STALE")),
            Verdict::Unclear(_) => self.paint.odd(padded("UNCLEAR")),
            Verdict::Errored(_) => self.paint.loud(padded("ERROR")),
        }
    }

    /// Names the case that has run longest.
    fn show_running(&self) {
        let Some(bar) = &self.bar else { return };
        let first = self.running.values().next();
        let said = first.map(|name| format!("{} running: {name}", self.running.len()));
        bar.say(said.unwrap_or_default());
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.end();
        }
        if !self.is_spaced {
            writeln!(self.out)?;
        }
        let with_slowest = self.detail == Detail::Verbose;
        self.closing.write(&mut self.out, summary, self.paint, with_slowest)
    }

    /// Writes a line above the bar, if there is one.
    fn line(&mut self, text: &str) -> io::Result<()> {
        self.is_spaced = text.ends_with('\n');
        let out = &mut self.out;
        let mut write = || writeln!(out, "{text}").and_then(|()| out.flush());
        match &self.bar {
            Some(bar) => bar.suspend(write),
            None => write(),
        }
    }
}

impl<W: Write> Reporter for Terminal<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match *event {
            RunEvent::Started { cases, shard, .. } => {
                if let Some(bar) = &self.bar {
                    bar.begin(cases);
                }
                match shard.filter(|_| self.detail != Detail::Quiet) {
                    Some(shard) => {
                        self.line(&format!("{} {shard} of the scenarios", self.paint.head("shard")))
                    }
                    None => Ok(()),
                }
            }
            RunEvent::TargetStarted { name, about, version, cases, .. } => {
                self.closing.target(name, version, about.is_ok());
                self.target(name, about, cases)
            }
            RunEvent::CaseStarted { case } => {
                self.running.insert(self.begun, case.scenario.name.clone());
                self.begun += 1;
                self.show_running();
                Ok(())
            }
            RunEvent::CaseFinished { outcome } => self.case(outcome),
            RunEvent::TargetFinished { .. } => Ok(()),
            RunEvent::Finished { summary } => self.summary(summary),
        }
    }
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
