//! `kvspec compare`: two stores on the same scripts, and where they answered differently.

use std::io::{self, Write};

use super::args::CompareArgs;
use super::backends::run_one;
use super::{Problem, exit, said};
use crate::compare::{Comparison, compare};
use crate::event::Outcome;
use crate::report::failure::diff;
use crate::report::paint::{Paint, Stream};
use crate::runner::Settings;
use crate::signal::Signals;

/// Runs the scenarios on both stores, one after the other, and shows where they differ.
pub(super) fn run(args: &CompareArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let settings = Settings { deadline: args.calls.deadline, ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let mut one = args.backends.target(&args.backend, &settings.abort)?;
    let mut other = args.backends.with(&args.other).target(&args.with, &settings.abort)?;
    // What is compared is what the stores answered, whatever is known of it.
    one.forget_known_failures();
    other.forget_known_failures();
    let one = run_one(one, &scenarios, &settings)?;
    let other = run_one(other, &scenarios, &settings)?;
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    let paint = Paint::auto(Stream::Stdout);
    let mut out = io::stdout().lock();
    writeln!(out, "{} {}: {}", paint.good("-"), one.name, one.about)?;
    writeln!(out, "{} {}: {}\n", paint.bad("+"), other.name, other.about)?;
    let mut counts = Counts::default();
    for (one, other) in one.outcomes.iter().zip(&other.outcomes) {
        counts.show(one, other, paint, &mut out)?;
    }
    let Counts { same, different, unclear } = counts;
    let text = format!("{same} answered the same, {different} differently, {unclear} not compared");
    writeln!(out, "{}", paint.head(text))?;
    Ok(match counts {
        Counts { different: 1.., .. } => exit::FAILED,
        Counts { same: 0, .. } => exit::UNJUDGED,
        _ => exit::PASSED,
    })
}

#[derive(Default)]
struct Counts {
    same: usize,
    different: usize,
    unclear: usize,
}

impl Counts {
    fn show(
        &mut self,
        one: &Outcome,
        other: &Outcome,
        paint: Paint,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        let scenario = &one.case.scenario;
        match compare(one, other) {
            Comparison::Same => {
                self.same += 1;
                Ok(())
            }
            Comparison::Different(lines) => {
                self.different += 1;
                let clauses = scenario.clauses.join(" ");
                writeln!(
                    out,
                    "{} {} [{clauses}]",
                    paint.loud("DIFFERENT"),
                    paint.head(&scenario.name)
                )?;
                writeln!(out, "  {}\n  at {}", scenario.title, scenario.path.display())?;
                writeln!(out, "{}", diff(&lines, paint))
            }
            Comparison::Unclear(reason) => {
                self.unclear += 1;
                writeln!(out, "{} {}  {}", paint.odd("unclear"), scenario.name, paint.faint(reason))
            }
        }
    }
}
