//! The report that people watch: a bar on a terminal, a line a case in a pipe, failures as they come, a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::failure::describe;
use super::paint::Paint;
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::plan::Case;
use crate::scenario::words::seconds;
use crate::verdict::Verdict;

/// Shows on a terminal what is being waited for, until it is dropped.
pub struct Waiting(ProgressBar);

impl Waiting {
    /// Shows `what` on stderr, if that is a terminal.
    pub fn new(what: impl Into<String>) -> Self {
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{elapsed} {wide_msg}");
        let bar =
            bar.with_style(style.expect("the template is well-formed")).with_message(what.into());
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Writes what happens in a run for people.
pub struct Terminal<W> {
    out: W,
    paint: Paint,
    /// There on a terminal: then only what did not pass gets a line.
    bar: Option<ProgressBar>,
    running: BTreeMap<String, Duration>,
    /// Whether the last line was an empty one.
    is_spaced: bool,
    /// The command that runs one case, up to its backend and name.
    rerun: String,
}

impl<W: Write> Terminal<W> {
    /// A report to `out`, with a progress bar on stderr if `with_bar`.
    pub fn new(out: W, paint: Paint, with_bar: bool, rerun: impl Into<String>) -> Self {
        let bar = with_bar.then(|| {
            let style = ProgressStyle::with_template("{pos}/{len} [{bar:24}] {elapsed} {wide_msg}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            bar.with_style(style.expect("the template is well-formed").progress_chars("=> "))
        });
        let (running, rerun) = (BTreeMap::new(), rerun.into());
        Self { out, paint, bar, running, is_spaced: false, rerun }
    }

    /// Takes one event of the run.
    ///
    /// Fails where nothing can be written any more.
    pub fn take(&mut self, event: RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::Started { cases } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(cases as u64);
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
                Ok(())
            }
            RunEvent::TargetStarted { name, about, cases } => self.target(name, about, cases),
            RunEvent::CaseStarted { case } => {
                self.running.insert(case.scenario.name.clone(), case.scenario.patience);
                self.show_running();
                Ok(())
            }
            RunEvent::CaseFinished { outcome } => self.case(outcome),
            RunEvent::TargetFinished { .. } => Ok(()),
            RunEvent::Finished { summary } => self.summary(summary),
        }
    }

    fn target(&mut self, name: &str, about: Result<&str, &str>, cases: usize) -> io::Result<()> {
        let about = match about {
            Ok(about) => format!("{about}, {}", plural(cases, "case")),
            Err(reason) => self.paint.odd(format!("{} skipped: {reason}", plural(cases, "case"))),
        };
        let line = format!("{} {about}", self.paint.head(format!("{name}:")));
        self.line(&line)
    }

    fn case(&mut self, outcome: &Outcome) -> io::Result<()> {
        self.running.remove(&outcome.case.scenario.name);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.show_running();
        // Why the run ended early is told once, and not by every case that it took along.
        if outcome.is_unfinished() {
            return Ok(());
        }
        let is_worth_a_line =
            !matches!(outcome.verdict, Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..));
        if is_worth_a_line || self.bar.is_none() {
            let (word, name) = (self.word(&outcome.verdict), self.name(&outcome.case));
            let more = match &outcome.verdict {
                Verdict::Skipped(reason) | Verdict::Known(reason, _) => reason.clone(),
                _ => seconds(outcome.took),
            };
            self.line(&format!("{word} {name}  {}", self.paint.faint(more)))?;
        }
        if is_worth_a_line {
            let case = &outcome.case;
            let rerun =
                format!("{} --backend {} --exact {}", self.rerun, case.backend, case.scenario.name);
            self.line(&describe(outcome, &rerun, self.paint))?;
        }
        Ok(())
    }

    fn name(&self, case: &Case) -> String {
        format!("{} {}", self.paint.faint(&case.backend), case.scenario.name)
    }

    fn word(&self, verdict: &Verdict) -> String {
        match verdict {
            Verdict::Passed => self.paint.good("pass"),
            Verdict::Skipped(_) => self.paint.odd("skip"),
            Verdict::Known(..) => self.paint.odd("known"),
            Verdict::Failed(_) => self.paint.loud("FAIL"),
            Verdict::Stale(_) => self.paint.loud("STALE"),
            Verdict::Inconclusive(_) => self.paint.odd("UNCLEAR"),
            Verdict::Errored(_) => self.paint.loud("ERROR"),
        }
    }

    /// Names the running case that waits longest: the run lasts as long as it does.
    fn show_running(&self) {
        let Some(bar) = &self.bar else { return };
        let longest = self.running.iter().max_by_key(|(_, patience)| **patience);
        let name = longest.map_or("", |(name, _)| name.as_str());
        bar.set_message(match self.running.len().saturating_sub(1) {
            0 => name.to_string(),
            more => format!("{name} and {more} more"),
        });
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.is_spaced {
            writeln!(self.out)?;
        }
        let width = summary.tallies.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
        for (name, tally) in &summary.tallies {
            writeln!(
                self.out,
                "{} {}",
                self.paint.head(format!("{name:width$}")),
                self.tally(tally)
            )?;
            for (reason, count) in &tally.skipped {
                writeln!(
                    self.out,
                    "{:width$} {}",
                    "",
                    self.paint.faint(format!("{count} skipped: {reason}"))
                )?;
            }
        }
        if let Some(reason) = &summary.ended_early {
            writeln!(self.out, "{}", self.paint.loud(format!("the run ended early: {reason}")))?;
        }
        self.out.flush()
    }

    fn tally(&self, tally: &Tally) -> String {
        let skipped = tally.skipped.values().sum();
        let paint = self.paint;
        let told = [
            (tally.passed, "passed", paint.good(format!("{} passed", tally.passed))),
            (tally.failed, "failed", paint.loud(format!("{} failed", tally.failed))),
            (tally.known, "known", paint.odd(format!("{} known to fail", tally.known))),
            (tally.inconclusive, "unclear", paint.odd(format!("{} unclear", tally.inconclusive))),
            (tally.errored, "errored", paint.loud(format!("{} errored", tally.errored))),
            (tally.unfinished, "unfinished", paint.odd(format!("{} unfinished", tally.unfinished))),
            (skipped, "skipped", paint.odd(format!("{skipped} skipped"))),
        ];
        let told = told.into_iter().filter(|(count, word, _)| *count > 0 || *word == "passed");
        let told: Vec<_> = told.map(|(_, _, text)| text).collect();
        format!("{} in {}", told.join(", "), seconds(tally.took))
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

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
