//! One run of a scenario: what it holds, and which part of the runner does which command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Settings;
use super::cleanup::Traces;
use super::clients::Clients;
use super::expiry::{Pace, Ties};
use super::fill::Running;
use super::revision::Marks;
use super::watches::Watches;
use crate::backend::{Backend, Instance};
use crate::scenario::command::Command;
use crate::store::{LeaseId, Result, Store};
use crate::transcript::Answer;

/// One run of a scenario: its clients, watches and times to live, and what it wrote.
pub(super) struct Session<'a> {
    pub clients: Clients<'a>,
    pub watches: Watches,
    pub ties: Ties,
    pub marks: Marks,
    /// The lease ids that a script calls by a name.
    pub ids: BTreeMap<String, LeaseId>,
    pub pace: Pace,
    pub fills: BTreeMap<String, Running>,
    pub traces: Traces,
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
            marks: Marks::default(),
            ids: BTreeMap::new(),
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

    async fn perform_on(&mut self, command: &Command, client: Arc<dyn Store>) -> Result<Answer> {
        let store = client.as_ref();
        match command {
            Command::Update { .. } => self.update_any(store, command).await,
            Command::Delete { key } => self.delete(store, key).await,
            Command::Read { key, at } => self.read(store, key, at.as_ref()).await,
            Command::List { .. } => self.list_any(store, command).await,
            Command::Watch { prefix, name, from } => {
                self.watch(store, prefix, name, from.as_ref()).await
            }
            Command::Next { watch } => self.next(watch).await,
            Command::Events { watch, count, since } => {
                self.events(store, watch, *count, since.as_deref()).await
            }
            Command::Unwatch { watch } => self.watches.close(watch).map(|()| Answer::Done),
            Command::Lease { name, ttl, id } => self.lease(store, name, ttl.0, id.as_deref()).await,
            Command::KeepAlive { lease } => self.keep_alive(store, lease).await,
            Command::TimeToLive { lease } => self.time_to_live(store, lease).await,
            Command::Revoke { lease } => self.revoke(store, lease).await,
            Command::Expire { keys, lease } => self.expire(store, keys, lease.as_deref()).await,
            Command::Survive { keys } => self.survive(store, keys).await,
            Command::Wait { span } => Ok(self.wait(span.0).await),
            Command::Fill { .. } => self.fill(client, command).await,
            Command::Join { fill } => self.join(fill).await,
            Command::Close => self.clients.call(store.close()).await.map(|()| Answer::Done),
            Command::Mark { name } => self.marks.set(&mut self.clients, store, name).await,
            Command::Revision { since } => self.revision(store, since).await,
            Command::Metadata { key, since } => self.metadata(store, key, since.as_deref()).await,
            Command::Compact { revision } => self.compact(store, revision).await,
            Command::Txn { words } => self.txn(store, words).await,
            Command::Mkdir { directory } => self.mkdir(store, directory).await,
            Command::Create { key, value } => self.create(store, key, value).await,
            Command::Race { kind, key, clients, rounds } => {
                self.race(*kind, key, *clients, *rounds).await
            }
        }
    }

    /// The whole key, noted as one that must be taken away again.
    pub fn touch(&mut self, key: &[u8]) -> Vec<u8> {
        let whole = self.clients.whole(key);
        self.traces.keys.insert(whole.clone());
        whole
    }

    async fn next(&mut self, watch: &str) -> Result<Answer> {
        let is_seen = |key: &[u8]| self.watches.sees(&self.clients, watch, key);
        let patience = self.ties.until_first_end(self.pace.lag, is_seen);
        self.watches.next(&mut self.clients, watch, patience).await
    }

    async fn wait(&self, span: Duration) -> Answer {
        tokio::time::sleep(span).await;
        Answer::Done
    }

    /// Ends what is under way, and takes away what was written.
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
