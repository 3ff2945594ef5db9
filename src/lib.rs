//! Conformance suite for coordination stores.

pub mod backend;
pub mod builtin;
#[cfg(feature = "cli")]
pub mod cli;
pub mod contract;
pub mod event;
pub mod harness;
pub mod linear;
pub mod mutants;
pub mod plan;
pub mod report;
pub mod runner;
pub mod scenario;
#[cfg(feature = "etcd")]
pub mod server;
#[cfg(any(feature = "cli", feature = "etcd"))]
mod signal;
pub mod store;
pub mod suite;
pub mod target;
pub mod transcript;
pub mod verdict;
