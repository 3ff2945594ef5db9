//! Conformance suite for coordination stores.

pub mod backend;
pub mod runner;
pub mod scenario;
pub mod store;
pub mod transcript;
pub mod verdict;
