//! `kvspec matrix`: what several stores can do, measured in one run, as a table and as Markdown.

use std::io::{self, Write};
use std::path::Path;

use super::args::MatrixArgs;
use super::backends::run_one;
use super::{Problem, exit, said};
use crate::builtin;
use crate::matrix::{self, Column};
use crate::runner::{Abort, Settings};
use crate::signal::Signals;

/// What stands around the tables in a file that is kept up to date.
const BEGIN: &str = "<!-- matrix -->";
const END: &str = "<!-- /matrix -->";

/// Runs every backend that is wanted, and shows the tables; or compares them with those in a file.
pub(super) fn run(args: &MatrixArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let settings = Settings { abort: Abort::new(), ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let mut columns = Vec::new();
    for name in args.backends() {
        let target = args.target(&settings.abort, &name)?;
        let known = builtin::known_failures(&name).map_err(said)?;
        let (mut outcomes, capabilities, _) = run_one(target, &scenarios, &settings)?;
        if capabilities.is_none() {
            return Err(said(format!(
                "{name} is not there, and the matrix would say nothing of it"
            )));
        }
        for outcome in &mut outcomes {
            outcome.case.known = known.find(&outcome.case.scenario.name).cloned();
        }
        columns.push(Column { name, capabilities, outcomes });
    }
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    let tables = [matrix::functions(&columns), matrix::groups(&columns)];
    let markdown = tables.each_ref().map(matrix::Table::markdown).join("\n");
    if let Some(file) = &args.check {
        return check(file, &markdown);
    }
    let text = tables.each_ref().map(matrix::Table::text).join("\n");
    let mut out = io::stdout().lock();
    write!(out, "{}", if args.markdown { markdown } else { text })?;
    Ok(exit::PASSED)
}

/// Says whether the tables in a file are those that were measured.
fn check(file: &Path, measured: &str) -> Result<u8, Problem> {
    let text = std::fs::read_to_string(file)
        .map_err(|error| said(format!("{}: {error}", file.display())))?;
    let written = text
        .split_once(BEGIN)
        .and_then(|(_, rest)| rest.split_once(END))
        .map(|(written, _)| written.trim());
    let Some(written) = written else {
        return Err(said(format!("{} has no tables between {BEGIN} and {END}", file.display())));
    };
    if written == measured.trim() {
        println!("{}: the tables are as measured", file.display());
        return Ok(exit::PASSED);
    }
    println!("{}: the tables are stale; measured were\n\n{measured}", file.display());
    Ok(exit::FAILED)
}
