//! The etcd v3 API, by way of etcd-client.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, Ending, Instance};
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
pub(crate) use connect::endpoint;
pub use store::EtcdStore;

/// Starts servers that belong to one case alone, which may therefore end them.
#[async_trait]
pub trait Reopenable: Send + Sync {
    /// Why no server can be reopened after this ending, or `None` if one can.
    fn cannot_reopen(&self, ending: Ending) -> Option<String>;

    /// Starts a server for one case, which opens clients below `base_prefix` and reopens the server after these endings.
    async fn instance(&self, base_prefix: &[u8], endings: &[Ending]) -> Result<Box<dyn Instance>>;
}

/// Opens clients of one etcd, which all cases share.
#[derive(Clone)]
pub struct EtcdBackend {
    own: Option<Arc<dyn Reopenable>>,
    access: Access,
    base_prefix: Vec<u8>,
    is_disposable: bool,
    version: Option<String>,
}

impl EtcdBackend {
    /// A backend for the etcd that `access` reaches, below `/kvspec/`.
    pub fn new(access: Access) -> Self {
        let base_prefix = b"/kvspec/".to_vec();
        Self { own: None, access, base_prefix, is_disposable: false, version: None }
    }

    /// Has everything written below `prefix` instead.
    pub fn with_base_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { base_prefix: prefix.into(), ..self }
    }

    /// Says whether the server is kvspec's alone, so that its history may be compacted.
    pub fn disposable(self, is_disposable: bool) -> Self {
        Self { is_disposable, ..self }
    }

    /// Has the cases that reopen the store run on servers of their own, which `own` starts.
    pub fn reopening(self, own: impl Reopenable + 'static) -> Self {
        Self { own: Some(Arc::new(own)), ..self }
    }

    /// States the server's version, for reports and for lists of known failures.
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

    fn cannot_reopen(&self, ending: Ending) -> Option<String> {
        match &self.own {
            Some(own) => own.cannot_reopen(ending),
            None => Some("the server is shared by all cases, and none of them may end it".into()),
        }
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(self.clone()))
    }

    async fn reopenable(&self, endings: &[Ending]) -> Result<Box<dyn Instance>> {
        match &self.own {
            Some(own) => own.instance(&self.base_prefix, endings).await,
            None => self.instance().await,
        }
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
