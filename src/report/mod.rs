//! Reports: what people and machines are shown of a run, all of it made from its events.

pub mod failure;
#[cfg(feature = "cli")]
pub mod terminal;
pub mod paint;
pub mod warning;
