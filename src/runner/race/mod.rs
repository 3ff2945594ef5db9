//! Races: many calls under way at once, where a store may only let some of all outcomes happen.

mod cas;
mod fan;
mod flip;
mod keep_alive;
mod register;
mod renew;
mod watch;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::clients::{self, Clients};
use super::session::Session;
use crate::scenario::command::RaceKind;
use crate::scenario::words::Bytes;
use crate::store::{ErrorKind, LeaseId, Result, Store, StoreError};
use crate::transcript::{Answer, Race};

impl Session<'_> {
    pub(super) async fn race(
        &mut self,
        kind: RaceKind,
        key: &Bytes,
        clients: Option<usize>,
        rounds: Option<usize>,
    ) -> Result<Answer> {
        let whole = self.clients.whole(&key.0);
        let field = Field::open(&self.clients, whole, clients, rounds, self.pace.lag).await?;
        self.traces.keys.extend(field.keys(kind));
        field.run(kind, &mut self.traces.leases).await
    }
}

/// What a race needs: clients of its own, whole keys, and how long one call may take.
struct Field {
    clients: Vec<Arc<dyn Store>>,
    key: Vec<u8>,
    rounds: usize,
    deadline: Duration,
    /// How much later than granted a key may go.
    lag: Duration,
}

/// How many clients race where the script does not say.
const CLIENTS: usize = 4;
/// How many rounds there are where the script does not say.
const ROUNDS: usize = 20;

impl Field {
    /// Opens the race's own clients.
    async fn open(
        clients: &Clients<'_>,
        key: Vec<u8>,
        count: Option<usize>,
        rounds: Option<usize>,
        lag: Duration,
    ) -> Result<Self> {
        let mut own: Vec<Arc<dyn Store>> = Vec::new();
        for _ in 0..count.unwrap_or(CLIENTS).max(1) {
            own.push(clients.fresh().await?.into());
        }
        let rounds = rounds.unwrap_or(ROUNDS);
        Ok(Self { clients: own, key, rounds, deadline: clients.deadline, lag })
    }

    /// Every key that the race may write.
    fn keys(&self, kind: RaceKind) -> Vec<Vec<u8>> {
        match kind {
            RaceKind::Register | RaceKind::Cas => vec![self.key.clone()],
            RaceKind::Fan => (0..fan::WRITES).map(|write| self.numbered(write)).collect(),
            RaceKind::Flip => vec![self.numbered(0), self.numbered(1)],
            RaceKind::Renew | RaceKind::Watch | RaceKind::KeepAlive => {
                (0..self.rounds).map(|round| self.numbered(round)).collect()
            }
        }
    }

    /// Races, and closes the clients.
    async fn run(self, kind: RaceKind, leases: &mut Vec<LeaseId>) -> Result<Answer> {
        let answer = match kind {
            RaceKind::Register => self.register().await,
            RaceKind::Cas => self.cas().await,
            RaceKind::Renew => self.renew().await,
            RaceKind::Watch => self.watch().await,
            RaceKind::KeepAlive => self.keep_alive(leases).await,
            RaceKind::Flip => self.flip().await,
            RaceKind::Fan => self.fan().await,
        };
        for client in &self.clients {
            let _ = self.call(client.close()).await;
        }
        answer
    }

    fn numbered(&self, number: usize) -> Vec<u8> {
        [&self.key, format!("{number:04}").as_bytes()].concat()
    }

    /// The client whose turn it is.
    fn client(&self, round: usize) -> &Arc<dyn Store> {
        &self.clients[round % self.clients.len()]
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let late = || {
            StoreError::new(
                ErrorKind::DeadlineExceeded,
                format!("no answer within {:?}", self.deadline),
            )
        };
        clients::within(self.deadline, call).await.unwrap_or_else(|| Err(late()))
    }
}

/// Counts rounds: `None` is one that went as it must, anything else is what was seen.
fn counted(rounds: Vec<Option<String>>) -> Answer {
    let good = rounds.iter().filter(|round| round.is_none()).count();
    Answer::Race(Race { rounds: rounds.len(), good, trouble: rounds.into_iter().flatten().next() })
}
