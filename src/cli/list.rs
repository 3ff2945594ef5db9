//! `kvspec list`: every scenario, one a line, with its law and clauses.

use std::io::{self, Write};
use std::sync::Arc;

use owo_colors::Stream;

use super::args::ListArgs;
use super::{Problem, exit};
use crate::report::paint::Paint;
use crate::scenario::Scenario;

/// Names the scenarios that are wanted; starts nothing.
pub(super) fn list(args: &ListArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    match write(&scenarios) {
        // Who reads no further has read enough.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(exit::PASSED),
        written => Ok(written.map(|()| exit::PASSED)?),
    }
}

fn write(scenarios: &[Arc<Scenario>]) -> io::Result<()> {
    let paint = Paint::auto(Stream::Stdout);
    let mut out = io::stdout().lock();
    for scenario in scenarios {
        let clauses = paint.faint(format!("[{}]", scenario.clauses.join(" ")));
        writeln!(out, "{}: {} {clauses}", paint.head(&scenario.name), scenario.law)?;
    }
    out.flush()
}
