//! Reports: what people and machines are shown of a run, all of it made from its events.

#[cfg(feature = "report")]
#[doc(hidden)]
pub mod badge;
pub(crate) mod bar;
pub(crate) mod causes;
mod closing;
#[doc(hidden)]
pub mod failure;
#[cfg(feature = "report")]
pub(crate) mod files;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod github;
#[doc(hidden)]
pub mod groups;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod html;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod json;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod junit;
#[doc(hidden)]
pub mod log;
#[doc(hidden)]
pub mod matrix;
#[doc(hidden)]
pub mod paint;
mod script;
#[doc(hidden)]
pub mod terminal;
#[doc(hidden)]
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
