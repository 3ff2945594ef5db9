//! `kvspec show NAME`: a scenario as it is written, each line with its number.

use std::io::{self, Write};

use super::args::ShowArgs;
use super::{Problem, exit};
use crate::report::paint::{Paint, Stream};
use crate::scenario::Scenario;

/// Prints the scenarios of these names; starts nothing.
pub(super) fn show(args: &ShowArgs) -> Result<u8, Problem> {
    let paint = Paint::auto(Stream::Stdout);
    let mut out = io::stdout().lock();
    for (index, scenario) in args.choose()?.iter().enumerate() {
        if index > 0 {
            writeln!(out)?;
        }
        print(scenario, paint, &mut out)?;
    }
    out.flush()?;
    Ok(exit::PASSED)
}

fn print(scenario: &Scenario, paint: Paint, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "{}", paint.head(scenario.path.display()))?;
    for (index, line) in scenario.text.lines().enumerate() {
        let number = format!("{:>4}  ", index + 1);
        let text = if line.starts_with('#') { paint.faint(line) } else { line.into() };
        writeln!(out, "{}{text}", paint.faint(number))?;
    }
    Ok(())
}
