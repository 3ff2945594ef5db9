//! `kvspec report`: recorded runs made into any report.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use super::args::ReplayArgs;
use super::reports::Reports;
use super::{Problem, exit, said};
use crate::report::json::{Merged, Recorded, merge, read};

/// Makes the reports that are asked for from recorded runs.
pub(super) fn replay(args: &ReplayArgs) -> Result<u8, Problem> {
    // Read as a whole first: a report may go to the very file.
    let Merged { events, missing } = recorded(&args.runs)?;
    let mut reports = Reports::open(&args.report, "kvspec run")?;
    events.iter().try_for_each(|event| reports.take(&event.event()))?;
    reports.finish()?;
    Ok(if missing.is_empty() { exit::PASSED } else { exit::UNJUDGED })
}

/// The events of recorded runs as those of one; warns of shards that are missing.
pub(super) fn recorded(paths: &[PathBuf]) -> Result<Merged, Problem> {
    let mut runs = Vec::new();
    for path in paths {
        runs.push((path.clone(), recorded_in(path)?));
    }
    let is_whole =
        |events: &[Recorded]| matches!(events.first(), Some(Recorded::Started { shard: None, .. }));
    let merged = match runs.as_mut_slice() {
        [(_, events)] if is_whole(events) => {
            Merged { events: std::mem::take(events), missing: Vec::new() }
        }
        _ => merge(runs).map_err(said)?,
    };
    for shard in &merged.missing {
        eprintln!("kvspec: {shard} is missing: no file given holds it");
    }
    Ok(merged)
}

fn recorded_in(path: &Path) -> Result<Vec<Recorded>, Problem> {
    let file = File::open(path)
        .map_err(|error| said(format!("{}: cannot be read: {error}", path.display())))?;
    read(path, BufReader::new(file)).map_err(said)
}
