//! Revisions: one number for the whole store that grows with every change, and the history it counts.

use std::fmt::{self, Display, Formatter};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{LeaseId, Result, WatchStream, text};

/// A store-wide revision, the counters of each key, and reading and watching the past.
///
/// The scenarios ask for revisions from the first one on, never for 0 or less. What etcd 3.5.1 and the memory store do with
/// those is said at each function, for stores that want to be like one of them.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// The store's present revision: that of its last change.
    ///
    /// Of an empty store it is any number that the first change makes greater; etcd and the memory store begin at 1, so that
    /// their first change has 2.
    async fn revision(&self) -> Result<i64>;

    /// The counters of `key`; `None` if there is no such key.
    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>>;

    /// Reads the value that `key` had at `revision`.
    ///
    /// [`ErrorKind::FutureRevision`](super::ErrorKind::FutureRevision) and
    /// [`ErrorKind::Compacted`](super::ErrorKind::Compacted) where the store cannot know it.
    ///
    /// At 0 or less etcd reads the present value; the memory store, before its first compaction, finds no key.
    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>>;

    /// Lists at most `limit` of the keys that started with `prefix` at `revision`, in ascending byte order.
    ///
    /// `None` means no limit, and for the present. Errors as [`Revisions::read_at`].
    ///
    /// No scenario has a limit of 0. etcd takes it for no limit; the memory store gives no key, the count of all, and
    /// `more` if there are any.
    async fn list_at(
        &self,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page>;

    /// Watches every key that starts with `prefix`, from the change of `revision` on: the past is replayed, the future
    /// waited for.
    ///
    /// [`ErrorKind::Compacted`](super::ErrorKind::Compacted), here or as the stream's first item, where the store has
    /// forgotten that far back. A revision that lies in the future is not an error: the watch begins with its change.
    ///
    /// At 0 etcd watches from now on, and the memory store from its first change. Below 0 the memory store answers
    /// `Compacted`; etcd does too once it was compacted, and before that for less than -1.
    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream>;

    /// Has the store forget what was before `revision`; the state at `revision` itself stays known.
    ///
    /// [`ErrorKind::FutureRevision`](super::ErrorKind::FutureRevision) for a revision after the present one,
    /// [`ErrorKind::Compacted`](super::ErrorKind::Compacted) for one that was compacted already, the last one included; the
    /// store is then as it was. 0 or less counts as compacted already, though etcd does take 0 as its first compaction.
    async fn compact(&self, revision: i64) -> Result<()>;
}

/// The counters of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct KeyMetadata {
    /// The revision of the write that began the key's present life.
    pub create_revision: i64,
    /// The revision of its last write.
    pub mod_revision: i64,
    /// How many writes its present life has had.
    pub version: i64,
    /// The lease that it is attached to; `None` if there is none.
    ///
    /// Of a key with a TTL of its own it is the lease that the store made for it, as in etcd and the memory store,
    /// or `None` in a store that does without. No scenario asks.
    pub lease: Option<LeaseId>,
}

impl KeyMetadata {
    /// The counters of a key without a lease.
    pub fn new(create_revision: i64, mod_revision: i64, version: i64) -> Self {
        Self { create_revision, mod_revision, version, lease: None }
    }

    /// The same with the lease that the key is attached to, if it is attached to one.
    pub fn with_lease(self, lease: Option<LeaseId>) -> Self {
        Self { lease, ..self }
    }
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Page {
    /// The keys, whole, in ascending byte order.
    #[serde(with = "crate::wire")]
    pub keys: Vec<Vec<u8>>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many there are with those that were left out.
    pub count: usize,
}

impl Page {
    /// The keys of a list, whole and in ascending byte order, of `count` that there are.
    pub fn new(keys: Vec<Vec<u8>>, count: usize) -> Self {
        Self { more: keys.len() < count, keys, count }
    }
}

impl Display for KeyMetadata {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Self { create_revision, mod_revision, version, lease } = self;
        write!(f, "version={version} create={create_revision} mod={mod_revision}")?;
        lease.iter().try_for_each(|lease| write!(f, " lease={lease}"))
    }
}

impl Display for Page {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "{} of {}: {}", self.keys.len(), self.count, text::keys(&self.keys))
    }
}
