//! Stores that are wrong about revisions and the past.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};

use super::{Fault, Mutant, Site, mutant};
use crate::store::{
    ErrorKind, KeyMetadata, Lease, Leases, Page, Result, Revisions, Store, WatchEvent, WatchStream,
};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<TwoPerWrite>("revision-two-per-write", "R1", "A write moves the revision by two."),
        mutant::<GrantMoves>(
            "revision-moved-by-grant",
            "R2",
            "Granting a lease moves the revision.",
        ),
        mutant::<DeleteNothingMoves>(
            "revision-moved-by-nothing",
            "R2",
            "Deleting nothing moves the revision.",
        ),
        mutant::<ReadsMove>("revision-moved-by-reads", "R2", "Reading moves the revision."),
        mutant::<VersionGoesOn>(
            "version-goes-on",
            "R3",
            "A key's version goes on counting in its next life.",
        ),
        mutant::<CreateMoves>(
            "create-revision-moves",
            "R3",
            "Every write moves the revision of the first.",
        ),
        mutant::<NoVersion>("version-always-one", "R3", "A key's version is always one."),
        mutant::<ReadNow>(
            "read-at-ignores-revision",
            "R4",
            "A read at a revision gives the present value.",
        ),
        mutant::<ListNow>(
            "list-at-ignores-revision",
            "R4",
            "A list at a revision gives the present keys.",
        ),
        mutant::<FutureTaken>(
            "future-revision-taken",
            "R5",
            "A revision that is yet to come is taken for the present.",
        ),
        mutant::<CompactedEmpty>(
            "compacted-reads-nothing",
            "R5",
            "A read at a compacted revision gives nothing.",
        ),
        mutant::<CompactStub>(
            "compact-is-a-stub",
            "R5",
            "Compacting is acknowledged and not done.",
        ),
        mutant::<CompactFuture>(
            "compact-takes-future",
            "R5",
            "A revision that is yet to come can be compacted.",
        ),
        mutant::<CompactTooMuch>(
            "compact-takes-itself",
            "R6",
            "Compacting forgets the revision itself.",
        ),
        mutant::<CompactPresent>(
            "compact-takes-the-present",
            "R6",
            "Compacting deletes keys that were not written since.",
        ),
        mutant::<SharedRevision>(
            "revision-shared",
            "R7",
            "Writes under way at once share a revision.",
        ),
        mutant::<StartsAfter>(
            "watch-from-exclusive",
            "W8",
            "A watch from a revision begins with the one after it.",
        ),
        mutant::<StartsNow>("watch-from-ignored", "W8", "A watch from a revision begins now."),
        mutant::<NoPastDeletes>(
            "watch-past-without-deletes",
            "W8",
            "Deletions of the past are not replayed.",
        ),
        mutant::<FutureNow>(
            "watch-future-begins-now",
            "W8",
            "A watch from a revision that is yet to come begins now.",
        ),
        mutant::<ResumesTwice>(
            "watch-resumes-twice",
            "W5",
            "A watch that is opened again repeats the event before it.",
        ),
        mutant::<CompactedHangs>(
            "watch-compacted-hangs",
            "W9",
            "A watch from a compacted revision hangs.",
        ),
        mutant::<CompactedSkips>(
            "watch-compacted-skips",
            "W9",
            "A watch from a compacted revision silently begins later.",
        ),
        mutant::<CompactedEdge>(
            "watch-compacted-edge",
            "W9",
            "A watch from the compacted revision itself is refused.",
        ),
    ]
}

/// Moves the revision in a place that no scenario looks at.
async fn bump(at: &Site) -> Result<()> {
    at.store.update(b"/hidden", b"").await
}

#[derive(Default)]
struct TwoPerWrite;

#[async_trait]
impl Fault for TwoPerWrite {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, value).await?;
        bump(at).await
    }
}

#[derive(Default)]
struct GrantMoves;

#[async_trait]
impl Fault for GrantMoves {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        bump(at).await?;
        at.store.lease(ttl).await
    }
}

#[derive(Default)]
struct DeleteNothingMoves;

#[async_trait]
impl Fault for DeleteNothingMoves {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        if at.store.read(key).await?.is_none() {
            bump(at).await?;
        }
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct ReadsMove;

#[async_trait]
impl Fault for ReadsMove {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        bump(at).await?;
        at.store.read(key).await
    }
}

/// The versions that each key's past lives have used up.
#[derive(Default)]
struct VersionGoesOn(Mutex<BTreeMap<Vec<u8>, i64>>);

#[async_trait]
impl Fault for VersionGoesOn {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        if let Some(metadata) = at.store.metadata(key).await? {
            *self.0.lock().unwrap().entry(key.into()).or_default() += metadata.version;
        }
        at.store.delete(key).await
    }
    async fn metadata(&self, at: &Site, key: &[u8]) -> Result<Option<KeyMetadata>> {
        let metadata = at.store.metadata(key).await?;
        let used = self.0.lock().unwrap().get(key).copied().unwrap_or(0);
        Ok(metadata.map(|metadata| KeyMetadata { version: metadata.version + used, ..metadata }))
    }
}

/// Faults that change a key's counters.
macro_rules! changed_counters {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn metadata(&self, at: &Site, key: &[u8]) -> Result<Option<KeyMetadata>> {
                let change: fn(KeyMetadata) -> KeyMetadata = $change;
                Ok(at.store.metadata(key).await?.map(change))
            }
        }
    )*};
}

changed_counters! {
    CreateMoves => |metadata| KeyMetadata { create_revision: metadata.mod_revision, ..metadata };
    NoVersion => |metadata| KeyMetadata { version: 1, ..metadata };
}

#[derive(Default)]
struct ReadNow;

#[async_trait]
impl Fault for ReadNow {
    async fn read_at(&self, at: &Site, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        at.store.read_at(key, revision).await?;
        at.store.read(key).await
    }
}

#[derive(Default)]
struct ListNow;

#[async_trait]
impl Fault for ListNow {
    async fn list_at(
        &self,
        at: &Site,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        at.store.list_at(prefix, revision, limit).await?;
        at.store.list_at(prefix, None, limit).await
    }
}

#[derive(Default)]
struct FutureTaken;

#[async_trait]
impl Fault for FutureTaken {
    async fn read_at(&self, at: &Site, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        let now = at.store.revision().await?;
        at.store.read_at(key, revision.min(now)).await
    }
}

#[derive(Default)]
struct CompactedEmpty;

#[async_trait]
impl Fault for CompactedEmpty {
    async fn read_at(&self, at: &Site, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        match at.store.read_at(key, revision).await {
            Err(error) if error.kind == ErrorKind::Compacted => Ok(None),
            value => value,
        }
    }
}

#[derive(Default)]
struct CompactStub;

#[async_trait]
impl Fault for CompactStub {
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        if revision > at.store.revision().await? {
            Err(ErrorKind::FutureRevision.into())
        } else {
            Ok(())
        }
    }
}

#[derive(Default)]
struct CompactFuture;

#[async_trait]
impl Fault for CompactFuture {
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        let now = at.store.revision().await?;
        at.store.compact(revision.min(now)).await
    }
}

#[derive(Default)]
struct CompactTooMuch;

#[async_trait]
impl Fault for CompactTooMuch {
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        bump(at).await?;
        at.store.compact(revision + 1).await
    }
}

#[derive(Default)]
struct CompactPresent;

#[async_trait]
impl Fault for CompactPresent {
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        for key in at.store.list(at.store.base_prefix()).await? {
            let metadata = at.store.metadata(&key).await?;
            if metadata.is_some_and(|metadata| metadata.mod_revision < revision) {
                at.store.delete(&key).await?;
            }
        }
        at.store.compact(revision).await
    }
}

/// The writes under way, and the revisions that were given out for the first of them alone.
#[derive(Default)]
struct SharedRevision(Mutex<(usize, i64)>);

#[async_trait]
impl Fault for SharedRevision {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        {
            let mut shared = self.0.lock().unwrap();
            shared.0 += 1;
            shared.1 += i64::from(shared.0 > 1);
        }
        tokio::task::yield_now().await;
        let written = at.store.update(key, value).await;
        self.0.lock().unwrap().0 -= 1;
        written
    }
    async fn revision(&self, at: &Site) -> Result<i64> {
        let shared = self.0.lock().unwrap().1;
        Ok(at.store.revision().await? - shared)
    }
}

#[derive(Default)]
struct StartsAfter;

#[async_trait]
impl Fault for StartsAfter {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        at.store.watch_from(prefix, revision + 1).await
    }
}

#[derive(Default)]
struct StartsNow;

#[async_trait]
impl Fault for StartsNow {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        drop(at.store.watch_from(prefix, revision).await?);
        at.store.watch(prefix).await
    }
}

#[derive(Default)]
struct NoPastDeletes;

#[async_trait]
impl Fault for NoPastDeletes {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        let now = at.store.revision().await?;
        let is_told = move |event: &WatchEvent| {
            matches!(event, WatchEvent::Put { .. })
                || event.mod_revision().is_some_and(|revision| revision > now)
        };
        let inner = at.store.watch_from(prefix, revision).await?;
        Ok(inner
            .map(move |batch| batch.map(|batch| batch.into_iter().filter(is_told).collect()))
            .boxed())
    }
}

#[derive(Default)]
struct FutureNow;

#[async_trait]
impl Fault for FutureNow {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        let now = at.store.revision().await?;
        at.store.watch_from(prefix, revision.min(now + 1)).await
    }
}

#[derive(Default)]
struct ResumesTwice;

#[async_trait]
impl Fault for ResumesTwice {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        // Two back: between the last event and here lies the fence's deletion.
        match at.store.watch_from(prefix, revision - 3).await {
            Err(error) if error.kind == ErrorKind::Compacted => {
                at.store.watch_from(prefix, revision).await
            }
            watch => watch,
        }
    }
}

#[derive(Default)]
struct CompactedHangs;

#[async_trait]
impl Fault for CompactedHangs {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        match at.store.watch_from(prefix, revision).await {
            Err(error) if error.kind == ErrorKind::Compacted => Ok(stream::pending().boxed()),
            watch => watch,
        }
    }
}

#[derive(Default)]
struct CompactedSkips;

#[async_trait]
impl Fault for CompactedSkips {
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        let now = at.store.revision().await?;
        for revision in revision..=now {
            if let Ok(watch) = at.store.watch_from(prefix, revision).await {
                return Ok(watch);
            }
        }
        at.store.watch(prefix).await
    }
}

/// The revision that was compacted last.
#[derive(Default)]
struct CompactedEdge(Mutex<i64>);

#[async_trait]
impl Fault for CompactedEdge {
    async fn compact(&self, at: &Site, revision: i64) -> Result<()> {
        at.store.compact(revision).await?;
        *self.0.lock().unwrap() = revision;
        Ok(())
    }
    async fn watch_from(&self, at: &Site, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        if revision <= *self.0.lock().unwrap() {
            return Err(ErrorKind::Compacted.into());
        }
        at.store.watch_from(prefix, revision).await
    }
}
