//! The reference: a store in memory, exact to the contract and at home in virtual time.

#[cfg(feature = "mutants")]
mod damage;
mod history;
mod keyspace;
mod tree;
mod txn;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

#[cfg(feature = "mutants")]
pub(crate) use self::damage::{Damage, LeaseDamage};
use self::history::Record;
use self::keyspace::Keyspace;
use super::{Backend, Clock, Ending, Instance};
use crate::store::{
    Directories, ErrorKind, KeyMetadata, Lease, LeaseId, Leases, Limits, Page, Result, Revisions,
    Store, TimeToLive, Transactions, Txn, TxnAnswer, WatchStream,
};

/// The memory store as a backend: every case gets an empty store of its own, on virtual time.
#[derive(Debug, Clone, Default)]
pub struct MemoryBackend;

#[async_trait]
impl Backend for MemoryBackend {
    fn name(&self) -> &str {
        "memory"
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    fn limits(&self) -> Limits {
        Limits { expiry_lag: Duration::from_millis(1), ..Limits::default() }
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_disposable(&self) -> bool {
        true
    }

    fn cannot_reopen(&self, _ending: Ending) -> Option<String> {
        None
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(MemoryStore::new()))
    }
}

#[async_trait]
impl Instance for MemoryStore {
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(self.client()))
    }

    /// The instance keeps the state, as a disk would, and all of it is on the disk before a call returns.
    async fn reopen(&self, _ending: Ending) -> Result<()> {
        MemoryStore::reopen(self);
        Ok(())
    }
}

/// One client of a store in memory. It needs a tokio runtime with time, whose clock is the store's.
#[derive(Debug)]
pub struct MemoryStore {
    shared: Arc<Shared>,
    client: u64,
    closed: AtomicBool,
}

#[derive(Debug)]
struct Shared {
    keyspace: Mutex<Keyspace>,
    has_directories: bool,
    started: Instant,
    clients: AtomicU64,
}

impl MemoryStore {
    /// The shortest TTL that the store grants.
    pub const MIN_TTL: Duration = Duration::from_secs(1);

    /// An empty store, and its first client.
    pub fn new() -> Self {
        Self::of(Keyspace::new(Self::MIN_TTL))
    }

    /// An empty store whose keys are paths in a tree of directories, and its first client.
    pub fn with_directories() -> Self {
        Self::of(Keyspace::new(Self::MIN_TTL).with_tree())
    }

    fn of(keyspace: Keyspace) -> Self {
        let has_directories = keyspace.has_tree();
        let keyspace = Mutex::new(keyspace);
        let shared = Shared {
            keyspace,
            has_directories,
            started: Instant::now(),
            clients: AtomicU64::new(0),
        };
        Self { shared: Arc::new(shared), client: 0, closed: AtomicBool::new(false) }
    }

    /// Another client of the same store.
    pub fn client(&self) -> Self {
        let client = self.shared.clients.fetch_add(1, Ordering::Relaxed) + 1;
        Self { shared: self.shared.clone(), client, closed: AtomicBool::new(false) }
    }

    /// Ends the store and opens it again: watches end, everything else goes on.
    pub(crate) fn reopen(&self) {
        self.shared.current().reopen();
    }

    /// Does damage to the data, as if it had been kept badly.
    #[cfg(feature = "mutants")]
    pub(crate) fn damage(&self, damage: Damage) {
        let now = self.shared.now();
        self.shared.current().suffer(damage, now);
    }

    /// The state as it is now, with everything gone that is due.
    fn keyspace(&self) -> Result<MutexGuard<'_, Keyspace>> {
        if self.closed.load(Ordering::Acquire) {
            return Err(ErrorKind::Closed.into());
        }
        Ok(self.shared.current())
    }
}

impl MemoryStore {
    fn grant(&self, id: Option<LeaseId>, ttl: Duration) -> Result<Lease> {
        let now = self.shared.now();
        let lease = self.keyspace()?.grant(id, ttl, now)?;
        self.shared.expire_in_time(lease);
        Ok(lease)
    }
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl Shared {
    fn now(&self) -> Duration {
        self.started.elapsed()
    }

    fn current(&self) -> MutexGuard<'_, Keyspace> {
        let mut keyspace = self.keyspace.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        keyspace.expire_all(self.now());
        keyspace
    }

    /// Waits for the end of `lease`, so that watchers hear of it though no one calls.
    fn expire_in_time(self: &Arc<Self>, lease: Lease) {
        let weak = Arc::downgrade(self);
        let mut deadline = self.now() + lease.ttl;
        let started = self.started;
        tokio::spawn(async move {
            loop {
                tokio::time::sleep_until(started + deadline).await;
                let Some(shared) = weak.upgrade() else { return };
                let next = shared.current().expire(shared.now(), lease.id);
                let Some(next) = next else { return };
                deadline = next;
            }
        });
    }
}

#[async_trait]
impl Store for MemoryStore {
    fn base_prefix(&self) -> &[u8] {
        b"/kvspec/"
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace()?.put(key, value, None)
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let lease = self.lease(ttl).await?;
        let written = self.update_with_lease(key, value, lease.id).await;
        if written.is_err() {
            self.revoke(lease.id).await?;
        }
        written.map(|()| lease.ttl)
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        self.keyspace()?.delete(key)
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.keyspace()?.get(key)?.map(|record| record.value.clone()))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        Ok(self.keyspace()?.list(prefix))
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        Ok(self.keyspace()?.watch(self.client, prefix))
    }

    async fn close(&self) -> Result<()> {
        if !self.closed.swap(true, Ordering::AcqRel) {
            self.shared.current().close(self.client);
        }
        Ok(())
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
        self.shared.has_directories.then_some(self as &dyn Directories)
    }
}

#[async_trait]
impl Directories for MemoryStore {
    async fn mkdir(&self, directory: &[u8]) -> Result<()> {
        self.keyspace()?.mkdir(directory)
    }

    async fn create(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.keyspace()?.create(key, value)
    }
}

#[async_trait]
impl Leases for MemoryStore {
    async fn lease(&self, ttl: Duration) -> Result<Lease> {
        self.grant(None, ttl)
    }

    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        self.grant(Some(id), ttl)
    }

    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
        self.keyspace()?.put(key, value, Some(lease))
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration> {
        let now = self.shared.now();
        self.keyspace()?.keep_alive(lease, now)
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive> {
        let now = self.shared.now();
        self.keyspace()?.time_to_live(lease, now)
    }

    async fn revoke(&self, lease: LeaseId) -> Result<()> {
        self.keyspace()?.revoke(lease)
    }
}

#[async_trait]
impl Revisions for MemoryStore {
    async fn revision(&self) -> Result<i64> {
        Ok(self.keyspace()?.revision())
    }

    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>> {
        Ok(self.keyspace()?.get(key)?.map(Record::metadata))
    }

    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        self.keyspace()?.read_at(key, revision)
    }

    async fn list_at(
        &self,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        self.keyspace()?.page(prefix, revision, limit)
    }

    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        self.keyspace()?.watch_from(self.client, prefix, revision)
    }

    async fn compact(&self, revision: i64) -> Result<()> {
        self.keyspace()?.compact(revision)
    }
}

#[async_trait]
impl Transactions for MemoryStore {
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer> {
        self.keyspace()?.txn(&txn)
    }
}
