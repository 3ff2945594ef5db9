//! `kvspec report`: a recorded run made into any report.

use std::fs::File;
use std::io::BufReader;
use std::path::Path;

use super::args::ReplayArgs;
use super::reports::Reports;
use super::{Problem, exit, said};
use crate::report::json::{Recorded, read};

/// Makes the reports that are asked for from a recorded run.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Problem> {
    // Read as a whole first: a report may go to the very file.
    let events = recorded(&args.run)?;
    let mut reports = Reports::open(&args.report, "kvspec run")?;
    events.iter().try_for_each(|event| reports.take(&event.event()))?;
    reports.finish()?;
    Ok(exit::PASSED)
}

/// The events of a recorded run.
pub(super) fn recorded(path: &Path) -> Result<Vec<Recorded>, Problem> {
    let file = File::open(path)
        .map_err(|error| said(format!("{}: cannot be read: {error}", path.display())))?;
    read(path, BufReader::new(file)).map_err(said)
}
