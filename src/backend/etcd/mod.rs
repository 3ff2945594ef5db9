//! The etcd v3 API, by way of etcd-client.

mod access;

pub use access::{Access, Tls, User};
