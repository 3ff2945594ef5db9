//! The trait under test, and the words its answers are made of.

use std::fmt;
use std::pin::Pin;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::Stream;

/// What a call of a [`Store`] gives: an answer, or the error that the store answered.
pub type Result<T> = std::result::Result<T, StoreError>;

/// The name that a store gave to a lease. Never zero: zero is "no lease".
pub type LeaseId = i64;

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
}

/// Leases: a time to live of its own, shared by the keys attached to it.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Grants a lease that lives for `ttl`, or longer where the store has a floor.
    async fn lease(&self, ttl: Duration) -> Result<Lease>;

    /// Writes `value` under `key` and attaches the key to `lease`, and to no other.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease; the key is then as it was.
    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()>;

    /// Sets what is left of `lease` back to its granted time to live, which it returns.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration>;

    /// Tells what is left of `lease`, and which keys are attached to it.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive>;

    /// Ends `lease` at once and deletes every key attached to it, all in one step.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn revoke(&self, lease: LeaseId) -> Result<()>;
}

/// A lease as it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The name that the store gave it.
    pub id: LeaseId,
    /// The time to live that the store granted.
    pub ttl: Duration,
}

/// What a store says of a living lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimeToLive {
    /// The time to live that was granted.
    pub granted: Duration,
    /// What is left of it; stores may round down to whole seconds.
    pub remaining: Duration,
    /// The keys attached to the lease, in ascending byte order.
    pub keys: Vec<Vec<u8>>,
}

/// One change of one key, as a watch tells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WatchEvent {
    /// The key was written.
    Put {
        /// The whole key.
        key: Vec<u8>,
        /// The value that this very write gave it, not a later one.
        value: Vec<u8>,
        /// The store-wide revision of the write; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
    /// The key was deleted: by a call, by its lease, or by its time to live.
    Delete {
        /// The whole key.
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
}

/// An error that the store answered: data that a scenario may expect, judged by its kind alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
pub struct StoreError {
    /// What went wrong, in words that all stores share.
    pub kind: ErrorKind,
    /// The store's own wording, shown to people and never compared.
    pub message: String,
}

impl StoreError {
    /// An error of `kind` with the store's own wording.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<ErrorKind> for StoreError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, kind.as_str())
    }
}

/// What can go wrong in a store, in words that all stores share.
///
/// The etcd message or gRPC status that stands behind each is named in [`ErrorKind::as_str`]'s table of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The lease does not exist (any more).
    LeaseNotFound,
    /// A lease of that id exists already.
    LeaseExists,
    /// The time to live is beyond what the store can grant.
    TtlTooLarge,
    /// The key is empty.
    EmptyKey,
    /// The key, the value or the whole request is larger than the store takes.
    TooLarge,
    /// The revision asked for has been compacted.
    Compacted,
    /// The revision asked for lies in the future.
    FutureRevision,
    /// A transaction writes one key twice.
    DuplicateKey,
    /// A transaction has more operations than the store takes.
    TooManyOps,
    /// The key does not exist, where the call needs it to.
    KeyNotFound,
    /// The key exists already, where the call needs it not to.
    KeyExists,
    /// The key is a directory, where the call needs a file.
    NotAFile,
    /// The key is a file, where the call needs a directory.
    NotADirectory,
    /// The request is not one that the store understands.
    InvalidArgument,
    /// The user may not do this, or could not be told who it is.
    Denied,
    /// The store has no such function.
    Unsupported,
    /// The store cannot be reached, or cannot serve now.
    Unavailable,
    /// No answer came in time.
    DeadlineExceeded,
    /// The store ended the watch.
    Canceled,
    /// This client was closed.
    Closed,
    /// None of the others; the message says more.
    Other,
}

impl ErrorKind {
    /// The words in which scripts expect this kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeaseNotFound => "lease not found",
            Self::LeaseExists => "lease exists",
            Self::TtlTooLarge => "ttl too large",
            Self::EmptyKey => "empty key",
            Self::TooLarge => "too large",
            Self::Compacted => "compacted",
            Self::FutureRevision => "future revision",
            Self::DuplicateKey => "duplicate key",
            Self::TooManyOps => "too many operations",
            Self::KeyNotFound => "key not found",
            Self::KeyExists => "key exists",
            Self::NotAFile => "not a file",
            Self::NotADirectory => "not a directory",
            Self::InvalidArgument => "invalid argument",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Canceled => "canceled",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What the trait cannot say of a store; the default is etcd's.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The longest time between the end of a granted time to live and the moment the key is gone.
    ///
    /// etcd looks every 0.5 s and then commits the deletion, so 0 to 0.5 s is what it is seen to take; the default
    /// of 2 s leaves room for a busy machine.
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
