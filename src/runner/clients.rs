//! The clients of a case: opened when a script first names them, each call under a deadline.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Instance;
use crate::store::{ErrorKind, Result, Store, StoreError};

/// How long a call may take after one call of the same case has used up its whole deadline: a store that hangs is told
/// apart by the first, and need not hold up the suite with the rest.
const SHORT_DEADLINE: Duration = Duration::from_secs(1);

/// How long a store that failed to answer has to say that it is there.
const PING_DEADLINE: Duration = Duration::from_secs(3);

/// How long all clients together may take to close.
const CLOSING: Duration = Duration::from_millis(500);

/// The most that one look at the clock takes off a deadline.
const SLICE: Duration = Duration::from_millis(250);

/// The clients of one case, and the prefix that its keys lie under.
pub(super) struct Clients<'a> {
    instance: &'a dyn Instance,
    open: BTreeMap<Option<String>, Arc<dyn Store>>,
    pub prefix: Vec<u8>,
    pub deadline: Duration,
}

impl<'a> Clients<'a> {
    /// Opens the first client, whose base prefix the case's own random prefix is made from.
    pub async fn open_first(instance: &'a dyn Instance, deadline: Duration) -> Result<Self> {
        let mut clients = Self { instance, open: BTreeMap::new(), prefix: Vec::new(), deadline };
        let first = clients.get(None).await?;
        if first.base_prefix().is_empty() {
            let message = "its base prefix is empty, and kvspec writes only below one";
            return Err(StoreError::new(ErrorKind::InvalidArgument, message));
        }
        clients.prefix =
            [first.base_prefix(), format!("run-{:016x}/", random()).as_bytes()].concat();
        Ok(clients)
    }

    /// The client of that name, opened now if it was not before.
    pub async fn get(&mut self, name: Option<&str>) -> Result<Arc<dyn Store>> {
        let name = name.map(str::to_string);
        if let Some(store) = self.open.get(&name) {
            return Ok(store.clone());
        }
        let store: Arc<dyn Store> = self.fresh().await?.into();
        self.open.insert(name, store.clone());
        Ok(store)
    }

    /// One more client that no script can name.
    pub async fn fresh(&self) -> Result<Box<dyn Store>> {
        within(self.deadline, self.instance.open()).await.unwrap_or_else(|| Err(late("open")))
    }

    /// The whole key that a script's key stands for.
    pub fn whole(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// The script's key that a store's key stands for; one from outside the prefix is marked as such.
    pub fn own(&self, key: &[u8]) -> Vec<u8> {
        match key.strip_prefix(self.prefix.as_slice()) {
            Some(own) => own.to_vec(),
            None => [b"outside:", key].concat(),
        }
    }

    /// Waits for a call, no longer than the deadline.
    pub async fn call<T>(&mut self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.call_later(Duration::ZERO, call).await
    }

    /// Waits for a call whose answer may have to wait for something else first, for no longer than `patience`.
    pub async fn call_later<T>(
        &mut self,
        patience: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let limit = self.deadline + patience;
        match within(limit, call).await {
            Some(answer) => answer,
            None => {
                self.deadline = self.deadline.min(SHORT_DEADLINE);
                Err(late_after(limit))
            }
        }
    }

    /// Asks, after a call that got no answer, whether the store is still there; the reason where it is not.
    pub async fn lost(&self) -> Option<String> {
        match within(PING_DEADLINE, self.instance.ping()).await {
            Some(Ok(())) => None,
            Some(Err(error)) => Some(error.message),
            None => Some(format!("it did not answer a ping within {PING_DEADLINE:?}")),
        }
    }

    /// Closes every client that is open, whatever they say to it.
    pub async fn close_all(&mut self) {
        let open = std::mem::take(&mut self.open);
        let closing = open.values().map(|store| close(store.as_ref()));
        futures_util::future::join_all(closing).await;
    }
}

/// Closes a client, whatever it says to it and however long it would take.
pub(super) async fn close(store: &dyn Store) {
    let _ = within(CLOSING, store.close()).await;
}

/// Waits for `future`, no longer than `limit`; `None` where it is not done by then.
///
/// Time in which this process itself stood still is not held against the other side: it counts as one slice at most, and
/// an answer that came meanwhile is taken.
pub(super) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = limit;
    loop {
        let slice = left.min(SLICE);
        if let Ok(output) = tokio::time::timeout(slice, &mut future).await {
            return Some(output);
        }
        left -= slice;
        if left.is_zero() {
            return None;
        }
    }
}

fn late(what: &str) -> StoreError {
    StoreError::new(ErrorKind::DeadlineExceeded, format!("{what} did not end in time"))
}

fn late_after(deadline: Duration) -> StoreError {
    StoreError::new(ErrorKind::DeadlineExceeded, format!("no answer within {deadline:?}"))
}

/// A number that no other run will draw.
pub(super) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
