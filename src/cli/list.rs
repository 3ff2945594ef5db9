//! `kvspec list`: every scenario, one a line, with its title and clauses.

use std::io::{self, Write};
use std::sync::Arc;

use super::args::ListArgs;
use super::{Problem, exit};
use crate::contract;
use crate::report::paint::{Paint, Stream};
use crate::scenario::Scenario;

/// Names the scenarios that are wanted; starts nothing.
pub(super) fn list(args: &ListArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let paint = Paint::auto(Stream::Stdout);
    let mut out = io::stdout().lock();
    let written = match args.clauses {
        true => list_clauses(&scenarios, args.choice.is_part(), paint, &mut out),
        false => list_scenarios(&scenarios, paint, &mut out),
    };
    match written {
        // Who reads no further has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit::PASSED),
        written => Ok(written?),
    }
}

fn list_scenarios(
    scenarios: &[Arc<Scenario>],
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<u8> {
    for scenario in scenarios {
        let clauses = paint.faint(format!("[{}]", scenario.clauses.join(" ")));
        writeln!(out, "{}: {} {clauses}", paint.head(&scenario.name), scenario.title)?;
    }
    out.flush()?;
    Ok(exit::PASSED)
}

/// Shows each clause with its scenarios, and what is missing on either side; of a part of the suite only the clauses that
/// it checks.
fn list_clauses(
    scenarios: &[Arc<Scenario>],
    is_part: bool,
    paint: Paint,
    out: &mut dyn Write,
) -> io::Result<u8> {
    let mut shown = 0;
    for clause in contract::clauses() {
        let checks = |scenario: &&Arc<Scenario>| scenario.clauses.contains(&clause.id);
        let checking: Vec<_> = scenarios.iter().filter(checks).collect();
        if is_part && checking.is_empty() {
            continue;
        }
        shown += 1;
        let id = paint.head(&clause.id);
        writeln!(out, "{id} {} {}", paint.faint(format!("({})", clause.level)), clause.sentence)?;
        for scenario in checking {
            writeln!(out, "    {}", scenario.name)?;
        }
    }
    let gaps = if is_part { contract::misnamed(scenarios) } else { contract::gaps(scenarios) };
    for gap in &gaps {
        writeln!(out, "{}", paint.bad(gap))?;
    }
    let counts = format!("{} clauses, {} scenarios, {} gaps", shown, scenarios.len(), gaps.len());
    writeln!(out, "{}", paint.head(counts))?;
    out.flush()?;
    Ok(if gaps.is_empty() { exit::PASSED } else { exit::FAILED })
}
