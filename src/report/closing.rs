//! The end of a run as people read it: what did not pass, what each group of clauses came to, and the verdict.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Duration;

use super::causes::{self, Cause};
use super::failure::{clauses, in_a_line};
use super::groups::Groups;
use super::paint::Paint;
use crate::contract;
use crate::event::{Outcome, Summary, Tally};
use crate::verdict::Verdict;
use crate::words::seconds;

/// How many of the slowest cases are named, and how many cases a run has for its end to say more than the verdict.
const FEW: usize = 5;

/// What a target that is not there makes of a run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Missing {
    /// Its cases are skipped.
    #[default]
    Skipped,
    /// There is no verdict, because it was named.
    NoVerdict,
    /// The run fails, because it is required.
    Failed,
}

/// What a run was so far.
#[derive(Default)]
pub(super) struct Closing {
    groups: BTreeMap<String, Groups>,
    /// The cases that took longest, the longest first: how long, backend, name.
    slowest: Vec<(Duration, String, String)>,
    /// What did not pass, by backend.
    failed: BTreeMap<String, Vec<Failed>>,
    causes: BTreeMap<String, Vec<Cause>>,
    /// What a backend is called: with its version if it has one.
    targets: BTreeMap<String, String>,
    /// The backends that are not there.
    missing: Vec<String>,
    /// What they make of the run.
    pub if_missing: Missing,
}

/// A case that did not pass.
struct Failed {
    name: String,
    clause: String,
    verdict: Verdict,
}

impl Closing {
    /// Notes a target, its version and whether it is there.
    pub fn target(&mut self, name: &str, version: Option<&str>, is_there: bool) {
        // A server states its version itself, and must not steer the terminal by it.
        let plain = |text: &str| text.replace(char::is_control, "");
        let version = version.map(|version| format!(" {}", plain(version)));
        let called = format!("{name}{}", version.unwrap_or_default());
        self.targets.insert(name.into(), called);
        if !is_there {
            self.missing.push(name.into());
        }
    }

    /// Counts a case.
    pub fn case(&mut self, outcome: &Outcome) {
        let (backend, name) = (&outcome.case.backend, &outcome.case.scenario.name);
        self.groups.entry(backend.clone()).or_default().add(outcome);
        causes::add(self.causes.entry(backend.clone()).or_default(), outcome);
        if is_bad(&outcome.verdict) && outcome.transcript.is_some() && !outcome.is_unfinished() {
            let clauses = clauses(&outcome.verdict, &outcome.case.scenario);
            let clause = clauses.first().copied().unwrap_or_default().into();
            let failed = Failed { name: name.clone(), clause, verdict: outcome.verdict.clone() };
            self.failed.entry(backend.clone()).or_default().push(failed);
        }
        if outcome.transcript.is_none() {
            return;
        }
        let at = self.slowest.partition_point(|(took, ..)| *took >= outcome.took);
        if at < FEW {
            self.slowest.insert(at, (outcome.took, backend.clone(), name.clone()));
            self.slowest.truncate(FEW);
        }
    }

    /// Writes the end of a run.
    pub fn write(
        &self,
        out: &mut dyn Write,
        summary: &Summary,
        paint: Paint,
        with_slowest: bool,
    ) -> io::Result<()> {
        let is_long = summary.tallies.iter().any(|(_, tally)| tally.cases() > FEW);
        if is_long {
            self.groups(out, summary, paint)?;
        }
        if is_long && with_slowest {
            self.slowest(out, paint)?;
        }
        if is_long {
            self.failed(out, paint)?;
            self.causes(out, paint)?;
        }
        self.tallies(out, summary, paint)?;
        if let Some(reason) = &summary.ended_early {
            writeln!(out, "{}", paint.loud(format!("the run ended early: {reason}")))?;
        }
        self.verdict(out, summary, paint)
    }

    fn called<'a>(&'a self, name: &'a str) -> &'a str {
        self.targets.get(name).map_or(name, String::as_str)
    }

    /// How many cases of each group of clauses passed, of those that were run: a row a group, a column a backend.
    fn groups(&self, out: &mut dyn Write, summary: &Summary, paint: Paint) -> io::Result<()> {
        let run = summary.tallies.iter().filter(|(_, tally)| ran(tally) > 0);
        let names: Vec<_> = run.map(|(name, _)| name).collect();
        if names.is_empty() {
            return Ok(());
        }
        let titles = contract::letters().into_iter().map(|letter| {
            (letter, format!("{letter} {}", contract::title(letter).unwrap_or_default()))
        });
        let titles: Vec<_> = titles.collect();
        let first = titles.iter().map(|(_, title)| title.chars().count()).max().unwrap_or(0);
        let head: String = names.iter().map(|name| format!("  {name:>9}")).collect();
        writeln!(out, "{}", paint.head(format!("{:first$}{head}", "passed of run")))?;
        for (letter, title) in titles {
            let tallies: Vec<_> = names
                .iter()
                .map(|name| self.groups.get(*name).and_then(|groups| groups.tally(letter)))
                .collect();
            if tallies.iter().all(|tally| tally.is_none_or(|tally| ran(tally) == 0)) {
                continue;
            }
            let cells = tallies.iter().zip(&names).map(|(tally, name)| {
                let width = name.len().max(9);
                format!("  {}", cell(*tally, width, paint))
            });
            writeln!(out, "{title:first$}{}", cells.collect::<String>())?;
        }
        if summary.has_failed() {
            writeln!(
                out,
                "{}",
                paint.faint("A failed case counts in the group of the clause that it broke.")
            )?;
        }
        writeln!(out)
    }

    fn slowest(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        writeln!(out, "{}", paint.head("slowest"))?;
        for (took, backend, name) in &self.slowest {
            writeln!(out, "{:>8}  {}  {name}", seconds(*took), paint.faint(backend))?;
        }
        writeln!(out)
    }

    /// What did not pass, a line each: name, clause, and what was wrong.
    fn failed(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        let all = || self.failed.values().flatten();
        let name_width = all().map(|one| one.name.len()).max().unwrap_or(0);
        let clause_width = all().map(|one| one.clause.len()).max().unwrap_or(0);
        for (backend, failed) in &self.failed {
            writeln!(out, "{}", paint.head(format!("did not pass on {}", self.called(backend))))?;
            let mut failed: Vec<_> = failed.iter().collect();
            failed.sort_by(|one, other| one.name.cmp(&other.name));
            for Failed { name, clause, verdict } in failed {
                let start = format!("  {name:name_width$}  {clause:clause_width$}  ");
                let difference = in_a_line(verdict, paint, start.chars().count());
                writeln!(out, "{start}{difference}")?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// What goes wrong where many cases failed, the most frequent first.
    fn causes(&self, out: &mut dyn Write, paint: Paint) -> io::Result<()> {
        for (backend, causes) in &self.causes {
            let lines = causes::lines(causes);
            if lines.is_empty() {
                continue;
            }
            writeln!(out, "{}", paint.head(format!("causes on {}", self.called(backend))))?;
            for line in lines.iter().flat_map(|line| paint.wrap(line, 2)) {
                writeln!(out, "{}", paint.bad(line))?;
            }
            writeln!(out)?;
        }
        Ok(())
    }

    /// The numbers of each backend if there are several, and why cases were skipped.
    fn tallies(&self, out: &mut dyn Write, summary: &Summary, paint: Paint) -> io::Result<()> {
        let called = |name: &str| self.called(name).to_owned();
        let width = summary.tallies.iter().map(|(name, _)| called(name).len()).max().unwrap_or(0);
        for (name, tally) in &summary.tallies {
            if summary.tallies.len() > 1 {
                let name = paint.head(format!("{:width$}", called(name)));
                writeln!(out, "{name}  {} in {}", counts(tally, paint), seconds(tally.took))?;
            }
            for line in tally.left.iter().flat_map(|left| paint.wrap(&left.sentence(), 2)) {
                writeln!(out, "{}", paint.odd(line))?;
            }
            for (reason, count) in &tally.skipped {
                for line in paint.wrap(&format!("{count} skipped: {reason}"), 2) {
                    writeln!(out, "{}", paint.faint(line))?;
                }
            }
        }
        Ok(())
    }

    /// The last line: the verdict, its numbers, and what was tested.
    fn verdict(&self, out: &mut dyn Write, summary: &Summary, paint: Paint) -> io::Result<()> {
        let all = total(summary);
        let word = match all {
            _ if summary.has_failed() || self.if_missing == Missing::Failed => paint.loud("FAILED"),
            _ if summary.is_unjudged() || self.if_missing == Missing::NoVerdict => {
                paint.loud("NO VERDICT")
            }
            _ if all.passed + all.known == 0 => paint.odd("NOT TESTED"),
            _ => paint.good("PASSED"),
        };
        let is_missing = |name: &&String| self.missing.contains(name);
        let names = || summary.tallies.iter().map(|(name, _)| name);
        let tested: Vec<_> =
            names().filter(|name| !is_missing(name)).map(|name| self.called(name)).collect();
        let missing: Vec<_> = names().filter(is_missing).map(String::as_str).collect();
        let tested = match tested.is_empty() {
            true => String::new(),
            false => format!(" on {}", tested.join(", ")),
        };
        let missing = match missing.is_empty() {
            true => String::new(),
            false => format!("; not tested: {}", missing.join(", ")),
        };
        let took = seconds(summary.took);
        writeln!(out, "{word}: {} in {took}{tested}{missing}", counts(&all, paint))?;
        out.flush()
    }
}

fn is_bad(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => false,
        Verdict::Failed(_) | Verdict::Stale(_) | Verdict::Unclear(_) | Verdict::Errored(_) => true,
    }
}

/// How many cases of a tally were not skipped.
fn ran(tally: &Tally) -> usize {
    tally.cases() - tally.skipped.values().sum::<usize>()
}

fn cell(tally: Option<&Tally>, width: usize, paint: Paint) -> String {
    let Some(tally) = tally.filter(|tally| ran(tally) > 0) else {
        return paint.faint(format!("{:>width$}", "–"));
    };
    let text = format!("{:>width$}", format!("{}/{}", tally.passed, ran(tally)));
    match tally {
        tally if tally.passed == ran(tally) => paint.good(text),
        tally if tally.failed + tally.errored > 0 => paint.loud(text),
        _ => paint.odd(text),
    }
}

fn total(summary: &Summary) -> Tally {
    let mut all = Tally::default();
    for (_, tally) in &summary.tallies {
        all.passed += tally.passed;
        all.failed += tally.failed;
        all.known += tally.known;
        all.unclear += tally.unclear;
        all.errored += tally.errored;
        all.unfinished += tally.unfinished;
        for (reason, count) in &tally.skipped {
            *all.skipped.entry(reason.clone()).or_default() += count;
        }
    }
    all
}

fn counts(tally: &Tally, paint: Paint) -> String {
    let skipped = tally.skipped.values().sum();
    let counted = [
        (tally.passed, "passed", paint.good(format!("{} passed", tally.passed))),
        (tally.failed, "failed", paint.loud(format!("{} failed", tally.failed))),
        (tally.known, "known", paint.odd(format!("{} known to fail", tally.known))),
        (tally.unclear, "unclear", paint.odd(format!("{} unclear", tally.unclear))),
        (tally.errored, "errored", paint.loud(format!("{} errored", tally.errored))),
        (tally.unfinished, "unfinished", paint.odd(format!("{} unfinished", tally.unfinished))),
        (skipped, "skipped", paint.odd(format!("{skipped} skipped"))),
    ];
    let counted = counted.into_iter().filter(|(count, word, _)| *count > 0 || *word == "passed");
    counted.map(|(_, _, text)| text).collect::<Vec<_>>().join(", ")
}
