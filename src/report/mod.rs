//! Reports: what people and machines are shown of a run, all of it made from its events.

#[cfg(feature = "report")]
pub mod badge;
pub mod failure;
#[cfg(feature = "report")]
pub mod github;
pub mod groups;
#[cfg(feature = "report")]
pub mod html;
#[cfg(feature = "report")]
pub mod json;
#[cfg(feature = "report")]
pub mod junit;
pub mod log;
pub mod paint;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod warning;

use std::io;

use crate::event::RunEvent;

/// Makes one report from the events of a run.
pub trait Reporter {
    /// Takes one event of the run, in the order in which they happen.
    ///
    /// An error means that the report cannot be written any more.
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()>;
}
