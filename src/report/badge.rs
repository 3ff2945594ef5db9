//! A badge for a README: the JSON that shields.io shows from an address.

use std::io::{self, Write};

use serde::Serialize;

use super::Reporter;
use crate::event::{RunEvent, Summary, Tally};

/// Writes a badge once the run is over.
pub struct Badge<W> {
    out: W,
}

/// What shields.io reads of an endpoint.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Endpoint {
    schema_version: u32,
    label: String,
    message: String,
    color: &'static str,
}

impl<W: Write> Badge<W> {
    /// A badge to `out`.
    pub fn new(out: W) -> Self {
        Self { out }
    }
}

impl<W: Write> Reporter for Badge<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        let RunEvent::Finished { summary } = event else { return Ok(()) };
        serde_json::to_writer(&mut self.out, &Endpoint::of(summary))?;
        writeln!(self.out)?;
        self.out.flush()
    }
}

impl Endpoint {
    fn of(summary: &Summary) -> Self {
        let run = |tally: &Tally| tally.cases() - tally.skipped.values().sum::<usize>();
        let tallies = || summary.tallies.iter().filter(|(_, tally)| run(tally) > 0);
        let (mut passed, mut all, mut known) = (0, 0, 0);
        for (_, tally) in tallies() {
            (passed, all, known) = (passed + tally.passed, all + run(tally), known + tally.known);
        }
        let label = match tallies().map(|(name, _)| name).collect::<Vec<_>>().as_slice() {
            [name] => format!("kvspec {name}"),
            _ => "kvspec".into(),
        };
        let (message, color) = match () {
            () if all == 0 => ("not run".into(), "lightgrey"),
            () if summary.has_failed() => (format!("{passed}/{all}"), "red"),
            () if summary.is_unjudged() => (format!("{passed}/{all} unclear"), "lightgrey"),
            () if known > 0 => (format!("{passed}/{all}"), "yellow"),
            () => (format!("{passed}/{all}"), "brightgreen"),
        };
        Self { schema_version: 1, label, message, color }
    }
}
