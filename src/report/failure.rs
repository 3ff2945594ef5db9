//! One failure as people read it: the title, the place, the difference, the clause, and how to run just this.

use std::fmt::Write as _;

use super::paint::Paint;
use super::script::failed;
use crate::contract::{Clause, clause};
use crate::event::Outcome;
use crate::scenario::Scenario;
use crate::verdict::{DiffLine, Mismatch, Verdict};

/// What helps if a case stays unclear.
const REMEDY: &str = "it ran three times, the last one alone: run fewer cases at once (--jobs, Harness::at_once), or on a machine that is less busy";

/// Describes why a case did not pass, in indented lines; `rerun` is the command that runs just this case.
///
/// Empty if the case passed or was skipped.
pub fn describe(outcome: &Outcome, rerun: &str, paint: Paint) -> String {
    let scenario = &outcome.case.scenario;
    let place = scenario.path.display();
    let reason = match &outcome.verdict {
        Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => return String::new(),
        Verdict::Failed(mismatch) => match &mismatch.missing {
            Some(missing) => return lack(scenario, missing, rerun, paint),
            None => difference(scenario, mismatch, paint),
        },
        Verdict::Stale(reason) => {
            format!("  at {place}\n{}", wrapped(&format!("it passed: {reason}"), paint))
        }
        Verdict::Unclear(reason) => {
            let reason = wrapped(&format!("unclear: {reason}"), paint);
            format!("  at {place}\n{reason}{}", wrapped(REMEDY, paint))
        }
        Verdict::Errored(reason) => {
            let reason = format!("kvspec could not judge: {reason}");
            format!("  at {place}\n{}", wrapped(&reason, paint))
        }
    };
    let title = paint.wrap(&scenario.title, 2).into_iter().map(|line| paint.head(line) + "\n");
    let mut text = title.collect::<String>() + &reason;
    for id in clauses(&outcome.verdict, scenario) {
        let sentence = clause(id).map(Clause::shown).unwrap_or_default();
        text.push_str(&wrapped(&format!("clause {id}: {sentence}"), paint));
    }
    if !scenario.source.is_empty() {
        text.push_str(&wrapped(&format!("source: {}", scenario.source), paint));
    }
    text.push_str(&format!("  rerun: {}\n", paint.head(rerun)));
    text
}

/// Says that a function is missing: there is no answer to show.
fn lack(scenario: &Scenario, missing: &str, rerun: &str, paint: Paint) -> String {
    let Scenario { name, .. } = scenario;
    let call = name.rsplit('/').next().unwrap_or(name);
    let missing = paint.wrap(missing, 2).into_iter().map(|line| paint.bad(line) + "\n");
    let advice = format!(
        "if that is meant: `--without {call}`, or the line `{name} # why` in a list of known failures \
         (`--known-failures`, `Harness::known_failures`)"
    );
    let rerun = format!("  rerun: {}\n", paint.head(rerun));
    missing.collect::<String>() + &wrapped(&advice, paint) + &rerun
}

/// The first expected and the first observed answer of a failure, or why there is no verdict, in one line that comes
/// after `used` characters.
pub(super) fn in_a_line(verdict: &Verdict, paint: Paint, used: usize) -> String {
    match verdict {
        Verdict::Passed => String::new(),
        Verdict::Failed(mismatch) if mismatch.missing.is_some() => {
            paint.bad(paint.cut(mismatch.missing.as_deref().unwrap_or_default(), used))
        }
        Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => {
            let (mut expected, mut observed) = (String::new(), String::new());
            for line in &mismatch.diff {
                match line {
                    DiffLine::Expected(text) if expected.is_empty() => {
                        expected.clone_from(text);
                    }
                    DiffLine::Observed(text) if observed.is_empty() => {
                        observed.clone_from(text);
                    }
                    DiffLine::Expected(_) | DiffLine::Observed(_) | DiffLine::Same(_) => {}
                }
            }
            differing(&expected, &observed, paint, used)
        }
        Verdict::Stale(reason) => paint.bad(paint.cut(&format!("passed: {reason}"), used)),
        Verdict::Unclear(reason) => paint.odd(paint.cut(&format!("unclear: {reason}"), used)),
        Verdict::Errored(reason) | Verdict::Skipped(reason) => paint.bad(paint.cut(reason, used)),
    }
}

/// An expected and an observed answer in one line, with the command that both name said once.
fn differing(expected: &str, observed: &str, paint: Paint, used: usize) -> String {
    let same = expected.bytes().zip(observed.bytes()).take_while(|(one, other)| one == other);
    let label = expected.get(..same.count()).and_then(|same| same.rfind(": "));
    let label = label.map_or("", |at| &expected[..at + 2]);
    let answer = |sign, text: &str| match text.strip_prefix(label) {
        Some(text) if !text.is_empty() => format!("{sign} {text}"),
        _ => String::new(),
    };
    let (expected, observed) = (answer('-', expected), answer('+', observed));
    let used = used + label.chars().count();
    let (gap, expected) = match (expected.is_empty(), observed.is_empty()) {
        (false, false) => ("  ", paint.cut_to_half(&expected, &observed, used)),
        (_, _) => ("", paint.cut(&expected, used)),
    };
    let observed = paint.cut(&observed, used + expected.chars().count() + gap.len());
    format!("{label}{}{gap}{}", paint.good(expected), paint.bad(observed))
}

fn wrapped(sentence: &str, paint: Paint) -> String {
    paint.wrap(sentence, 2).into_iter().map(|line| line + "\n").collect()
}

fn difference(scenario: &Scenario, mismatch: &Mismatch, paint: Paint) -> String {
    let place = format!("{}:{}", scenario.path.display(), mismatch.line);
    let mut text = format!("  at {place}: {}\n", paint.head(&mismatch.command));
    let legend = format!("  {}   {}\n", paint.good("- expected"), paint.bad("+ observed"));
    text.push_str(&legend);
    let script = failed(scenario, mismatch, paint);
    text.push_str(&script.unwrap_or_else(|| diff(&mismatch.diff, paint)));
    mismatch.notes.iter().for_each(|note| text.push_str(&wrapped(note, paint)));
    text
}

/// The clauses of a scenario, after the one that was broken, if that is known.
pub(super) fn clauses<'a>(verdict: &'a Verdict, scenario: &'a Scenario) -> Vec<&'a str> {
    match verdict {
        Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => {
            mismatch.clauses(scenario).collect()
        }
        Verdict::Passed
        | Verdict::Skipped(_)
        | Verdict::Stale(_)
        | Verdict::Unclear(_)
        | Verdict::Errored(_) => scenario.clauses.iter().map(String::as_str).collect(),
    }
}

/// A diff in indented lines.
pub fn diff(lines: &[DiffLine], paint: Paint) -> String {
    let mut text = String::new();
    for line in lines {
        let line = match line {
            DiffLine::Same(None) => paint.faint("    …"),
            DiffLine::Same(Some(line)) => paint.faint(format!("    {line}").trim_end()),
            DiffLine::Expected(line) => paint.good(format!("  - {line}")),
            DiffLine::Observed(line) => paint.bad(format!("  + {line}")),
        };
        writeln!(text, "{line}").expect("a string takes all");
    }
    text
}
