//! Reports: what people and machines are shown of a run, all of it made from its events.

pub mod failure;
pub mod paint;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod warning;
