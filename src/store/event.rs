//! What a watch delivers.

use std::pin::Pin;

use futures_util::Stream;
use serde::{Deserialize, Serialize};

use super::Result;

/// Events that a watch delivers in one step. Those of one revision belong to one batch.
///
/// A batch is made of a list of events, or of one: `vec![event].into()`, `event.into()`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct WatchBatch {
    /// The events, in the order in which they happened.
    pub events: Vec<WatchEvent>,
}

/// The most that may wait unread in one queue of events, in bytes: far more than any script writes.
pub(crate) const MOST_UNREAD: usize = 256 * 1024 * 1024;

/// What a batch, and each event of it, counts for next to its keys and values, in bytes.
const OVERHEAD: usize = 64;

/// About how much memory the events of a batch take, in bytes.
pub(crate) fn bytes(events: &[WatchEvent]) -> usize {
    let of = |event: &WatchEvent| match event {
        WatchEvent::Put { key, value, .. } => OVERHEAD + key.len() + value.len(),
        WatchEvent::Delete { key, .. } => OVERHEAD + key.len(),
    };
    OVERHEAD + events.iter().map(of).sum::<usize>()
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
