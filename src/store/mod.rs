//! The trait under test, and the words its answers are made of.

mod directory;
mod error;
mod lease;
mod revision;
mod txn;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;

pub use self::directory::Directories;
pub use self::error::{ErrorKind, StoreError};
pub use self::lease::{Lease, LeaseId, Leases, TimeToLive};
pub use self::revision::{KeyMetadata, Page, Revisions};
pub use self::txn::{Compare, Comparison, Op, OpAnswer, Operand, Transactions, Txn, TxnAnswer};

/// What a call of a [`Store`] gives: an answer, or the error that the store answered.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The events of one watch, in the batches in which the store delivered them.
///
/// Dropping the stream ends the watch. A stream that ends, or yields an error, has lost its watch: a store must never
/// stop delivering without saying so.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<Vec<WatchEvent>>> + Send>>;

/// One client of a coordination store: the six functions that every version of such an API keeps.
///
/// Keys and values are bytes. Keys are absolute: a store neither adds nor removes a prefix. Every function may be called
/// while any other of the same client is under way, an open watch included.
#[async_trait]
pub trait Store: Send + Sync {
    /// The prefix below which this client may write; the runner puts its own random part after it.
    fn base_prefix(&self) -> &[u8];

    /// Writes `value` under `key`, new or not, and makes the key permanent: a lease that it had is detached.
    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes `value` under `key` and lets the key be deleted once the granted time to live has passed.
    ///
    /// Returns the time to live that was granted: at least `ttl`, more where the store has a floor or counts in
    /// coarser units.
    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration>;

    /// Deletes `key`. A key that does not exist is no error.
    async fn delete(&self, key: &[u8]) -> Result<()>;

    /// Reads the value of `key`; `None` where there is no such key, which an empty value is not.
    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Lists every key that starts with `prefix`, whole, in ascending byte order.
    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Watches every key that starts with `prefix`, from now on.
    ///
    /// Returns once the watch is established: a write that begins afterwards is delivered.
    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream>;

    /// Closes this client and ends its watches. Afterwards every call answers [`ErrorKind::Closed`]; closing twice is
    /// no error.
    async fn close(&self) -> Result<()>;

    /// Leases that several keys can share, where the store has them.
    fn leases(&self) -> Option<&dyn Leases> {
        None
    }

    /// Revisions and history, where the store keeps them.
    fn revisions(&self) -> Option<&dyn Revisions> {
        None
    }

    /// Transactions, where the store has them.
    fn transactions(&self) -> Option<&dyn Transactions> {
        None
    }

    /// Directories, where the store has them.
    fn directories(&self) -> Option<&dyn Directories> {
        None
    }
}

/// One change of one key, as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum WatchEvent {
    /// The key was written.
    Put {
        /// The whole key.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        key: Vec<u8>,
        /// The value that this very write gave it, not a later one.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        value: Vec<u8>,
        /// The store-wide revision of the write; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
    /// The key was deleted: by a call, by its lease, or by its time to live.
    Delete {
        /// The whole key.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        key: Vec<u8>,
        /// The store-wide revision of the deletion; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
}

impl WatchEvent {
    /// A write of `value` under `key`, at no revision.
    pub fn put(key: impl Into<Vec<u8>>, value: impl Into<Vec<u8>>) -> Self {
        Self::Put { key: key.into(), value: value.into(), mod_revision: None }
    }

    /// A deletion of `key`, at no revision.
    pub fn delete(key: impl Into<Vec<u8>>) -> Self {
        Self::Delete { key: key.into(), mod_revision: None }
    }

    /// The key that changed.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    /// The store-wide revision of the change; `None` where the store has no revisions.
    pub fn mod_revision(&self) -> Option<i64> {
        match self {
            Self::Put { mod_revision, .. } | Self::Delete { mod_revision, .. } => *mod_revision,
        }
    }
}

/// What the trait cannot say of a store; the default is etcd's.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Limits {
    /// The longest time between the end of a granted time to live and the moment the key is gone.
    ///
    /// etcd looks every 0.5 s and then commits the deletion, so 0 to 0.5 s is what it is seen to take; the default
    /// of 2 s leaves room for a busy machine.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub expiry_lag: Duration,
    /// The largest value that must be taken, in bytes. etcd takes 1.5 MiB a request.
    pub max_value: usize,
    /// Whether keys may hold bytes that are not UTF-8.
    pub binary_keys: bool,
}

impl Default for Limits {
    fn default() -> Self {
        Self { expiry_lag: Duration::from_secs(2), max_value: 1024 * 1024, binary_keys: true }
    }
}
