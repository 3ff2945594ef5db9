//! Stores that are wrong about how watches wait, and about what they have to do with each other.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use super::watches::filtered;
use super::{Fault, Mutant, Site, mutant};
use crate::store::{Result, Revisions, Store, WatchEvent, WatchStream};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<NeedsPush>(
            "watch-needs-push",
            "W14",
            "An event is delivered only when the next one comes.",
        ),
        mutant::<Bounded>(
            "watch-drops-when-full",
            "W15",
            "Events beyond a thousand that nobody has read are dropped.",
        ),
        mutant::<BlocksWriters>(
            "watch-blocks-writers",
            "A1",
            "A watch with a thousand unread events keeps every client from writing.",
        ),
        mutant::<SharedQueue>(
            "watch-shared-queue",
            "A1",
            "A watch that nobody reads keeps events from the others.",
        ),
        mutant::<CancelsAll>(
            "watch-cancels-all",
            "A2",
            "Ending one watch ends the others of its client in silence.",
        ),
        mutant::<Zombie>(
            "watch-name-reused",
            "A2",
            "A new watch of a prefix that was watched before begins with what it missed.",
        ),
    ]
}

#[derive(Default)]
struct NeedsPush;

#[async_trait]
impl Fault for NeedsPush {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let mut held: Option<Vec<WatchEvent>> = None;
        let inner = at.store.watch(prefix).await?;
        let pushed = inner.map(move |batch| {
            // A fence goes straight through: only `next` can tell this store from a right one.
            let batch = batch?;
            let is_fence =
                batch.iter().any(|event| event.key().windows(7).any(|window| window == b"~fence-"));
            let before = held.take().unwrap_or_default();
            if is_fence {
                return Ok([before, batch].concat());
            }
            held = Some(batch);
            Ok(before)
        });
        Ok(pushed.boxed())
    }
}

/// Takes events in as they come, into a queue of a thousand.
fn pumped(mut inner: WatchStream) -> WatchStream {
    let (sender, receiver) = mpsc::channel(1000);
    tokio::spawn(async move {
        while let Some(batch) = inner.next().await {
            // What finds no room is lost.
            let _ = sender.try_send(batch);
        }
    });
    ReceiverStream::new(receiver).boxed()
}

#[derive(Default)]
struct Bounded;

#[async_trait]
impl Fault for Bounded {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        Ok(pumped(at.store.watch(prefix).await?))
    }
}

/// The room left in the queue of each open watch.
#[derive(Default)]
struct BlocksWriters(Mutex<Vec<(Vec<u8>, mpsc::Sender<()>)>>);

#[async_trait]
impl Fault for BlocksWriters {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let rooms: Vec<_> = self.0.lock().unwrap().clone();
        for (prefix, room) in rooms {
            if key.starts_with(&prefix) {
                let _ = room.send(()).await;
            }
        }
        at.store.update(key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let (sender, mut receiver) = mpsc::channel(1000);
        self.0.lock().unwrap().push((prefix.to_vec(), sender));
        let inner = at.store.watch(prefix).await?;
        Ok(inner
            .inspect(move |_| {
                let _ = receiver.try_recv();
            })
            .boxed())
    }
}

/// The watches that one thread serves in turn, each with a queue of a thousand.
#[derive(Default)]
struct SharedQueue(Arc<Mutex<Vec<Served>>>, AtomicBool);

/// A watch's prefix, and its queue.
type Served = (Vec<u8>, mpsc::Sender<Result<Vec<WatchEvent>>>);

#[async_trait]
impl Fault for SharedQueue {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let (sender, receiver) = mpsc::channel(1000);
        self.0.lock().unwrap().push((prefix.to_vec(), sender));
        if !self.1.swap(true, Ordering::Relaxed) {
            let (watches, mut inner) = (self.0.clone(), at.store.watch(b"").await?);
            tokio::spawn(async move {
                while let Some(Ok(batch)) = inner.next().await {
                    let all = watches.lock().unwrap().clone();
                    for (prefix, sender) in all {
                        let own = |event: &&WatchEvent| event.key().starts_with(&prefix);
                        let own: Vec<_> = batch.iter().filter(own).cloned().collect();
                        if !own.is_empty() {
                            let _ = sender.send(Ok(own)).await;
                        }
                    }
                }
            });
        }
        Ok(ReceiverStream::new(receiver).boxed())
    }
}

/// Counts, for each client, how many of its watches were ended.
#[derive(Default)]
struct CancelsAll(Arc<Mutex<BTreeMap<usize, usize>>>);

/// Says that it was dropped.
struct Ending(Arc<Mutex<BTreeMap<usize, usize>>>, usize);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.lock().unwrap().entry(self.1).or_default() += 1;
    }
}

#[async_trait]
impl Fault for CancelsAll {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let (ended, client) = (self.0.clone(), at.client);
        let before = ended.lock().unwrap().get(&client).copied().unwrap_or(0);
        let ending = Ending(ended.clone(), client);
        Ok(filtered(at.store.watch(prefix).await?, move |_| {
            let _ = &ending;
            ended.lock().unwrap().get(&client).copied().unwrap_or(0) == before
        }))
    }
}

/// The revision at which each prefix was first watched.
#[derive(Default)]
struct Zombie(Mutex<BTreeMap<Vec<u8>, i64>>);

#[async_trait]
impl Fault for Zombie {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let revision = at.store.revision().await? + 1;
        let first = *self.0.lock().unwrap().entry(prefix.into()).or_insert(revision);
        at.store.watch_from(prefix, first).await
    }
}
