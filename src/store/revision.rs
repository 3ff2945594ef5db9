//! Revisions: one number for the whole store that grows with every change, and the history it counts.

use async_trait::async_trait;

use super::{LeaseId, Result, WatchStream};

/// A store-wide revision, the counters of each key, and reading and watching the past.
#[async_trait]
pub trait Revisions: Send + Sync {
    /// The store's present revision.
    async fn revision(&self) -> Result<i64>;

    /// The counters of `key`; `None` where there is no such key.
    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>>;

    /// Reads the value that `key` had at `revision`.
    ///
    /// [`ErrorKind::FutureRevision`](super::ErrorKind::FutureRevision) and
    /// [`ErrorKind::Compacted`](super::ErrorKind::Compacted) where the store cannot know it.
    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>>;

    /// Lists at most `limit` of the keys that started with `prefix` at `revision`, in ascending byte order.
    ///
    /// `None` stands for no limit, and for the present. Errors as [`Revisions::read_at`].
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
    /// forgotten that far back.
    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream>;

    /// Has the store forget what was before `revision`; the state at `revision` itself stays known.
    async fn compact(&self, revision: i64) -> Result<()>;
}

/// The counters of one key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyMetadata {
    /// The revision of the write that began the key's present life.
    pub create_revision: i64,
    /// The revision of its last write.
    pub mod_revision: i64,
    /// How many writes its present life has had.
    pub version: i64,
    /// The lease that it is attached to.
    pub lease: Option<LeaseId>,
}

/// A part of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Page {
    /// The keys, whole, in ascending byte order.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub keys: Vec<Vec<u8>>,
    /// Whether the limit left some out.
    pub more: bool,
    /// How many there are with those that were left out.
    pub count: usize,
}
