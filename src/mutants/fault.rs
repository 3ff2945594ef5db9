//! A store with one fault: every call goes to the memory store, save those that the fault takes over.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::backend::memory::MemoryStore;
use crate::store::{
    Directories, KeyMetadata, Lease, LeaseId, Leases, Page, Result, Revisions, Store, TimeToLive,
    Transactions, Txn, TxnAnswer, WatchStream,
};

/// The client that a call is made on.
#[derive(Debug)]
pub struct Site {
    /// The client of the memory store below.
    pub store: Arc<MemoryStore>,
    /// Its number, counted from 0.
    pub client: usize,
}

/// One fault. What it does not take over is done right.
#[async_trait]
#[allow(missing_docs)]
pub trait Fault: Send + Sync {
    fn open(&self, first: &MemoryStore) -> MemoryStore {
        first.client()
    }
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, value).await
    }
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        at.store.update_with_ttl(key, value, ttl).await
    }
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        at.store.delete(key).await
    }
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        at.store.read(key).await
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        at.store.list(prefix).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        at.store.watch(prefix).await
    }
    async fn close(&self, at: &Site) -> Result<()> {
        at.store.close().await
    }
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        at.store.lease(ttl).await
    }
    async fn lease_with_id(&self, at: &Site, id: LeaseId, ttl: Duration) -> Result<Lease> {
        at.store.lease_with_id(id, ttl).await
    }
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        at.store.update_with_lease(key, value, lease).await
    }
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        at.store.keep_alive(lease).await
    }
    async fn time_to_live(&self, at: &Site, lease: LeaseId) -> Result<TimeToLive> {
        at.store.time_to_live(lease).await
    }
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        at.store.revoke(lease).await
    }
    async fn revision(&self, at: &Site) -> Result<i64> {
        at.store.revision().await
    }
    async fn metadata(&self, at: &Site, key: &[u8]) -> Result<Option<KeyMetadata>> {
        at.store.metadata(key).await
    }
    async fn read_at(&self, at: &Site, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        at.store.read_at(key, revision).await
    }
    async fn list_at(
        &self,
        at: &Site,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        at.store.list_at(prefix, revision, limit).await
    }
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        at.store.watch_from(prefix, revision).await
    }
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        at.store.compact(revision).await
    }
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        at.store.txn(txn).await
    }
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.mkdir(directory).await
    }
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.create(key, value).await
    }
}

/// One client of a store with a fault.
pub(super) struct FaultyStore {
    pub site: Site,
    pub fault: Arc<dyn Fault>,
}

#[async_trait]
impl Store for FaultyStore {
    fn base_prefix(&self) -> &[u8] {
        self.site.store.base_prefix()
    }
    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.fault.update(&self.site, key, value).await
    }
    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        self.fault.update_with_ttl(&self.site, key, value, ttl).await
    }
    async fn delete(&self, key: &[u8]) -> Result<()> {
        self.fault.delete(&self.site, key).await
    }
    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.fault.read(&self.site, key).await
    }
    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        self.fault.list(&self.site, prefix).await
    }
    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        self.fault.watch(&self.site, prefix).await
    }
    async fn close(&self) -> Result<()> {
        self.fault.close(&self.site).await
    }
    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }
    fn revisions(&self) -> Option<&dyn Revisions> {
        Some(self)
    }
    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
    fn directories(&self) -> Option<&dyn Directories> {
        self.site.store.directories().map(|_| self as &dyn Directories)
    }
}

#[async_trait]
impl Leases for FaultyStore {
    async fn lease(&self, ttl: Duration) -> Result<Lease> {
        self.fault.lease(&self.site, ttl).await
    }
    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        self.fault.lease_with_id(&self.site, id, ttl).await
    }
    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
        self.fault.update_with_lease(&self.site, key, value, lease).await
    }
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration> {
        self.fault.keep_alive(&self.site, lease).await
    }
    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive> {
        self.fault.time_to_live(&self.site, lease).await
    }
    async fn revoke(&self, lease: LeaseId) -> Result<()> {
        self.fault.revoke(&self.site, lease).await
    }
}

#[async_trait]
impl Revisions for FaultyStore {
    async fn revision(&self) -> Result<i64> {
        self.fault.revision(&self.site).await
    }
    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>> {
        self.fault.metadata(&self.site, key).await
    }
    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        self.fault.read_at(&self.site, key, revision).await
    }
    async fn list_at(
        &self,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        self.fault.list_at(&self.site, prefix, revision, limit).await
    }
    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        self.fault.watch_from(&self.site, prefix, revision).await
    }
    async fn compact(&self, revision: i64) -> Result<()> {
        self.fault.compact(&self.site, revision).await
    }
}

#[async_trait]
impl Transactions for FaultyStore {
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer> {
        self.fault.txn(&self.site, txn).await
    }
}

#[async_trait]
impl Directories for FaultyStore {
    async fn mkdir(&self, directory: &[u8]) -> Result<()> {
        self.fault.mkdir(&self.site, directory).await
    }
    async fn create(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.fault.create(&self.site, key, value).await
    }
}
