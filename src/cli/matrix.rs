//! `kvspec matrix`: what several stores can do, measured in one run, as a table and as Markdown.

use std::io::{self, Write};
use std::path::Path;

use super::args::MatrixArgs;
use super::backends::{self, Ran, run_one};
use super::{Problem, exit, said};
use crate::builtin;
use crate::matrix::{self, Column};
use crate::report::failure::describe;
use crate::report::paint::{Paint, Stream};
use crate::runner::{Abort, Settings};
use crate::signal::Signals;
use crate::target::Target;
use crate::verdict::Verdict;

/// What stands around the tables in a file that is kept up to date.
const BEGIN: &str = "<!-- matrix -->";
const END: &str = "<!-- /matrix -->";

/// Runs every target that is wanted, and shows the tables, or compares them with those in a file.
pub(super) fn run(args: &MatrixArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let settings = Settings { abort: Abort::new(), ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let written = args.check.as_deref().map(Written::read).transpose()?;
    let mut columns = Vec::new();
    let [mut named, mut programs] = args.targets(&settings.abort)?;
    if let Some(written) = &written {
        written.is_measured_by(&named)?;
    }
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
    let shown = match &written {
        Some(written) if surprised != exit::PASSED => written.is_not_compared(),
        Some(written) => written.check(&markdown),
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

/// The tables in a file.
struct Written<'a> {
    file: &'a Path,
    tables: String,
}

impl<'a> Written<'a> {
    fn read(file: &'a Path) -> Result<Self, Problem> {
        let text = std::fs::read_to_string(file)
            .map_err(|error| said(format!("cannot read {}: {error}", file.display())))?;
        let tables = text.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
        let Some((tables, _)) = tables else {
            let why = format!("expected tables between {BEGIN} and {END}");
            return Err(said(format!("cannot check {}: {why}", file.display())));
        };
        Ok(Self { file, tables: tables.trim().to_owned() })
    }

    /// The names of the backends in the first table's heading, whether this build has them or not.
    fn backends(&self) -> impl Iterator<Item = &str> {
        let heading = self.tables.lines().next().unwrap_or_default();
        heading.split('|').map(str::trim).filter(|name| {
            builtin::FEATURES.contains(name) || builtin::names().any(|one| one == *name)
        })
    }

    /// Refuses to measure if a column of the file would be missing.
    fn is_measured_by(&self, targets: &[Target]) -> Result<(), Problem> {
        for name in self.backends() {
            let why = match backends::name(name) {
                Err(why) => why,
                Ok(_) if targets.iter().any(|target| target.name() == name) => continue,
                Ok(_) => {
                    format!("its column '{name}' is not among the backends; add --backend {name}")
                }
            };
            return Err(said(format!("cannot check {}: {why}", self.file.display())));
        }
        Ok(())
    }

    fn is_not_compared(&self) -> u8 {
        let file = self.file.display();
        println!(
            "{file}: the tables were not compared, since cases above failed unexpectedly or are unclear"
        );
        exit::PASSED
    }

    /// Says whether the tables are those that were measured.
    fn check(&self, measured: &str) -> u8 {
        let file = self.file.display();
        if self.tables == measured.trim() {
            println!("{file}: the tables are as measured");
            return exit::PASSED;
        }
        println!("{file}: the tables are stale; measured were\n\n{measured}");
        exit::FAILED
    }
}
