//! `kvspec matrix`: what several stores can do, measured in one run, as a table and as Markdown.

use std::io::{self, Write};
use std::path::Path;

use super::args::MatrixArgs;
use super::backends::{Ran, run_one};
use super::{Problem, exit, said};
use crate::matrix::{self, Column};
use crate::report::failure::describe;
use crate::report::paint::{Paint, Stream};
use crate::runner::{Abort, Settings};
use crate::signal::Signals;
use crate::verdict::Verdict;

/// What stands around the tables in a file that is kept up to date.
const BEGIN: &str = "<!-- matrix -->";
const END: &str = "<!-- /matrix -->";

/// Runs every target that is wanted, and shows the tables, or compares them with those in a file.
pub(super) fn run(args: &MatrixArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let settings = Settings { abort: Abort::new(), ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let mut columns = Vec::new();
    let [mut named, mut programs] = args.targets(&settings.abort)?;
    let suite = args.choice.suite()?;
    args.known.apply(&suite, &mut named)?;
    args.known.apply(&suite, &mut programs)?;
    for target in named {
        columns.push(column(run_one(target, &scenarios, &settings)?, false)?);
    }
    for target in programs {
        columns.push(column(run_one(target, &scenarios, &settings)?, true)?);
    }
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    let tables = [matrix::functions(&columns), matrix::groups(&columns)];
    let markdown = tables.each_ref().map(matrix::Table::markdown).join("\n");
    let surprised = surprises(&columns);
    let shown = match &args.check {
        Some(file) if surprised != exit::PASSED => {
            println!(
                "{}: the tables were not compared: see above what came out otherwise than expected",
                file.display()
            );
            surprised
        }
        Some(file) => check(file, &markdown)?,
        None => {
            let text = tables.each_ref().map(matrix::Table::text).join("\n");
            let mut out = io::stdout().lock();
            write!(out, "{}", if args.markdown { markdown } else { text })?;
            exit::PASSED
        }
    };
    Ok(shown.max(surprised))
}

/// A target's column, headed by its name, or by what it says it is.
fn column(ran: Ran, is_program: bool) -> Result<Column, Problem> {
    let Ran { outcomes, capabilities, name, about } = ran;
    if capabilities.is_none() {
        return Err(said(format!("cannot show {name}, which could not be opened: {about}")));
    }
    // Where it came from follows a comma.
    let product = about.split(", ").next().unwrap_or(&about);
    let name = if is_program { product.into() } else { name };
    Ok(Column { name, capabilities, outcomes })
}

/// Shows what failed and is not known to, and what could not be judged; gives the exit code for it.
fn surprises(columns: &[Column]) -> u8 {
    let paint = Paint::auto(Stream::Stderr);
    let mut code = exit::PASSED;
    for Column { name, outcomes, .. } in columns {
        for outcome in outcomes {
            code = code.max(match &outcome.verdict {
                Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => continue,
                Verdict::Failed(_) | Verdict::Stale(_) => exit::FAILED,
                Verdict::Unclear(_) | Verdict::Errored(_) => exit::UNJUDGED,
            });
            let rerun = outcome.case.rerun(&"kvspec run".into());
            eprintln!("{}\n{}", paint.head(name), describe(outcome, &rerun, paint));
        }
    }
    code
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
