//! The clients of a case: opened when a script first names them, each call under a deadline.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use crate::backend::Instance;
use crate::store::{ErrorKind, Result, Store, StoreError};

/// How long a call may take after one call of the same case has used up its whole deadline: a store that hangs is told
/// apart by the first, and need not hold up the suite with the rest.
const SHORT_DEADLINE: Duration = Duration::from_secs(1);

/// How long a store that failed to answer has to say that it is there.
const PING_DEADLINE: Duration = Duration::from_secs(3);

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
        tokio::time::timeout(self.deadline, self.instance.open())
            .await
            .unwrap_or_else(|_| Err(late("open")))
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
        match tokio::time::timeout(self.deadline, call).await {
            Ok(answer) => answer,
            Err(_) => {
                let error = late_after(self.deadline);
                self.deadline = self.deadline.min(SHORT_DEADLINE);
                Err(error)
            }
        }
    }

    /// Asks, after a call that got no answer, whether the store is still there; the reason where it is not.
    pub async fn lost(&self) -> Option<String> {
        match tokio::time::timeout(PING_DEADLINE, self.instance.ping()).await {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.message),
            Err(_) => Some(format!("it did not answer a ping within {PING_DEADLINE:?}")),
        }
    }

    /// Closes every client that is open, whatever they say to it.
    pub async fn close_all(&mut self) {
        for store in std::mem::take(&mut self.open).into_values() {
            let _ = self.call(store.close()).await;
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
