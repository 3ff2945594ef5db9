//! What each command asks of the store, one function a command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Settings;
use super::cleanup::Traces;
use super::clients::Clients;
use super::expiry::{self, Held, Hold, Pace, Tie, Ties};
use super::fill::{self, Fill, Running};
use super::watches::{self, Watches};
use crate::backend::{Backend, Instance};
use crate::scenario::command::Command;
use crate::scenario::script::watch_name;
use crate::scenario::words::Bytes;
use crate::store::{ErrorKind, LeaseId, Leases, Result, Store, StoreError};
use crate::transcript::{Answer, KeyCount, Left};

/// One run of a scenario: its clients, watches and times to live, and what it wrote.
pub(super) struct Session<'a> {
    pub clients: Clients<'a>,
    watches: Watches,
    ties: Ties,
    pace: Pace,
    fills: BTreeMap<String, Running>,
    traces: Traces,
}

impl<'a> Session<'a> {
    /// Opens the first client, and with it the case's own prefix.
    pub async fn open(
        instance: &'a dyn Instance,
        backend: &dyn Backend,
        settings: &Settings,
    ) -> std::result::Result<Self, String> {
        let name = backend.name();
        let opened = Clients::open_first(instance, settings.deadline).await;
        let clients =
            opened.map_err(|error| format!("no client of {name} could be opened: {error}"))?;
        Ok(Self {
            clients,
            watches: Watches::new(),
            ties: Ties::default(),
            pace: Pace::new(backend.clock(), backend.limits().expiry_lag),
            fills: BTreeMap::new(),
            traces: Traces::default(),
        })
    }

    /// Runs one command, and gives what was seen; an error of the store is an answer like any other.
    pub async fn perform(&mut self, command: &Command, client: Option<&str>) -> Answer {
        let answer = match self.clients.get(client).await {
            Ok(store) => self.perform_on(command, store).await,
            Err(error) => Err(error),
        };
        answer.unwrap_or_else(Answer::Error)
    }

    async fn perform_on(&mut self, command: &Command, store: Arc<dyn Store>) -> Result<Answer> {
        let store_ref = store.as_ref();
        match command {
            Command::Update { key, value, ttl: None, lease: None, bare } => {
                self.update(store_ref, key, value, *bare).await
            }
            Command::Update { key, value, ttl: Some(ttl), .. } => {
                self.update_with_ttl(store_ref, key, value, ttl.0).await
            }
            Command::Update { key, value, lease: Some(lease), .. } => {
                self.update_with_lease(store_ref, key, value, lease).await
            }
            Command::Delete { key } => self.delete(store_ref, key).await,
            Command::Read { key } => {
                let whole = self.clients.whole(&key.0);
                self.clients.call(store.read(&whole)).await.map(Answer::Value)
            }
            Command::List { prefix, count } => self.list(store_ref, prefix, *count).await,
            Command::Watch { prefix, name } => {
                let name = watch_name(name);
                self.watches
                    .open(&mut self.clients, store_ref, name, &prefix.0)
                    .await
                    .map(|()| Answer::Done)
            }
            Command::Next { watch } => {
                let is_seen = |key: &[u8]| self.watches.sees(&self.clients, watch, key);
                let patience = self.ties.until_first_end(self.pace.lag, is_seen);
                let event = self.watches.next(&mut self.clients, watch, patience).await?;
                Ok(Answer::Events(vec![event], None))
            }
            Command::Events { watch, count } => {
                let (events, error) =
                    self.watches.events(&mut self.clients, store_ref, watch).await;
                Ok(if *count {
                    watches::count(events, error)
                } else {
                    Answer::Events(events, error)
                })
            }
            Command::Unwatch { watch } => self.watches.close(watch).map(|()| Answer::Done),
            Command::Lease { name, ttl } => self.lease(store_ref, name, ttl.0).await,
            Command::KeepAlive { lease } => self.keep_alive(store_ref, lease).await,
            Command::TimeToLive { lease } => self.time_to_live(store_ref, lease).await,
            Command::Revoke { lease } => {
                let id = self.lease_id(lease);
                self.clients.call(leases(store_ref)?.revoke(id)).await.map(|()| Answer::Done)
            }
            Command::Expire { lease: Some(name), .. } => self.expire_lease(store_ref, name).await,
            Command::Expire { keys, .. } => {
                let keys = own(keys);
                let ended = expiry::expire_keys(
                    &mut self.clients,
                    store_ref,
                    &self.ties,
                    &self.pace,
                    &keys,
                )
                .await?;
                Ok(ended.map_or_else(Answer::NoTtl, Answer::Expired))
            }
            Command::Survive { keys } => {
                let keys = own(keys);
                let lived =
                    expiry::survive(&mut self.clients, store_ref, &self.ties, &self.pace, &keys)
                        .await?;
                Ok(lived.map_or_else(Answer::NoTtl, Answer::Survived))
            }
            Command::Wait { span } => {
                tokio::time::sleep(span.0).await;
                Ok(Answer::Done)
            }
            Command::Fill { .. } => self.fill(store, command).await,
            Command::Join { fill } => self.join(fill).await,
            Command::Close => self.clients.call(store.close()).await.map(|()| Answer::Done),
        }
    }

    /// The whole key, noted as one that must be taken away again.
    fn touch(&mut self, key: &[u8]) -> Vec<u8> {
        let whole = self.clients.whole(key);
        self.traces.keys.insert(whole.clone());
        whole
    }

    async fn update(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        value: &Bytes,
        bare: bool,
    ) -> Result<Answer> {
        if bare {
            return self.update_bare(store, &value.0).await;
        }
        let whole = self.touch(&key.0);
        self.clients.call(store.update(&whole, &value.0)).await?;
        self.ties.untie(&key.0);
        Ok(Answer::Done)
    }

    /// Writes the empty key, unless somebody has one: it lies outside the case's prefix.
    async fn update_bare(&mut self, store: &dyn Store, value: &[u8]) -> Result<Answer> {
        if let Ok(Some(_)) = self.clients.call(store.read(b"")).await {
            return Err(StoreError::new(
                ErrorKind::KeyExists,
                "the empty key has a value already, which is not kvspec's",
            ));
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
        self.ties.tie(&key.0, Tie::Lease(lease.into()));
        Ok(Answer::Done)
    }

    async fn delete(&mut self, store: &dyn Store, key: &Bytes) -> Result<Answer> {
        let whole = self.clients.whole(&key.0);
        self.clients.call(store.delete(&whole)).await?;
        self.ties.untie(&key.0);
        Ok(Answer::Done)
    }

    async fn list(&mut self, store: &dyn Store, prefix: &Bytes, count: bool) -> Result<Answer> {
        let whole = self.clients.whole(&prefix.0);
        let keys = self.clients.call(store.list(&whole)).await?;
        let keys: Vec<_> = keys.iter().map(|key| self.clients.own(key)).collect();
        Ok(if count { Answer::KeyCount(counted(keys)) } else { Answer::Keys(keys) })
    }

    /// The id of a lease of the script, or one that no store granted.
    fn lease_id(&self, name: &str) -> LeaseId {
        match name {
            "zero" => 0,
            "negative" => -5,
            name => self.ties.leases.get(name).map_or(i64::MAX - 5, |held| held.id),
        }
    }

    async fn lease(&mut self, store: &dyn Store, name: &str, asked: Duration) -> Result<Answer> {
        let before = Instant::now();
        let lease = self.clients.call(leases(store)?.lease(asked)).await?;
        self.traces.leases.push(lease.id);
        self.ties.lease(name, lease, before);
        Ok(Answer::Granted { asked, granted: lease.ttl })
    }

    async fn keep_alive(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let before = Instant::now();
        let id = self.lease_id(name);
        let renewed = self.clients.call(leases(store)?.keep_alive(id)).await?;
        let Some(held) = self.ties.leases.get_mut(name) else { return Ok(Answer::Done) };
        let granted = held.hold.granted;
        held.hold = Hold { granted, before, after: Instant::now() };
        Ok(Answer::Renewed { granted, renewed })
    }

    async fn time_to_live(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let id = self.lease_id(name);
        let asked = Instant::now();
        let mut said = self.clients.call(leases(store)?.time_to_live(id)).await?;
        said.keys = said.keys.iter().map(|key| self.clients.own(key)).collect();
        let Some(Held { hold, .. }) = self.ties.leases.get(name).copied() else {
            return Ok(Answer::Keys(said.keys));
        };
        // Stores round down to whole seconds, and look at their clock between our two looks at ours.
        let rounding = Duration::from_secs(1) + Duration::from_millis(20);
        let least = hold.granted.saturating_sub(hold.before.elapsed() + rounding);
        let most = (hold.granted + Duration::from_millis(20))
            .saturating_sub(asked.saturating_duration_since(hold.after));
        Ok(Answer::Left(Left { granted: hold.granted, least, most, said }))
    }

    async fn expire_lease(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let Some(held) = self.ties.leases.get(name).copied() else {
            return Ok(Answer::NoTtl(name.into()));
        };
        expiry::expire_lease(&mut self.clients, store, &self.pace, name, held)
            .await
            .map(Answer::Expired)
    }

    async fn fill(&mut self, store: Arc<dyn Store>, command: &Command) -> Result<Answer> {
        let Command::Fill { key, count, distinct, size, writers, ttl, lease, name } = command
        else {
            unreachable!("only a fill is filled")
        };
        let own = fill::keys(&key.0, *count, *distinct);
        let keys: Vec<_> = own.iter().map(|key| self.touch(key)).collect();
        let size = size.map(|size| size.0);
        let lease_id = lease.as_deref().map(|lease| self.lease_id(lease));
        let deadline = self.clients.deadline;
        let fill = Fill {
            store,
            keys,
            size,
            writers: *writers,
            ttl: ttl.map(|ttl| ttl.0),
            lease: lease_id,
            deadline,
        };
        if let Some(name) = name {
            own.iter().for_each(|key| self.ties.untie(key));
            self.fills.insert(name.clone(), tokio::spawn(fill.run()));
            return Ok(Answer::Done);
        }
        let holds = fill.run().await?;
        for key in &own {
            match lease {
                Some(lease) => self.ties.tie(key, Tie::Lease(lease.clone())),
                None => self.ties.untie(key),
            }
        }
        holds.iter().for_each(|(number, hold)| self.ties.hold_own(&own[*number], *hold));
        let granted = holds.iter().map(|(_, hold)| hold.granted).min();
        let asked = ttl.map(|ttl| ttl.0);
        Ok(asked
            .zip(granted)
            .map_or(Answer::Done, |(asked, granted)| Answer::Granted { asked, granted }))
    }

    async fn join(&mut self, name: &str) -> Result<Answer> {
        let Some(running) = self.fills.remove(name) else {
            return Err(StoreError::new(
                ErrorKind::Other,
                format!("no fill called '{name}' is under way"),
            ));
        };
        match running.await {
            Ok(written) => written.map(|_| Answer::Done),
            Err(error) if error.is_panic() => {
                Ok(Answer::Panic(super::panic_message(error.into_panic())))
            }
            Err(error) => Err(StoreError::new(ErrorKind::Other, error.to_string())),
        }
    }

    /// Ends what is under way, takes away what was written, and closes the clients.
    pub async fn clean_up(
        &mut self,
        limit: impl Future<Output = ()>,
    ) -> std::result::Result<(), String> {
        for running in std::mem::take(&mut self.fills).into_values() {
            running.abort();
            let _ = running.await;
        }
        self.traces.keys.extend(self.watches.standing_fences());
        self.traces.remove(&self.clients, limit).await
    }

    /// Ends the watches and closes the clients.
    pub async fn close(&mut self) {
        self.watches.close_all();
        self.clients.close_all().await;
    }
}

fn leases(store: &dyn Store) -> Result<&dyn Leases> {
    store
        .leases()
        .ok_or_else(|| StoreError::new(ErrorKind::Unsupported, "this store has no leases"))
}

fn own(keys: &[Bytes]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.0.clone()).collect()
}

fn counted(keys: Vec<Vec<u8>>) -> KeyCount {
    let ascending = keys.windows(2).all(|pair| pair[0] <= pair[1]);
    let all = keys.len();
    let distinct = keys.into_iter().collect::<std::collections::BTreeSet<_>>().len();
    KeyCount { keys: all, repeated: all - distinct, ascending }
}
