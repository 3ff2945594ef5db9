//! Stores that are wrong about clients: what they share, what they block, and how they end.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use tokio::sync::OwnedMutexGuard;

use super::{Fault, Mutant, Site, mutant};
use crate::backend::memory::MemoryStore;
use crate::store::{ErrorKind, Result, Store, WatchEvent, WatchStream};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<OwnKeys>(
            "clients-have-own-keys",
            "C1",
            "Every client has a key space of its own.",
        ),
        mutant::<KeysGoWithClient>(
            "keys-go-with-client",
            "C1",
            "Closing a client deletes the keys that it wrote.",
        ),
        mutant::<LostInsert>(
            "concurrent-writes-lost",
            "C2",
            "Of two writes under way at once one is lost.",
        ),
        mutant::<StaleReplica>(
            "reads-from-replica",
            "C3",
            "A client may read the value before the last from a replica.",
        ),
        mutant::<WatchLocks>(
            "watch-holds-lock",
            "A1",
            "An open watch holds the lock that a write needs.",
        ),
        mutant::<LocksCross>(
            "locks-cross",
            "A1",
            "Writes and watches take two locks in opposite order.",
        ),
        mutant::<LocksDelivery>(
            "delivery-holds-lock",
            "A1",
            "The lock is held from an event until the next is asked for.",
        ),
        mutant::<OneWatch>(
            "second-watch-replaces",
            "A1",
            "A second watch of a client silences its first.",
        ),
        mutant::<CloseIgnored>(
            "close-does-nothing",
            "A3",
            "A closed client goes on as if nothing had happened.",
        ),
        mutant::<CloseTwiceFails>("close-twice-fails", "A3", "Closing a client again is an error."),
        mutant::<ClosedWatchPanics>(
            "closed-watch-panics",
            "A3",
            "Opening a watch on a closed client panics.",
        ),
        mutant::<ClosedReadsNothing>(
            "closed-reads-nothing",
            "A3",
            "A closed client reads every key as missing.",
        ),
        mutant::<WatchOutlivesClose>(
            "watch-hangs-after-close",
            "A4",
            "The watch of a closed client hangs for ever.",
        ),
        mutant::<CloseEndsAll>(
            "close-ends-all-watches",
            "A4",
            "Closing a client ends the watches of all.",
        ),
    ]
}

#[derive(Default)]
struct OwnKeys;

#[async_trait]
impl Fault for OwnKeys {
    fn open(&self, _: &MemoryStore) -> MemoryStore {
        MemoryStore::new()
    }
}

#[derive(Default)]
struct KeysGoWithClient(Mutex<BTreeMap<Vec<u8>, usize>>);

#[async_trait]
impl Fault for KeysGoWithClient {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, value).await?;
        self.0.lock().unwrap().insert(key.into(), at.client);
        Ok(())
    }
    async fn close(&self, at: &Site) -> Result<()> {
        let keys = self.0.lock().unwrap().clone();
        for (key, _) in keys.into_iter().filter(|(_, client)| *client == at.client) {
            let _ = at.store.delete(&key).await;
        }
        at.store.close().await
    }
}

#[derive(Default)]
struct LostInsert(AtomicUsize);

#[async_trait]
impl Fault for LostInsert {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let others = self.0.fetch_add(1, Ordering::Relaxed);
        tokio::task::yield_now().await;
        let written = if others == 0 { at.store.update(key, value).await } else { Ok(()) };
        self.0.fetch_sub(1, Ordering::Relaxed);
        written
    }
}

/// The value that each key had before its last write, and whether somebody still may see it.
#[derive(Default)]
struct StaleReplica(Mutex<BTreeMap<Vec<u8>, Stale>>);

/// Who wrote a key last, and the value before.
type Stale = (usize, Option<Vec<u8>>);

#[async_trait]
impl Fault for StaleReplica {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let before = at.store.read(key).await?;
        at.store.update(key, value).await?;
        self.0.lock().unwrap().insert(key.into(), (at.client, before));
        Ok(())
    }
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let now = at.store.read(key).await?;
        let mut old = self.0.lock().unwrap();
        match old.get(key) {
            Some((writer, _)) if *writer != at.client => {
                Ok(old.remove(key).and_then(|(_, before)| before))
            }
            _ => Ok(now),
        }
    }
}

#[derive(Default)]
struct WatchLocks(Arc<tokio::sync::Mutex<()>>);

#[async_trait]
impl Fault for WatchLocks {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let _held = self.0.lock().await;
        at.store.update(key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let held = self.0.clone().lock_owned().await;
        let inner = at.store.watch(prefix).await?;
        Ok(inner.map(move |batch| (&held, batch).1).boxed())
    }
}

#[derive(Default)]
struct LocksCross(tokio::sync::Mutex<()>, tokio::sync::Mutex<()>);

#[async_trait]
impl Fault for LocksCross {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let _first = self.0.lock().await;
        tokio::task::yield_now().await;
        let _second = self.1.lock().await;
        at.store.update(key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let _second = self.1.lock().await;
        tokio::task::yield_now().await;
        let _first = self.0.lock().await;
        at.store.watch(prefix).await
    }
}

#[derive(Default)]
struct LocksDelivery(Arc<tokio::sync::Mutex<()>>);

#[async_trait]
impl Fault for LocksDelivery {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let _held = self.0.lock().await;
        at.store.read(key).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let lock = self.0.clone();
        let inner = at.store.watch(prefix).await?;
        let locked = stream::unfold((inner, None), move |(mut inner, held)| {
            let lock = lock.clone();
            async move {
                drop::<Option<OwnedMutexGuard<()>>>(held);
                let batch = inner.next().await?;
                Some((batch, (inner, Some(lock.lock_owned().await))))
            }
        });
        Ok(locked.boxed())
    }
}

/// How many watches each client has opened.
#[derive(Default)]
struct OneWatch(Arc<Mutex<BTreeMap<usize, usize>>>);

#[async_trait]
impl Fault for OneWatch {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let (watches, client) = (self.0.clone(), at.client);
        let own = {
            let mut watches = watches.lock().unwrap();
            let count = watches.entry(client).or_default();
            *count += 1;
            *count
        };
        let inner = at.store.watch(prefix).await?;
        let silenced = move |batch: Result<Vec<WatchEvent>>| {
            let is_last = watches.lock().unwrap().get(&client) == Some(&own);
            if is_last { batch } else { Ok(Vec::new()) }
        };
        Ok(inner.map(silenced).boxed())
    }
}

#[derive(Default)]
struct CloseIgnored;

#[async_trait]
impl Fault for CloseIgnored {
    async fn close(&self, _: &Site) -> Result<()> {
        Ok(())
    }
}

#[derive(Default)]
struct CloseTwiceFails;

#[async_trait]
impl Fault for CloseTwiceFails {
    async fn close(&self, at: &Site) -> Result<()> {
        at.store.read(b"any").await?;
        at.store.close().await
    }
}

#[derive(Default)]
struct ClosedWatchPanics;

#[async_trait]
impl Fault for ClosedWatchPanics {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        match at.store.watch(prefix).await {
            Err(error) if error.kind == ErrorKind::Closed => panic!("use of closed client"),
            watch => watch,
        }
    }
}

#[derive(Default)]
struct ClosedReadsNothing;

#[async_trait]
impl Fault for ClosedReadsNothing {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match at.store.read(key).await {
            Err(error) if error.kind == ErrorKind::Closed => Ok(None),
            value => value,
        }
    }
}

#[derive(Default)]
struct WatchOutlivesClose;

#[async_trait]
impl Fault for WatchOutlivesClose {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let inner = at.store.watch(prefix).await?;
        let alive = inner.take_while(|batch| std::future::ready(batch.is_ok()));
        Ok(alive.chain(stream::pending()).boxed())
    }
}

/// Whether any client was closed.
#[derive(Default)]
struct CloseEndsAll(Arc<AtomicBool>);

#[async_trait]
impl Fault for CloseEndsAll {
    async fn close(&self, at: &Site) -> Result<()> {
        self.0.store(true, Ordering::Relaxed);
        at.store.close().await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let closed = self.0.clone();
        let inner = at.store.watch(prefix).await?;
        let ended = move |batch| {
            if closed.load(Ordering::Relaxed) { Err(ErrorKind::Closed.into()) } else { batch }
        };
        Ok(inner.map(ended).boxed())
    }
}
