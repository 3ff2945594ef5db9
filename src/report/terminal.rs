//! The report that people watch: a bar on a terminal, a line a case in a pipe, failures as they come, a summary.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Reporter;
use super::failure::describe;
use super::groups::Groups;
use super::log::log;
use super::paint::Paint;
use crate::contract::letters;
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

/// How many of the slowest cases are named, and how many cases a run has for its summary to say more than the count.
const SLOWEST: usize = 5;

/// How much is told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Detail {
    /// Only what did not pass, and the summary.
    Quiet,
    /// What a user wants to see.
    #[default]
    Normal,
    /// Also what every case was seen to answer, with times.
    Verbose,
}

/// Writes what happens in a run for people.
pub struct Terminal<W> {
    out: W,
    paint: Paint,
    /// There on a terminal: then only what did not pass gets a line.
    bar: Option<ProgressBar>,
    detail: Detail,
    running: BTreeMap<String, Duration>,
    groups: BTreeMap<String, Groups>,
    /// The cases that took longest, the longest first: how long, backend, name.
    slowest: Vec<(Duration, String, String)>,
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
        Self {
            out,
            paint,
            bar,
            detail: Detail::Normal,
            running: BTreeMap::new(),
            groups: BTreeMap::new(),
            slowest: Vec::new(),
            is_spaced: true,
            rerun: rerun.into(),
        }
    }

    /// Tells more, or less.
    pub fn detail(self, detail: Detail) -> Self {
        Self { detail, ..self }
    }

    fn target(&mut self, name: &str, about: Result<&str, &str>, cases: usize) -> io::Result<()> {
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
        self.running.remove(&outcome.case.scenario.name);
        if let Some(bar) = &self.bar {
            bar.inc(1);
        }
        self.show_running();
        self.count(outcome);
        // Why the run ended early is told once, and not by every case that it took along.
        if outcome.is_unfinished() {
            return Ok(());
        }
        let is_worth_a_line =
            !matches!(outcome.verdict, Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..));
        let is_wanted = match self.detail {
            Detail::Quiet => false,
            Detail::Normal => self.bar.is_none(),
            Detail::Verbose => true,
        };
        if is_worth_a_line || is_wanted {
            let (word, name) = (self.word(&outcome.verdict), self.name(&outcome.case));
            let more = match &outcome.verdict {
                Verdict::Skipped(reason) | Verdict::Known(reason, _) => reason.clone(),
                _ => seconds(outcome.took),
            };
            self.line(&format!("{word} {name}  {}", self.paint.faint(more)))?;
        }
        if let Some(transcript) =
            outcome.transcript.as_ref().filter(|_| self.detail == Detail::Verbose)
        {
            for line in log(transcript) {
                self.line(&self.paint.faint(format!("  {line}")))?;
            }
        }
        if is_worth_a_line {
            let rerun = outcome.case.rerun(&self.rerun);
            self.line(&describe(outcome, &rerun, self.paint))?;
        }
        Ok(())
    }

    fn count(&mut self, outcome: &Outcome) {
        let (backend, name) = (&outcome.case.backend, &outcome.case.scenario.name);
        self.groups.entry(backend.clone()).or_default().add(outcome);
        if outcome.transcript.is_none() {
            return;
        }
        let at = self.slowest.partition_point(|(took, ..)| *took >= outcome.took);
        if at < SLOWEST {
            self.slowest.insert(at, (outcome.took, backend.clone(), name.clone()));
            self.slowest.truncate(SLOWEST);
        }
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

    /// Names the running case that may wait longest: the run lasts as long as it does.
    fn show_running(&self) {
        let Some(bar) = &self.bar else { return };
        let longest = self.running.iter().max_by_key(|(_, patience)| **patience);
        let Some((name, patience)) = longest else { return bar.set_message("") };
        let until = match patience.is_zero() {
            true => String::new(),
            false => format!(", for {} at most", seconds(*patience)),
        };
        bar.set_message(format!("{} running: {name}{until}", self.running.len()));
    }

    fn summary(&mut self, summary: &Summary) -> io::Result<()> {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        if !self.is_spaced {
            writeln!(self.out)?;
        }
        if summary.tallies.iter().any(|(_, tally)| tally.cases() > SLOWEST) {
            self.grids(summary)?;
            self.slowest()?;
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

    /// What became of the cases of each group of clauses: a column a group, a row a verdict that there was.
    fn grids(&mut self, summary: &Summary) -> io::Result<()> {
        let rows: [(&str, fn(&Tally) -> usize, fn(Paint, String) -> String); 6] = [
            ("passed", |tally| tally.passed, |paint, text| paint.good(text)),
            ("failed", |tally| tally.failed, |paint, text| paint.loud(text)),
            ("known", |tally| tally.known, |paint, text| paint.odd(text)),
            (
                "unclear",
                |tally| tally.inconclusive + tally.unfinished,
                |paint, text| paint.odd(text),
            ),
            ("errored", |tally| tally.errored, |paint, text| paint.loud(text)),
            ("skipped", |tally| tally.skipped.values().sum(), |paint, text| paint.odd(text)),
        ];
        let letters = letters();
        let names = summary.tallies.iter().map(|(name, _)| name.len());
        let width = names.max().unwrap_or(0).max("  passed".len());
        let cells =
            |cell: &dyn Fn(&str) -> String| letters.iter().map(|one| cell(one)).collect::<String>();
        let groups = summary.tallies.iter().filter_map(|(name, _)| self.groups.get_key_value(name));
        for (name, groups) in groups {
            let head = cells(&|letter| format!("{letter:>5}"));
            writeln!(self.out, "{}{head}", self.paint.head(format!("{name:width$}")))?;
            for (word, count, paint) in rows {
                let count = |letter: &str| groups.tally(letter).map_or(0, count);
                if letters.iter().all(|letter| count(letter) == 0) {
                    continue;
                }
                let row = cells(&|letter| match count(letter) {
                    0 => self.paint.faint(format!("{:>5}", "·")),
                    count => paint(self.paint, format!("{count:>5}")),
                });
                writeln!(self.out, "{:width$}{row}", format!("  {word}"))?;
            }
        }
        writeln!(self.out)
    }

    fn slowest(&mut self) -> io::Result<()> {
        if self.slowest.is_empty() {
            return Ok(());
        }
        writeln!(self.out, "{}", self.paint.head("slowest"))?;
        for (took, backend, name) in &self.slowest {
            writeln!(self.out, "{:>8} {} {name}", seconds(*took), self.paint.faint(backend))?;
        }
        writeln!(self.out)
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

impl<W: Write> Reporter for Terminal<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match *event {
            RunEvent::Started { cases, .. } => {
                if let Some(bar) = &self.bar {
                    bar.set_length(cases as u64);
                    bar.enable_steady_tick(Duration::from_millis(200));
                }
                Ok(())
            }
            RunEvent::TargetStarted { name, about, cases, .. } => self.target(name, about, cases),
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
}

fn plural(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}
