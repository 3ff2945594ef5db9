//! Which part of the runner does which command.

use std::sync::Arc;
use std::time::Duration;

use super::session::Session;
use crate::scenario::command::Command;
use crate::store::{Result, Store};
use crate::transcript::Answer;

impl Session<'_> {
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

    async fn next(&mut self, watch: &str) -> Result<Answer> {
        let is_seen = |key: &[u8]| self.watches.sees(&self.clients, watch, key);
        let patience = self.ties.until_first_end(self.pace.lag, is_seen);
        self.watches.next(&mut self.clients, watch, patience).await
    }

    async fn wait(&self, span: Duration) -> Answer {
        tokio::time::sleep(span).await;
        Answer::Done
    }
}
