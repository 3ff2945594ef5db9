//! Stores that are wrong about watches.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::lists::matches;
use super::{Fault, Mutant, Site, mutant};
use crate::store::{
    Result, Revisions, Store, Transactions, Txn, TxnAnswer, WatchEvent, WatchStream,
};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<SwapsPairs>(
            "watch-newest-first",
            "W1",
            "Events that wait together come newest first.",
        ),
        mutant::<GroupsKeys>("watch-by-key", "W1", "Events that wait together come key by key."),
        mutant::<SortsRevision>(
            "watch-sorts-revision",
            "W1",
            "Events of one revision come in key order, not in the order of the writes.",
        ),
        mutant::<Twice>("watch-twice", "W2", "Every event comes twice."),
        mutant::<ExpiryTwice>(
            "watch-expiry-twice",
            "W2",
            "The end of a time to live is told twice.",
        ),
        mutant::<OneShot>("watch-one-shot", "W3", "A watch gives one event and falls silent."),
        mutant::<Coalesces>(
            "watch-coalesces",
            "W3",
            "Of the events of one key that wait together only the last is given.",
        ),
        mutant::<NoExpiry>(
            "watch-no-expiry",
            "W3",
            "What a lease or a time to live deletes is no event.",
        ),
        mutant::<NoDeletes>("watch-no-deletes", "W3", "Deletions are no events."),
        mutant::<SameValueFolded>(
            "watch-folds-same-value",
            "W3",
            "An event with the value of the one before it is dropped.",
        ),
        mutant::<StartsLate>(
            "watch-starts-late",
            "W3",
            "A watch is said to be open a moment before it is.",
        ),
        mutant::<OwnOnly>("watch-own-writes-only", "W3", "A client sees its own writes only."),
        mutant::<OthersOnly>("watch-others-only", "W3", "A client does not see its own writes."),
        mutant::<Splits>("watch-splits-revision", "W4", "Each event of a revision comes alone."),
        mutant::<Replays>(
            "watch-replays-present",
            "W7",
            "A watch begins with the keys that are there.",
        ),
        mutant::<EmptyIsDelete>(
            "watch-empty-is-delete",
            "W10",
            "A write of an empty value is told as a deletion.",
        ),
        mutant::<DeleteIsEmpty>(
            "watch-delete-is-put",
            "W10",
            "A deletion is told as a write of an empty value.",
        ),
        mutant::<LateValue>(
            "watch-reads-value-late",
            "W10",
            "An event bears the value that the key has when it is delivered.",
        ),
        mutant::<SmallEvents>(
            "watch-cuts-values",
            "W10",
            "A value in an event is cut off after 8000 bytes.",
        ),
        mutant::<StaleRevision>(
            "watch-delete-old-revision",
            "W10",
            "A deletion bears the revision of the write before it.",
        ),
        mutant::<FoldsCase>(
            "watch-folds-case",
            "W12",
            "A watch matches its prefix without regard to case.",
        ),
        mutant::<Directory>("watch-is-directory", "W12", "A watch sees whole path segments only."),
        mutant::<ExactKey>(
            "watch-exact-key",
            "W12",
            "A watch sees the one key that equals its prefix.",
        ),
        mutant::<Pattern>(
            "watch-takes-pattern",
            "P2",
            "Wildcards in a watch's prefix are a pattern.",
        ),
        mutant::<LastByteUp>(
            "watch-last-byte-overflows",
            "P2",
            "The end of a watch's range is the last byte plus one, which wraps at 0xff.",
        ),
    ]
}

/// Faults that change what a watch delivers, batch by batch.
macro_rules! changed_events {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
                let change: fn(Vec<WatchEvent>) -> Vec<WatchEvent> = $change;
                Ok(at.store.watch(prefix).await?.map(move |batch| batch.map(change)).boxed())
            }
        }
    )*};
}

changed_events! {
    Twice => |events| events.into_iter().flat_map(|event| [event.clone(), event]).collect();
    SortsRevision => |mut events| {
        events.sort_by(|a, b| a.key().cmp(b.key()));
        events
    };
    NoDeletes => |events| events.into_iter().filter(|event| matches!(event, WatchEvent::Put { .. })).collect();
    EmptyIsDelete => |events| events.into_iter().map(|event| match event {
        WatchEvent::Put { key, value, mod_revision } if value.is_empty() => WatchEvent::Delete { key, mod_revision },
        event => event,
    }).collect();
    DeleteIsEmpty => |events| events.into_iter().map(|event| match event {
        WatchEvent::Delete { key, mod_revision } => WatchEvent::Put { key, value: Vec::new(), mod_revision },
        event => event,
    }).collect();
    SmallEvents => |events| events.into_iter().map(|event| match event {
        WatchEvent::Put { key, mut value, mod_revision } => {
            value.truncate(8000);
            WatchEvent::Put { key, value, mod_revision }
        }
        event => event,
    }).collect();
}

/// Faults that change all the events that wait together.
macro_rules! changed_heaps {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
                let change: fn(Vec<WatchEvent>) -> Vec<WatchEvent> = $change;
                let heaps = at.store.watch(prefix).await?.ready_chunks(10_000);
                Ok(heaps.map(move |heap| {
                    let heap: Result<Vec<Vec<WatchEvent>>> = heap.into_iter().collect();
                    heap.map(|heap| change(heap.concat()))
                }).boxed())
            }
        }
    )*};
}

changed_heaps! {
    // The last one stays last, or the fence would hide what comes after it.
    SwapsPairs => |mut events| {
        let end = events.len().saturating_sub(1);
        events[..end].reverse();
        events
    };
    GroupsKeys => |mut events| {
        let end = events.len().saturating_sub(1);
        events[..end].sort_by(|a, b| a.key().cmp(b.key()));
        events
    };
    Coalesces => |events| {
        let is_last = |(index, event): &(usize, &WatchEvent)| {
            !events[index + 1..].iter().any(|later| later.key() == event.key())
        };
        events.iter().enumerate().filter(is_last).map(|(_, event)| event.clone()).collect()
    };
}

#[derive(Default)]
struct Splits;

#[async_trait]
impl Fault for Splits {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let single = |batch: Result<Vec<WatchEvent>>| match batch {
            Ok(batch) => {
                stream::iter(batch.into_iter().map(|event| Ok(vec![event])).collect::<Vec<_>>())
            }
            Err(error) => stream::iter(vec![Err(error)]),
        };
        Ok(at.store.watch(prefix).await?.flat_map(single).boxed())
    }
}

#[derive(Default)]
struct OneShot;

#[async_trait]
impl Fault for OneShot {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        Ok(at.store.watch(prefix).await?.take(1).chain(stream::pending()).boxed())
    }
}

/// The revisions of what clients deleted by name: what else is deleted, time deleted.
#[derive(Default, Clone)]
struct Named(Arc<Mutex<BTreeSet<i64>>>);

impl Named {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        at.store.delete(key).await?;
        self.note(at).await
    }

    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let answer = at.store.txn(txn).await?;
        self.note(at).await?;
        Ok(answer)
    }

    async fn note(&self, at: &Site) -> Result<()> {
        let revision = at.store.revision().await?;
        self.0.lock().unwrap().insert(revision);
        Ok(())
    }

    fn knows(&self, event: &WatchEvent) -> bool {
        let named = self.0.lock().unwrap();
        matches!(event, WatchEvent::Put { .. })
            || event.mod_revision().is_some_and(|revision| named.contains(&revision))
    }
}

#[derive(Default)]
struct NoExpiry(Named);

#[async_trait]
impl Fault for NoExpiry {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        self.0.delete(at, key).await
    }
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        self.0.txn(at, txn).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let named = self.0.clone();
        let told = move |batch: Vec<WatchEvent>| {
            batch.into_iter().filter(|event| named.knows(event)).collect()
        };
        Ok(at.store.watch(prefix).await?.map(move |batch| batch.map(&told)).boxed())
    }
}

#[derive(Default)]
struct ExpiryTwice(Named);

#[async_trait]
impl Fault for ExpiryTwice {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        self.0.delete(at, key).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let named = self.0.clone();
        let twice = move |event: WatchEvent| {
            let again = (!named.knows(&event)).then(|| event.clone());
            [Some(event), again].into_iter().flatten()
        };
        let told = move |batch: Vec<WatchEvent>| batch.into_iter().flat_map(&twice).collect();
        Ok(at.store.watch(prefix).await?.map(move |batch| batch.map(&told)).boxed())
    }
}

/// Passes events on one by one, where `pass` says so of each; it remembers as it likes.
pub(super) fn filtered(
    inner: WatchStream,
    mut pass: impl FnMut(&WatchEvent) -> bool + Send + 'static,
) -> WatchStream {
    inner.map(move |batch| batch.map(|batch| batch.into_iter().filter(&mut pass).collect())).boxed()
}

#[derive(Default)]
struct SameValueFolded;

#[async_trait]
impl Fault for SameValueFolded {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let mut last: Option<(Vec<u8>, Vec<u8>)> = None;
        Ok(filtered(at.store.watch(prefix).await?, move |event| match event {
            WatchEvent::Put { key, value, .. } => {
                let now = Some((key.clone(), value.clone()));
                std::mem::replace(&mut last, now.clone()) != now
            }
            WatchEvent::Delete { .. } => {
                last = None;
                true
            }
        }))
    }
}

#[derive(Default)]
struct StartsLate;

#[async_trait]
impl Fault for StartsLate {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        at.store.read(b"any").await?;
        let (store, prefix) = (at.store.clone(), prefix.to_vec());
        let opened = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            store.watch(&prefix).await
        });
        let flat = async move {
            opened
                .await
                .expect("opening does not panic")
                .unwrap_or_else(|_| stream::pending().boxed())
        };
        Ok(stream::once(flat).flatten().boxed())
    }
}

/// Which client wrote which revision.
#[derive(Default, Clone)]
struct Writers(Arc<Mutex<BTreeMap<i64, usize>>>);

impl Writers {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, value).await?;
        let revision = at.store.revision().await?;
        self.0.lock().unwrap().insert(revision, at.client);
        Ok(())
    }

    async fn watch(&self, at: &Site, prefix: &[u8], is_own: bool) -> Result<WatchStream> {
        let (writers, client) = (self.0.clone(), at.client);
        Ok(filtered(at.store.watch(prefix).await?, move |event| {
            // Fences are spared: without them a watch would only seem to hang.
            let is_fence = event.key().windows(7).any(|window| window == b"~fence-");
            let writer = event
                .mod_revision()
                .and_then(|revision| writers.lock().unwrap().get(&revision).copied());
            is_fence || writer.is_none_or(|writer| (writer == client) == is_own)
        }))
    }
}

#[derive(Default)]
struct OwnOnly(Writers);

#[async_trait]
impl Fault for OwnOnly {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.update(at, key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        self.0.watch(at, prefix, true).await
    }
}

#[derive(Default)]
struct OthersOnly(Writers);

#[async_trait]
impl Fault for OthersOnly {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.update(at, key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        self.0.watch(at, prefix, false).await
    }
}

#[derive(Default)]
struct Replays;

#[async_trait]
impl Fault for Replays {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let mut present = Vec::new();
        for key in at.store.list(prefix).await? {
            let value = at.store.read(&key).await?.unwrap_or_default();
            present.push(Ok(vec![WatchEvent::put(key, value)]));
        }
        Ok(stream::iter(present).chain(at.store.watch(prefix).await?).boxed())
    }
}

#[derive(Default)]
struct LateValue;

#[async_trait]
impl Fault for LateValue {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let store = at.store.clone();
        let reread = move |batch: Result<Vec<WatchEvent>>| {
            let store = store.clone();
            async move {
                let mut events = batch?;
                for event in &mut events {
                    if let WatchEvent::Put { key, value, .. } = event {
                        *value = store.read(key).await?.unwrap_or_default();
                    }
                }
                Ok(events)
            }
        };
        Ok(at.store.watch(prefix).await?.then(reread).boxed())
    }
}

#[derive(Default)]
struct StaleRevision;

#[async_trait]
impl Fault for StaleRevision {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let mut written = BTreeMap::new();
        let stale = move |event: WatchEvent| match event {
            WatchEvent::Put { ref key, mod_revision, .. } => {
                written.insert(key.clone(), mod_revision);
                event
            }
            WatchEvent::Delete { key, mod_revision } => {
                let mod_revision = written.get(&key).copied().unwrap_or(mod_revision);
                WatchEvent::Delete { key, mod_revision }
            }
        };
        let mut stale = stale;
        let inner = at.store.watch(prefix).await?;
        Ok(inner
            .map(move |batch| batch.map(|batch| batch.into_iter().map(&mut stale).collect()))
            .boxed())
    }
}

/// Faults that watch everything and choose by a rule of their own: prefix, key.
macro_rules! changed_ranges {
    ($($name:ident => $is_watched:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
                let is_watched: fn(&[u8], &[u8]) -> bool = $is_watched;
                let prefix = prefix.to_vec();
                // Fences are spared: without them a watch would only seem to hang.
                let is_fence = |key: &[u8]| key.windows(7).any(|window| window == b"~fence-");
                Ok(filtered(at.store.watch(b"").await?, move |event| {
                    is_watched(&prefix, event.key()) || (is_fence(event.key()) && event.key().starts_with(&prefix))
                }))
            }
        }
    )*};
}

changed_ranges! {
    FoldsCase => |prefix, key| key.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase());
    Directory => |prefix, key| {
        key.starts_with(prefix) && (prefix.ends_with(b"/") || key.len() == prefix.len() || key[prefix.len()] == b'/')
    };
    ExactKey => |prefix, key| prefix == key;
    Pattern => |prefix, key| !prefix.contains(&b'[') && matches(prefix, key, b"*%", b"?_");
    LastByteUp => |prefix, key| key.starts_with(prefix) && !prefix.ends_with(b"\xff");
}
