//! Commands that write, read, list and watch keys.

use std::collections::BTreeSet;
use std::time::Duration;

use tokio::time::Instant;

use super::lease::leases;
use super::session::Session;
use super::watches;
use crate::scenario::command::Command;
use crate::scenario::command::watch_name;
use crate::scenario::words::{Bytes, Rev};
use crate::store::{ErrorKind, Result, Store, StoreError};
use crate::transcript::{Answer, KeyCount};

impl Session<'_> {
    pub(super) async fn update_any(
        &mut self,
        store: &dyn Store,
        command: &Command,
    ) -> Result<Answer> {
        let Command::Update { key, value, ttl, lease, bare } = command else {
            unreachable!("only an update is dispatched here")
        };
        match (ttl, lease) {
            _ if *bare => self.update_bare(store, &value.0).await,
            (Some(ttl), _) => self.update_with_ttl(store, key, value, ttl.0).await,
            (None, Some(lease)) => self.update_with_lease(store, key, value, lease).await,
            (None, None) => self.update(store, key, value).await,
        }
    }

    async fn update(&mut self, store: &dyn Store, key: &Bytes, value: &Bytes) -> Result<Answer> {
        let whole = self.touch(&key.0);
        self.clients.call(store.update(&whole, &value.0)).await?;
        self.ties.untie(&key.0);
        Ok(Answer::Done)
    }

    /// Writes the empty key, unless somebody has one: it lies outside the case's prefix.
    async fn update_bare(&mut self, store: &dyn Store, value: &[u8]) -> Result<Answer> {
        if let Ok(Some(_)) = self.clients.call(store.read(b"")).await {
            let message = "the empty key has a value already, which is not kvspec's";
            return Err(StoreError::new(ErrorKind::KeyExists, message));
        }
        // Noted before the call, which may be cut short after it was done.
        self.traces.keys.insert(Vec::new());
        let written = self.clients.call(store.update(b"", value)).await;
        if written.as_ref().is_err_and(|error| error.kind == ErrorKind::EmptyKey) {
            self.traces.keys.remove(b"".as_slice());
        }
        written.map(|()| Answer::Done)
    }

    async fn update_with_ttl(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        value: &Bytes,
        asked: Duration,
    ) -> Result<Answer> {
        let whole = self.touch(&key.0);
        let before = Instant::now();
        let granted = self.clients.call(store.update_with_ttl(&whole, &value.0, asked)).await?;
        self.ties.own(&key.0, granted, before);
        Ok(Answer::Granted { asked, granted })
    }

    async fn update_with_lease(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        value: &Bytes,
        lease: &str,
    ) -> Result<Answer> {
        let whole = self.touch(&key.0);
        let id = self.lease_id(lease);
        self.clients.call(leases(store)?.update_with_lease(&whole, &value.0, id)).await?;
        self.ties.tie_to_lease(&key.0, lease);
        Ok(Answer::Done)
    }

    pub(super) async fn delete(&mut self, store: &dyn Store, key: &Bytes) -> Result<Answer> {
        let whole = self.clients.whole(&key.0);
        self.clients.call(store.delete(&whole)).await?;
        self.ties.untie(&key.0);
        Ok(Answer::Done)
    }

    pub(super) async fn read(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        at: Option<&Rev>,
    ) -> Result<Answer> {
        if let Some(at) = at {
            return self.read_at(store, key, at).await;
        }
        let whole = self.clients.whole(&key.0);
        self.clients.call(store.read(&whole)).await.map(Answer::Value)
    }

    pub(super) async fn list_any(
        &mut self,
        store: &dyn Store,
        command: &Command,
    ) -> Result<Answer> {
        let Command::List { prefix, at, limit, count } = command else {
            unreachable!("only a list is dispatched here")
        };
        let whole = self.clients.whole(&prefix.0);
        if at.is_some() || limit.is_some() {
            return self.list_at(store, &whole, at.as_ref(), *limit).await;
        }
        let keys = self.clients.call(store.list(&whole)).await?;
        let keys: Vec<_> = keys.iter().map(|key| self.clients.own(key)).collect();
        Ok(if *count { Answer::KeyCount(counted(keys)) } else { Answer::Keys(keys) })
    }

    pub(super) async fn watch(
        &mut self,
        store: &dyn Store,
        prefix: &Bytes,
        name: &Option<String>,
        from: Option<&Rev>,
    ) -> Result<Answer> {
        let from = from.map(|from| self.marks.revision(from)).transpose()?;
        self.watches.open(&mut self.clients, store, watch_name(name), &prefix.0, from).await?;
        Ok(Answer::Done)
    }

    pub(super) async fn events(
        &mut self,
        store: &dyn Store,
        watch: &str,
        count: bool,
        since: Option<&str>,
    ) -> Result<Answer> {
        let since = since.map(|mark| self.marks.get(mark)).transpose()?;
        let mut events = self.watches.events(&mut self.clients, store, watch).await;
        events.since = since;
        Ok(if count { watches::count(events) } else { Answer::Events(events) })
    }
}

fn counted(keys: Vec<Vec<u8>>) -> KeyCount {
    let ascending = keys.windows(2).all(|pair| pair[0] <= pair[1]);
    let all = keys.len();
    let distinct = keys.into_iter().collect::<BTreeSet<_>>().len();
    KeyCount { keys: all, repeated: all - distinct, ascending }
}
