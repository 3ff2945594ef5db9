//! Conformance suite for coordination stores.

pub mod backend;
#[cfg(feature = "etcd")]
pub mod server;
pub mod store;
pub mod suite;
pub mod target;
pub mod transcript;
pub mod verdict;
