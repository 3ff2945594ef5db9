//! A small store in memory, with times to live and watches, that passes the suite.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use kvspec::store::{ErrorKind, Result, Store, WatchBatch, WatchEvent, WatchStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_stream::wrappers::UnboundedReceiverStream;

/// The largest value that the store takes, in bytes.
const MAX_VALUE: usize = 1536 * 1024;
/// The longest time to live that it grants.
const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One client of the store.
#[derive(Default)]
pub struct Toy {
    data: Arc<Mutex<Data>>,
    is_closed: Arc<AtomicBool>,
}

#[derive(Default)]
struct Data {
    keys: BTreeMap<Vec<u8>, Entry>,
    writes: u64,
    watchers: Vec<Watcher>,
}

struct Entry {
    value: Vec<u8>,
    /// The number of the write that made it: a time to live ends that write's entry and no later one.
    write: u64,
}

struct Watcher {
    prefix: Vec<u8>,
    events: UnboundedSender<Result<WatchBatch>>,
    /// Of the client that it belongs to.
    is_closed: Arc<AtomicBool>,
}

impl Toy {
    /// Another client of the same store.
    pub fn client(&self) -> Self {
        Self { data: self.data.clone(), is_closed: Arc::default() }
    }

    fn data(&self) -> Result<MutexGuard<'_, Data>> {
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(ErrorKind::Closed.into()),
            false => Ok(self.data.lock().expect("no holder of the lock panics")),
        }
    }
}

impl Data {
    fn put(&mut self, key: &[u8], value: &[u8]) -> Result<u64> {
        if key.is_empty() {
            return Err(ErrorKind::EmptyKey.into());
        }
        if value.len() > MAX_VALUE {
            return Err(ErrorKind::TooLarge.into());
        }
        self.writes += 1;
        self.keys.insert(key.to_vec(), Entry { value: value.to_vec(), write: self.writes });
        self.publish(WatchEvent::put(key, value));
        Ok(self.writes)
    }

    fn delete(&mut self, key: &[u8]) {
        if self.keys.remove(key).is_some() {
            self.publish(WatchEvent::delete(key));
        }
    }

    /// Tells whoever watches the key, and forgets those that do not listen any more.
    fn publish(&mut self, event: WatchEvent) {
        self.watchers.retain(|watcher| {
            !event.key().starts_with(&watcher.prefix)
                || watcher.events.send(Ok(event.clone().into())).is_ok()
        });
    }
}

#[async_trait]
impl Store for Toy {
    fn base_prefix(&self) -> &[u8] {
        b"/toy/"
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.data()?.put(key, value).map(drop)
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let write = {
            let mut data = self.data()?;
            if ttl > MAX_TTL {
                return Err(ErrorKind::TtlTooLarge.into());
            }
            data.put(key, value)?
        };
        let (data, key) = (self.data.clone(), key.to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(ttl).await;
            let mut data = data.lock().expect("no holder of the lock panics");
            if data.keys.get(&key).is_some_and(|entry| entry.write == write) {
                data.delete(&key);
            }
        });
        Ok(ttl)
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        self.data()?.delete(key);
        Ok(())
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(self.data()?.keys.get(key).map(|entry| entry.value.clone()))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let data = self.data()?;
        let from = data.keys.range(prefix.to_vec()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        let (events, receiver) = unbounded_channel();
        let (prefix, is_closed) = (prefix.to_vec(), self.is_closed.clone());
        self.data()?.watchers.push(Watcher { prefix, events, is_closed });
        Ok(Box::pin(UnboundedReceiverStream::new(receiver)))
    }

    async fn close(&self) -> Result<()> {
        let Ok(mut data) = self.data() else { return Ok(()) };
        self.is_closed.store(true, Ordering::Release);
        data.watchers.retain(|watcher| {
            let is_mine = Arc::ptr_eq(&watcher.is_closed, &self.is_closed);
            if is_mine {
                let _ = watcher.events.send(Err(ErrorKind::Closed.into()));
            }
            !is_mine
        });
        Ok(())
    }
}
