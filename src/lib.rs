//! Conformance suite for coordination stores.

pub mod backend;
pub mod store;
