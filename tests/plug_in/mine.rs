//! A store of some hundred lines with an interface of its own, which README.md's plug-in text adapts.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

const MAX_VALUE: usize = 1536 * 1024;
const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// One client of the store.
#[derive(Default)]
pub struct Mine {
    data: Arc<Mutex<Data>>,
    is_closed: Arc<AtomicBool>,
}

/// A change, as subscribers receive it: the key and its new value, or none where it was removed.
pub type Change = (Vec<u8>, Option<Vec<u8>>);

/// Why a call was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Error {
    Closed,
    NoKey,
    TooLarge,
    TooLong,
}

#[derive(Default)]
struct Data {
    keys: BTreeMap<Vec<u8>, (Vec<u8>, u64)>,
    writes: u64,
    subscribers: Vec<(Vec<u8>, Arc<AtomicBool>, UnboundedSender<Change>)>,
}

impl Data {
    fn publish(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.subscribers.retain(|(prefix, _, changes)| {
            !key.starts_with(prefix)
                || changes.send((key.to_vec(), value.map(<[u8]>::to_vec))).is_ok()
        });
    }

    fn remove(&mut self, key: &[u8]) {
        if self.keys.remove(key).is_some() {
            self.publish(key, None);
        }
    }
}

impl Mine {
    pub fn new() -> Self {
        Self::default()
    }

    /// Another client of the same store.
    pub fn client(&self) -> Self {
        Self { data: self.data.clone(), is_closed: Arc::default() }
    }

    fn data(&self) -> Result<MutexGuard<'_, Data>, Error> {
        match self.is_closed.load(Ordering::Acquire) {
            true => Err(Error::Closed),
            false => Ok(self.data.lock().unwrap()),
        }
    }

    pub async fn set(&self, key: &[u8], value: &[u8], ttl: Option<Duration>) -> Result<(), Error> {
        let mut data = self.data()?;
        if key.is_empty() {
            return Err(Error::NoKey);
        }
        if value.len() > MAX_VALUE {
            return Err(Error::TooLarge);
        }
        if ttl.is_some_and(|ttl| ttl > MAX_TTL) {
            return Err(Error::TooLong);
        }
        data.writes += 1;
        let write = data.writes;
        data.keys.insert(key.to_vec(), (value.to_vec(), write));
        data.publish(key, Some(value));
        if let Some(ttl) = ttl {
            let (data, key) = (self.data.clone(), key.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(ttl).await;
                let mut data = data.lock().unwrap();
                if data.keys.get(&key).is_some_and(|(_, latest)| *latest == write) {
                    data.remove(&key);
                }
            });
        }
        Ok(())
    }

    pub async fn remove(&self, key: &[u8]) -> Result<(), Error> {
        self.data()?.remove(key);
        Ok(())
    }

    pub async fn get(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.data()?.keys.get(key).map(|(value, _)| value.clone()))
    }

    pub async fn keys(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>, Error> {
        let data = self.data()?;
        let from = data.keys.range(prefix.to_vec()..).map(|(key, _)| key);
        Ok(from.take_while(|key| key.starts_with(prefix)).cloned().collect())
    }

    /// Every change below `prefix` from now on, until the client is closed.
    pub async fn subscribe(&self, prefix: &[u8]) -> Result<UnboundedReceiver<Change>, Error> {
        let (sender, receiver) = unbounded_channel();
        self.data()?.subscribers.push((prefix.to_vec(), self.is_closed.clone(), sender));
        Ok(receiver)
    }

    pub fn close(&self) {
        self.is_closed.store(true, Ordering::Release);
        let mut data = self.data.lock().unwrap();
        data.subscribers.retain(|(_, client, _)| !Arc::ptr_eq(client, &self.is_closed));
    }
}
