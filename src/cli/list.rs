//! `kvspec list`: every scenario, one a line, with its law and clauses.

use std::io::{self, Write};

use owo_colors::Stream;

use super::args::ListArgs;
use super::{Problem, exit};
use crate::report::paint::Paint;

/// Names the scenarios that are wanted; starts nothing.
pub(super) fn list(args: &ListArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let paint = Paint::auto(Stream::Stdout);
    let mut out = io::stdout().lock();
    for scenario in scenarios {
        let clauses = paint.faint(format!("[{}]", scenario.clauses.join(" ")));
        writeln!(out, "{}: {} {clauses}", paint.head(&scenario.name), scenario.law)?;
    }
    out.flush()?;
    Ok(exit::PASSED)
}
