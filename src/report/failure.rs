//! One failure as people read it: the law, the place, the difference, the clause, and how to run just this.

use std::fmt::Write as _;

use super::paint::Paint;
use crate::contract::clause;
use crate::event::Outcome;
use crate::scenario::Scenario;
use crate::verdict::{DiffLine, Mismatch, Verdict};

/// Tells why a case did not pass, in indented lines; `rerun` is the command that runs just this case.
///
/// Empty where the case passed or was skipped.
pub fn describe(outcome: &Outcome, rerun: &str, paint: Paint) -> String {
    let scenario = &outcome.case.scenario;
    let mut text = format!("  {}\n", paint.head(&scenario.law));
    match &outcome.verdict {
        Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => return String::new(),
        Verdict::Failed(mismatch) => text.push_str(&difference(scenario, mismatch, paint)),
        Verdict::Stale(reason) => {
            text.push_str(&format!("  at {}\n  it passed: {reason}\n", scenario.path.display()));
        }
        Verdict::Inconclusive(reason) => {
            text.push_str(&format!(
                "  at {}\n  nothing can be said: {reason}\n",
                scenario.path.display()
            ));
        }
        Verdict::Errored(reason) => {
            text.push_str(&format!(
                "  at {}\n  kvspec could not judge: {reason}\n",
                scenario.path.display()
            ));
        }
    }
    for id in &scenario.clauses {
        let sentence = clause(id).map_or("", |clause| clause.sentence.as_str());
        text.push_str(&format!("  clause {id}: {sentence}\n"));
    }
    if !scenario.source.is_empty() {
        text.push_str(&format!("  source: {}\n", scenario.source));
    }
    text.push_str(&format!("  rerun: {}\n", paint.head(rerun)));
    text
}

fn difference(scenario: &Scenario, mismatch: &Mismatch, paint: Paint) -> String {
    let mut text = String::new();
    let place = format!("{}:{}", scenario.path.display(), mismatch.line);
    writeln!(text, "  at {place}: {}", paint.head(&mismatch.command)).expect("a string takes all");
    writeln!(text, "  {}   {}", paint.good("- expected"), paint.bad("+ observed"))
        .expect("a string takes all");
    text.push_str(&diff(&mismatch.diff, paint));
    for note in &mismatch.notes {
        writeln!(text, "  the store said: {note}").expect("a string takes all");
    }
    text
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
