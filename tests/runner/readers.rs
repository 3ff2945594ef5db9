//! A watch has a read pending from its opening on, unless its scenario says otherwise.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{Call, Reply, Result, Store};
use rstest::rstest;

use super::stage::{Stage, Twist};

/// Notes how many reads of watches are pending whenever a key is written.
#[derive(Clone, Default)]
struct Counted {
    pending: Arc<AtomicUsize>,
    at_updates: Arc<Mutex<Vec<usize>>>,
}

/// One read that is pending.
struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Twist for Counted {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::Watch { prefix } => {
                let (inner, count) = (store.watch(&prefix).await?, self.pending.clone());
                let reads = stream::unfold((inner, count), |(mut inner, count)| async move {
                    let pending = Pending::new(&count);
                    let next = inner.next().await?;
                    drop(pending);
                    Some((next, (inner, count)))
                });
                Ok(reads.boxed().into())
            }
            call => {
                if let Call::Update { .. } = call {
                    self.at_updates.lock().unwrap().push(self.pending.load(Ordering::Relaxed));
                }
                call.perform(store).await
            }
        }
    }
}

const SCRIPT: &str = "watch k as=w\nb: watch k as=v\nupdate k 1\nupdate k 2\nunwatch w\nupdate k 3\nnext v\n---\nnext v: put k 1\n";

#[rstest]
#[case::read("", &[2, 2, 1])]
#[case::unread("# unread: for a test\n", &[0, 0, 0])]
fn every_open_watch_has_a_read_pending(#[case] header: &str, #[case] pending: &[usize]) {
    let counted = Counted::default();
    Stage::new(counted.clone()).run(&format!("{header}{SCRIPT}")).passes();
    assert_eq!(*counted.at_updates.lock().unwrap(), pending);
    assert_eq!(counted.pending.load(Ordering::Relaxed), 0, "a read was left pending");
}

/// A watch whose stream panics after its first event.
struct Panics;

#[async_trait]
impl Twist for Panics {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::Watch { prefix } = call else { return call.perform(store).await };
        let first = store.watch(&prefix).await?.take(1);
        Ok(first.chain(stream::once(async { panic!("no second event") })).boxed().into())
    }
}

#[rstest]
#[case::events("events w", "events w: panic: no second event")]
#[case::next("next w\nnext w", "next w: put k v\nnext w: panic: no second event")]
#[case::unwatch("unwatch w", "unwatch w: panic: no second event")]
fn a_panic_of_a_stream_is_an_answer(#[case] commands: &str, #[case] told: &str) {
    let stage = Stage::new(Panics);
    let run = stage.run(&format!("watch k as=w\nupdate k v\n{commands}\n---\nok\n"));
    assert_eq!(run.observed(), [told]);
    assert_eq!(stage.left(), []);
}

#[test]
fn a_panic_of_a_stream_that_nobody_asks_is_not_lost() {
    let stage = Stage::new(Panics);
    let run = stage.run("watch k as=w\nupdate k v\nread k\n---\nread k: v\n");
    assert_eq!(run.errored(), "watch w panicked: no second event");
    assert_eq!(stage.left(), []);
}

/// The client's lock is held by the pending read of a watch until the watch is ended.
#[derive(Default, Clone)]
struct Locks(Arc<tokio::sync::Mutex<()>>);

#[async_trait]
impl Twist for Locks {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::Delete { key } => {
                let _held = self.0.lock().await;
                store.delete(&key).await.map(Reply::from)
            }
            Call::Watch { prefix } => {
                let (inner, lock) = (store.watch(&prefix).await?, self.0.clone());
                let reads = stream::unfold(inner, move |mut inner| {
                    let lock = lock.clone();
                    async move {
                        let _held = lock.lock().await;
                        Some((inner.next().await?, inner))
                    }
                });
                Ok(reads.boxed().into())
            }
            call => call.perform(store).await,
        }
    }
}

#[test]
fn a_read_that_blocks_deletions_does_not_keep_the_case_from_cleaning_up() {
    let stage = Stage::new(Locks::default());
    let run = stage.run("watch k as=w\nupdate k v\ndelete k\n---\nok\n");
    assert_eq!(run.observed(), ["delete k: error: deadline exceeded"]);
    assert_eq!(run.mismatch().notes.len(), 1, "{:?}", run.mismatch().notes);
    assert_eq!(stage.left(), []);
}
