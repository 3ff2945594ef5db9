//! The trait under test, the words its answers are made of, and its calls as values.

mod call;
mod directory;
mod error;
mod function;
mod layer;
mod lease;
mod revision;
mod text;
mod txn;

use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;
use serde::{Deserialize, Serialize};

#[cfg(feature = "mutants")]
pub(crate) use self::call::answer_type;
pub use self::call::{Call, Reply};
pub use self::directory::Directories;
pub use self::error::{ErrorKind, StoreError};
#[doc(hidden)]
pub use self::function::Function;
pub use self::layer::{Extension, Layer, Layered};
pub use self::lease::{Lease, LeaseId, Leases, TimeToLive};
pub use self::revision::{KeyMetadata, Page, Revisions};
pub use self::text::quote;
pub use self::txn::{Compare, Comparison, Op, OpAnswer, Operand, Transactions, Txn, TxnAnswer};

/// What a call of a [`Store`] gives: an answer, or the error that the store answered.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Events that a watch delivers in one step. Those of one revision belong to one batch.
///
/// A batch is made of a list of events, or of one: `vec![event].into()`, `event.into()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchBatch {
    /// The events, in the order in which they happened.
    pub events: Vec<WatchEvent>,
}

impl From<Vec<WatchEvent>> for WatchBatch {
    fn from(events: Vec<WatchEvent>) -> Self {
        Self { events }
    }
}

impl From<WatchEvent> for WatchBatch {
    fn from(event: WatchEvent) -> Self {
        vec![event].into()
    }
}

impl FromIterator<WatchEvent> for WatchBatch {
    fn from_iter<I: IntoIterator<Item = WatchEvent>>(events: I) -> Self {
        Vec::from_iter(events).into()
    }
}

/// The events of one watch, in the batches in which the store delivered them.
///
/// Dropping the stream ends the watch. A stream that ends, or yields an error, has lost its watch: a store must never
/// stop delivering without saying so.
pub type WatchStream = Pin<Box<dyn Stream<Item = Result<WatchBatch>> + Send>>;

/// One client of a coordination store: the six functions that every version of such an API keeps.
///
/// Keys and values are bytes. Keys are absolute: a store neither adds nor removes a prefix. Every function may be called
/// while any other of the same client is under way, an open watch included.
///
/// # The runtime
///
/// Each scenario has a current-thread tokio runtime of its own, with I/O and time enabled, and all its clients are opened
/// and called on that one thread. So:
///
/// - A call must not hold the thread while it waits. `tokio::task::block_in_place` and `Handle::block_on` panic here; take
///   `tokio::task::spawn_blocking` for what blocks. A call that holds the thread for three times the deadline ends the
///   scenario as *errored*.
/// - What is made in the runtime of one scenario, such as a connection or a task, ends with it. A pool that many scenarios
///   share needs a runtime of its own: see [`Shared`](crate::backend::Shared).
/// - A panic of a call is the answer of that call; a panic of a task that the store spawned is reported with the scenario.
/// - On virtual time ([`Fresh::on_virtual_time`](crate::backend::Fresh::on_virtual_time)) the clock jumps to the next timer
///   as soon as every task waits.
#[async_trait]
pub trait Store: Send + Sync {
    /// The prefix below which this client may write; the runner puts its own random part after it. Every client of a
    /// store has the same.
    ///
    /// It must not be empty, so that kvspec never writes among keys that are not its own: a target whose prefix is empty is
    /// refused. `/kvspec/` is a good one; it is not written itself, and need not exist.
    fn base_prefix(&self) -> &[u8];

    /// Writes `value` under `key`, new or not, and makes the key permanent: a lease that it had is detached.
    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes `value` under `key` and lets the key be deleted once the granted TTL has passed.
    ///
    /// Returns the TTL that was granted: at least `ttl`, more where the store has a floor or counts in
    /// coarser units.
    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration>;

    /// Deletes `key`. A key that does not exist is not an error.
    async fn delete(&self, key: &[u8]) -> Result<()>;

    /// Reads the value of `key`; `None` if there is no such key, which an empty value is not.
    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Lists every key that starts with `prefix`, whole, in ascending byte order. No key is not an error.
    ///
    /// The prefix is bytes: it may end in the middle of a name, and in `0xff` if the store takes such keys.
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

/// One change of one key, as a watch reports it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum WatchEvent {
    /// The key was written.
    #[non_exhaustive]
    Put {
        /// The whole key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
        /// The value that this very write gave it, not a later one.
        #[serde(with = "crate::wire")]
        value: Vec<u8>,
        /// The store-wide revision of the write; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
    /// The key was deleted: by a call, by its lease, or by its TTL.
    #[non_exhaustive]
    Delete {
        /// The whole key.
        #[serde(with = "crate::wire")]
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

    /// The same change at a store-wide revision.
    pub fn at(mut self, revision: i64) -> Self {
        let (Self::Put { mod_revision, .. } | Self::Delete { mod_revision, .. }) = &mut self;
        *mod_revision = Some(revision);
        self
    }

    /// The key that changed.
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Delete { key, .. } => key,
        }
    }

    /// The same with another key.
    pub(crate) fn with_key(self, change: impl FnOnce(Vec<u8>) -> Vec<u8>) -> Self {
        match self {
            Self::Put { key, value, mod_revision } => {
                Self::Put { key: change(key), value, mod_revision }
            }
            Self::Delete { key, mod_revision } => Self::Delete { key: change(key), mod_revision },
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// The longest time between the end of a granted TTL and the moment the key is gone.
    ///
    /// etcd looks every 0.5 s and then commits the deletion, so 0 to 0.5 s is what it is seen to take; the default
    /// of 2 s leaves room for a busy machine.
    #[serde(with = "crate::wire")]
    pub expiry_lag: Duration,
    /// The longest time between the answer to a write and the moment its event is delivered to a watch that is read.
    ///
    /// etcd takes a few milliseconds; the default is 500 ms. A store that polls for changes needs its interval and more.
    #[serde(with = "crate::wire", default = "default_event_lag")]
    pub event_lag: Duration,
    /// The largest value that must be taken, in bytes; one half as large again must be refused as too large. The default
    /// is 1 MiB: etcd takes 1.5 MiB a request.
    pub max_value: usize,
    /// Whether keys may hold bytes that are not UTF-8.
    pub binary_keys: bool,
}

impl Limits {
    /// The same with another [`expiry_lag`](Self::expiry_lag).
    pub fn with_expiry_lag(self, expiry_lag: Duration) -> Self {
        Self { expiry_lag, ..self }
    }

    /// The same with another [`event_lag`](Self::event_lag).
    pub fn with_event_lag(self, event_lag: Duration) -> Self {
        Self { event_lag, ..self }
    }

    /// The same with another [`max_value`](Self::max_value), in bytes.
    pub fn with_max_value(self, max_value: usize) -> Self {
        Self { max_value, ..self }
    }

    /// The same with another [`binary_keys`](Self::binary_keys).
    pub fn with_binary_keys(self, binary_keys: bool) -> Self {
        Self { binary_keys, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expiry_lag: Duration::from_secs(2),
            event_lag: default_event_lag(),
            max_value: 1024 * 1024,
            binary_keys: true,
        }
    }
}

fn default_event_lag() -> Duration {
    Duration::from_millis(500)
}
