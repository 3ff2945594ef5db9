//! Stores that are wrong about revisions and the past.

use super::fault::*;
use super::watches::{filtered, is_put};

mutants! {
    fn all(next, client);

    "revision-two-per-write", R1, "A write moves the revision by two."
        Update { key, value } => {
            next.update(&key, &value).await?;
            bump(next).await
        };

    "revision-moved-by-grant", R2, "Granting a lease moves the revision."
        Lease { ttl } => {
            bump(next).await?;
            next.lease(ttl).await
        };

    "revision-moved-by-nothing", R2, "Deleting nothing moves the revision."
        Delete { key } => {
            if next.read(&key).await?.is_none() {
                bump(next).await?;
            }
            next.delete(&key).await
        };

    "revision-moved-by-reads", R2, "Reading moves the revision."
        Read { key } => {
            bump(next).await?;
            next.read(&key).await
        };

    "version-goes-on", R3, "A key's version goes on counting in its next life."
        // The versions that each key's past lives have used up.
        [used: Keys<i64>]
        Delete { key } => {
            if let Some(metadata) = next.metadata(&key).await? {
                *used.lock().unwrap().entry(key.clone()).or_default() += metadata.version;
            }
            next.delete(&key).await
        };
        Metadata { key } => {
            let metadata = next.metadata(&key).await?;
            let used = used.lock().unwrap().get(&key).copied().unwrap_or(0);
            Ok(metadata.map(|metadata| KeyMetadata { version: metadata.version + used, ..metadata }))
        };

    "create-revision-moves", R3, "Every write moves the revision of the first."
        Metadata { key } => Ok(next.metadata(&key).await?.map(|metadata| {
            KeyMetadata { create_revision: metadata.mod_revision, ..metadata }
        }));

    "version-always-one", R3, "A key's version is always one."
        Metadata { key } => {
            Ok(next.metadata(&key).await?.map(|metadata| KeyMetadata { version: 1, ..metadata }))
        };

    "read-at-ignores-revision", R4, "A read at a revision gives the present value."
        ReadAt { key, revision } => {
            next.read_at(&key, revision).await?;
            next.read(&key).await
        };

    "list-at-ignores-revision", R4, "A list at a revision gives the present keys."
        ListAt { prefix, revision, limit } => {
            next.list_at(&prefix, revision, limit).await?;
            next.list_at(&prefix, None, limit).await
        };

    "future-revision-taken", R5, "A revision that is yet to come is taken for the present."
        ReadAt { key, revision } => {
            next.read_at(&key, revision.min(next.revision().await?)).await
        };

    "compacted-reads-nothing", R5, "A read at a compacted revision gives nothing."
        ReadAt { key, revision } => match next.read_at(&key, revision).await {
            value if refuses(&value, ErrorKind::Compacted) => Ok(None),
            value => value,
        };

    "compact-is-a-stub", R5, "Compacting is acknowledged and not done."
        Compact { revision } => match revision > next.revision().await? {
            true => Err(ErrorKind::FutureRevision.into()),
            false => Ok(()),
        };

    "compact-takes-future", R5, "A revision that is yet to come can be compacted."
        Compact { revision } => next.compact(revision.min(next.revision().await?)).await;

    "compact-takes-itself", R6, "Compacting forgets the revision itself."
        Compact { revision } => {
            bump(next).await?;
            next.compact(revision + 1).await
        };

    "compact-takes-the-present", R6, "Compacting deletes keys that were not written since."
        Compact { revision } => {
            for key in next.list(next.base_prefix()).await? {
                let metadata = next.metadata(&key).await?;
                if metadata.is_some_and(|metadata| metadata.mod_revision < revision) {
                    next.delete(&key).await?;
                }
            }
            next.compact(revision).await
        };

    "revision-shared", R7, "Writes under way at once share a revision."
        // The writes under way, and the revisions that were given out for the first of them alone.
        [shared: Mutex<(usize, i64)>]
        Update { key, value } => {
            {
                let mut shared = shared.lock().unwrap();
                shared.0 += 1;
                shared.1 += i64::from(shared.0 > 1);
            }
            tokio::task::yield_now().await;
            let written = next.update(&key, &value).await;
            shared.lock().unwrap().0 -= 1;
            written
        };
        Revision {} => {
            let shared = shared.lock().unwrap().1;
            Ok(next.revision().await? - shared)
        };

    "watch-from-exclusive", W8, "A watch from a revision begins with the one after it."
        WatchFrom { prefix, revision } => next.watch_from(&prefix, revision + 1).await;

    "watch-from-ignored", W8, "A watch from a revision begins now."
        WatchFrom { prefix, revision } => {
            drop(next.watch_from(&prefix, revision).await?);
            next.watch(&prefix).await
        };

    "watch-past-without-deletes", W8, "Deletions of the past are not replayed."
        WatchFrom { prefix, revision } => {
            let now = next.revision().await?;
            Ok(filtered(next.watch_from(&prefix, revision).await?, move |event| {
                is_put(event) || event.mod_revision() > Some(now)
            }))
        };

    "watch-future-begins-now", W8, "A watch from a revision that is yet to come begins now."
        WatchFrom { prefix, revision } => {
            next.watch_from(&prefix, revision.min(next.revision().await? + 1)).await
        };

    "watch-resumes-twice", W5, "A watch that is opened again repeats the event before it."
        // Two back: between the last event and here lies the fence's deletion.
        WatchFrom { prefix, revision } => match next.watch_from(&prefix, revision - 3).await {
            watch if refuses(&watch, ErrorKind::Compacted) => {
                next.watch_from(&prefix, revision).await
            }
            watch => watch,
        };

    "watch-compacted-hangs", W9, "A watch from a compacted revision hangs."
        WatchFrom { prefix, revision } => match next.watch_from(&prefix, revision).await {
            watch if refuses(&watch, ErrorKind::Compacted) => Ok(stream::pending().boxed()),
            watch => watch,
        };

    "watch-compacted-skips", W9, "A watch from a compacted revision silently begins later."
        WatchFrom { prefix, revision } => {
            for revision in revision..=next.revision().await? {
                if let Ok(watch) = next.watch_from(&prefix, revision).await {
                    return Ok(watch);
                }
            }
            next.watch(&prefix).await
        };

    "watch-compacted-edge", W9, "A watch from the compacted revision itself is refused."
        [compacted: Mutex<i64>]
        Compact { revision } => compact(next, compacted, revision).await;
        WatchFrom { prefix, revision } if revision <= *compacted.lock().unwrap() =>
            Err(ErrorKind::Compacted.into());

    "compact-takes-its-delete", W9,
    "Compacting forgets a deletion that happened at the revision itself."
        [compacted: Mutex<i64>]
        Compact { revision } => compact(next, compacted, revision).await;
        WatchFrom { prefix, revision } => {
            let compacted = *compacted.lock().unwrap();
            Ok(filtered(next.watch_from(&prefix, revision).await?, move |event| {
                is_put(event) || event.mod_revision() != Some(compacted)
            }))
        };
}

/// Moves the revision in a place that no scenario looks at.
pub(super) async fn bump(next: &MemoryStore) -> Result<()> {
    next.update(b"/hidden", b"").await
}

/// Compacts, and remembers the revision that was compacted last.
async fn compact(next: &MemoryStore, compacted: &Mutex<i64>, revision: i64) -> Result<()> {
    next.compact(revision).await?;
    *compacted.lock().unwrap() = revision;
    Ok(())
}
