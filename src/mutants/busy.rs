//! Stores that are wrong when a watch is read while others call.

use std::collections::VecDeque;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use futures_util::FutureExt;
use tokio::sync::Mutex as Lock;
use tokio::task::yield_now;

use super::fault::*;
use super::watches::filtered;

mutants! {
    fn all(next, client);

    "pending-read-locks-updates", A1,
    "A watch whose read is pending holds the lock that an update needs."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "update").await;

    "pending-read-delays-updates", A1,
    "A watch whose read is pending holds the lock that an update needs, for 300 ms at a time."
        [lock: ReadLock]
        Update { key, value } => {
            let _held = lock.lock().await;
            next.update(&key, &value).await
        };
        Watch { prefix } => {
            let (inner, lock) = (next.watch(&prefix).await?, lock.clone());
            Ok(stream::unfold((inner, lock), |(mut inner, lock)| async move {
                loop {
                    let held = lock.lock().await;
                    if let Ok(batch) = tokio::time::timeout(HELD, inner.next()).await {
                        drop(held);
                        return Some((batch?, (inner, lock)));
                    }
                }
            }).boxed())
        };

    "pending-read-locks-leases", A1,
    "A watch whose read is pending holds the lock that granting a lease needs."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "lease").await;

    "pending-read-locks-txns", A1,
    "A watch whose read is pending holds the lock that a transaction needs."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "txn").await;

    "pending-read-locks-history", A1,
    "A watch whose read is pending holds the lock that reading the past needs."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "read_at").await;

    "pending-read-locks-watches", A1,
    "While the read of a watch is pending no other watch can be opened."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "watch").await;

    "pending-read-locks-close", A1,
    "While the read of a watch is pending no client can be closed."
        [lock: ReadLock]
        any(call) => locked(next, call, lock, "close").await;

    "watch-swaps-between-steps", W1,
    "An event that comes between the two steps of a read is given before the one that was being read."
        Watch { prefix } => Ok(in_two_steps(next.watch(&prefix).await?, |first, second| {
            second.into_iter().chain(first).collect()
        }));

    "watch-repeats-between-steps", W2,
    "If an event comes between the two steps of a read, what was being read is given twice."
        Watch { prefix } => Ok(in_two_steps(next.watch(&prefix).await?, |first, second| {
            let again = if second.is_empty() { Batches::new() } else { first.clone() };
            first.into_iter().chain(again).chain(second).collect()
        }));

    "watch-loses-between-steps", W3, "An event that comes between the two steps of a read is lost."
        Watch { prefix } => Ok(in_two_steps(next.watch(&prefix).await?, |first, _| first));

    "handover-loses", W8, "Writes that happen while a watch from a revision replays the past are lost."
        WatchFrom { prefix, revision } => {
            let past = ready(&mut next.watch_from(&prefix, revision).await?);
            let next = next.clone();
            let live = async move {
                yield_now().await;
                next.watch(&prefix).await.unwrap_or_else(|error| stream::iter([Err(error)]).boxed())
            };
            Ok(stream::iter(past).chain(stream::once(live).flatten()).boxed())
        };

    "handover-repeats", W5,
    "Writes that happen while a watch from a revision is being opened are delivered twice."
        WatchFrom { prefix, revision } => {
            let live = next.watch(&prefix).await?;
            yield_now().await;
            let past = ready(&mut next.watch_from(&prefix, revision).await?);
            Ok(stream::iter(past).chain(live).boxed())
        };

    "compaction-takes-unread", W17,
    "A compaction drops unread events of an open watch."
        [compacted: Arc<AtomicI64>]
        Compact { revision } => {
            next.compact(revision).await?;
            compacted.store(revision, Ordering::Relaxed);
            Ok(())
        };
        Watch { prefix } => {
            let compacted = compacted.clone();
            Ok(filtered(next.watch(&prefix).await?, move |event| {
                event.mod_revision() >= Some(compacted.load(Ordering::Relaxed))
            }))
        };

    "refused-fails-others", C5,
    "Writes that come at once are one commit, which fails if one of them is refused."
        [commits: Mutex<Arc<Commit>>]
        Update { key, value } => {
            commit(commits, next.update(&key, &value), key.is_empty()).await
        };
        UpdateWithLease { key, value, lease } => {
            let is_refused = next.time_to_live(lease).await.is_err();
            commit(commits, next.update_with_lease(&key, &value, lease), is_refused).await
        };
}

/// A lock that a watch holds as long as its read is pending.
type ReadLock = Arc<Lock<()>>;

/// Makes a call; every watch then holds the lock while its read is pending, and calls of the method need it.
async fn locked(next: &MemoryStore, call: Call, lock: &ReadLock, method: &str) -> Result<Reply> {
    let is_watch = matches!(call, Call::Watch { .. });
    let held = if call.method() == method { Some(lock.lock().await) } else { None };
    let reply = call.perform(next).await?;
    drop(held);
    if !is_watch {
        return Ok(reply);
    }
    let (inner, lock) = (WatchStream::try_from(reply)?, lock.clone());
    let read = stream::unfold((inner, lock), |(mut inner, lock)| async move {
        let held = lock.lock().await;
        let batch = inner.next().await?;
        drop(held);
        Some((batch, (inner, lock)))
    });
    Ok(read.boxed().into())
}

/// How long a read holds its lock before it lets others have their turn.
const HELD: Duration = Duration::from_millis(300);

/// What a watch gives at once.
type Batches = VecDeque<Result<WatchBatch>>;

/// Everything that a watch has ready.
fn ready(inner: &mut WatchStream) -> Batches {
    std::iter::from_fn(|| inner.next().now_or_never().flatten()).collect()
}

/// Reads a watch in two steps: what is ready, and what comes before the second step; `join` makes one of both.
fn in_two_steps(inner: WatchStream, join: fn(Batches, Batches) -> Batches) -> WatchStream {
    let steps = stream::unfold(inner, move |mut inner| async move {
        let mut first = Batches::from([inner.next().await?]);
        first.extend(ready(&mut inner));
        yield_now().await;
        let second = ready(&mut inner);
        Some((stream::iter(join(first, second)), inner))
    });
    steps.flatten().boxed()
}

/// Writes that are committed together.
#[derive(Default)]
struct Commit {
    is_full: AtomicBool,
    refused: OnceLock<ErrorKind>,
}

/// Makes a write a part of the commit that comes next.
async fn commit(
    commits: &Mutex<Arc<Commit>>,
    write: impl Future<Output = Result<()>>,
    is_refused: bool,
) -> Result<()> {
    let commit = {
        let mut next = commits.lock().unwrap();
        if next.is_full.load(Ordering::Relaxed) {
            *next = Arc::default();
        }
        next.clone()
    };
    yield_now().await;
    if is_refused {
        let refused = write.await;
        let _ = refused.as_ref().map_err(|error| commit.refused.set(error.kind));
        return refused;
    }
    commit.is_full.store(true, Ordering::Relaxed);
    yield_now().await;
    match commit.refused.get() {
        Some(kind) => Err((*kind).into()),
        None => write.await,
    }
}
