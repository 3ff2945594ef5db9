//! The etcd v3 API, by way of etcd-client.

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::store::{Result, Store};

mod access;
mod connect;
pub(super) mod error;
mod lease;
mod revision;
mod store;
mod txn;
mod watch;

pub use access::{Access, Tls, User};
pub use store::EtcdStore;

/// Opens clients of one etcd, which all cases share.
#[derive(Debug, Clone)]
pub struct EtcdBackend {
    access: Access,
    base_prefix: Vec<u8>,
    is_disposable: bool,
    version: Option<String>,
}

impl EtcdBackend {
    /// A backend for the etcd that `access` reaches, below `/kvspec/`.
    pub fn new(access: Access) -> Self {
        Self { access, base_prefix: b"/kvspec/".to_vec(), is_disposable: false, version: None }
    }

    /// Has everything written below `prefix` instead.
    pub fn with_base_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { base_prefix: prefix.into(), ..self }
    }

    /// Says whether the server is nobody's but kvspec's, so that its history may be compacted.
    pub fn disposable(self, is_disposable: bool) -> Self {
        Self { is_disposable, ..self }
    }

    /// Says the server's version, for reports.
    pub fn of_version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }
}

#[async_trait]
impl Backend for EtcdBackend {
    fn name(&self) -> &str {
        "etcd"
    }

    fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Instance for EtcdBackend {
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(EtcdStore::connect(&self.access, self.base_prefix.as_slice()).await?))
    }

    async fn ping(&self) -> Result<()> {
        // A connection of its own: that of the call without an answer may be what is broken.
        let store = EtcdStore::connect(&self.access, self.base_prefix.as_slice()).await?;
        store.read(&self.base_prefix).await.map(drop)
    }
}
