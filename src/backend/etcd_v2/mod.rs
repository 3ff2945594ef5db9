//! The etcd v2 API: keys are paths in a tree of directories, spoken to over HTTP and JSON.
//!
//! Where v2 differs from the contract and a client could make up for it, this one does: a list is recursive, by byte
//! prefix and sorted. A key that the server would silently take for another one (`a//b`, `a/../b`, `a/`) and a value
//! that it would silently change (bytes that are not UTF-8) are refused rather than sent.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::backend::etcd::Access;
use crate::store::{Limits, Result, Store};

mod answer;
mod client;
mod error;
mod key;
mod store;
mod traces;
mod watch;

pub use store::EtcdV2Store;

pub(crate) use client::Client;

use traces::Traces;

/// Opens clients of the v2 API of one etcd, which all cases share.
#[derive(Debug, Clone)]
pub struct EtcdV2Backend {
    access: Access,
    base_prefix: Vec<u8>,
    version: Option<String>,
}

impl EtcdV2Backend {
    /// A backend for the etcd that `access` reaches, below `/kvspec/`.
    pub fn new(access: Access) -> Self {
        Self { access, base_prefix: b"/kvspec/".to_vec(), version: None }
    }

    /// Has everything written below `prefix` instead, which must begin and end with a slash.
    pub fn with_base_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { base_prefix: prefix.into(), ..self }
    }

    /// States the server's version, for reports and for lists of known failures.
    pub fn of_version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }
}

#[async_trait]
impl Backend for EtcdV2Backend {
    fn name(&self) -> &str {
        "etcd-v2"
    }

    fn limits(&self) -> Limits {
        Limits { binary_keys: false, ..Limits::default() }
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        let client = Client::new(&self.access)?;
        let traces = Traces::new(client, &self.base_prefix);
        Ok(Box::new(EtcdV2Instance { backend: self.clone(), traces: Arc::new(traces) }))
    }
}

/// One case's share of the server; closing it removes the directories that its clients made.
struct EtcdV2Instance {
    backend: EtcdV2Backend,
    traces: Arc<Traces>,
}

#[async_trait]
impl Instance for EtcdV2Instance {
    async fn open(&self) -> Result<Box<dyn Store>> {
        let EtcdV2Backend { access, base_prefix, .. } = &self.backend;
        let store = EtcdV2Store::connect(access, base_prefix.as_slice())?;
        Ok(Box::new(store.leaving(self.traces.clone())))
    }

    async fn ping(&self) -> Result<()> {
        // A connection of its own: that of the call without an answer may be what is broken.
        let store =
            EtcdV2Store::connect(&self.backend.access, self.backend.base_prefix.as_slice())?;
        store.list(&self.backend.base_prefix).await.map(drop)
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.traces.remove().await;
        Ok(())
    }
}
