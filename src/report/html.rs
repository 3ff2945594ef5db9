//! A run as one HTML page that needs nothing else: verdicts as a grid, and every case with its timeline.

mod beside;
mod case;
#[cfg(feature = "cli")]
mod live;
mod page;
mod svg;
mod text;

use std::io::{self, Write};

#[cfg(feature = "cli")]
pub use self::live::Live;
use self::page::Page;
use super::Reporter;
use crate::event::RunEvent;
use crate::plan::Rerun;

/// Writes a page once the run is over.
pub struct Html<W> {
    out: W,
    page: Page,
}

impl<W: Write> Html<W> {
    /// A report to `out`; `rerun` is the command that runs one case, up to what names the case.
    pub fn new(out: W, rerun: impl Into<Rerun>) -> Self {
        Self { out, page: Page::new(rerun.into()) }
    }
}

impl<W: Write> Reporter for Html<W> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        self.page.take(event);
        if let RunEvent::Finished { .. } = event {
            self.page.write(&mut self.out, None)?;
            self.out.flush()?;
        }
        Ok(())
    }
}
