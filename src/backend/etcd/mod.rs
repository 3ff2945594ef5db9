//! The etcd v3 API, by way of etcd-client.

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::store::{Result, Store};

mod access;
mod connect;
mod error;
mod lease;
mod store;
mod watch;

pub use access::{Access, Tls, User};
pub use store::EtcdStore;

/// Opens clients of one etcd, which all cases share.
#[derive(Debug, Clone)]
pub struct EtcdBackend {
    access: Access,
    base_prefix: Vec<u8>,
}

impl EtcdBackend {
    /// A backend for the etcd that `access` reaches, below `/kvspec/`.
    pub fn new(access: Access) -> Self {
        Self { access, base_prefix: b"/kvspec/".to_vec() }
    }

    /// Has everything written below `prefix` instead.
    pub fn with_base_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { base_prefix: prefix.into(), ..self }
    }
}

#[async_trait]
impl Backend for EtcdBackend {
    fn name(&self) -> &str {
        "etcd"
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
}
