//! Reads, writes and deletions of one key by several clients.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;

use super::Field;
use crate::history::linear::{Call, Operation, Register};
use crate::store::{ErrorKind, Result, Store};
use crate::transcript::Answer;

impl Field {
    /// Has every client make its calls, and records when each began and ended. A client goes on after an error, which says
    /// nothing of whether the call was done; after a deadline it does not.
    pub(super) async fn register(&self) -> Answer {
        let clock = AtomicUsize::new(0);
        let calls = self.clients.iter().enumerate();
        let calls = calls.map(|(client, store)| self.call_often(client, store.as_ref(), &clock));
        Answer::History(Register::new(join_all(calls).await.into_iter().flatten().collect()))
    }

    async fn call_often(
        &self,
        client: usize,
        store: &dyn Store,
        clock: &AtomicUsize,
    ) -> Vec<Operation> {
        let tick = || clock.fetch_add(1, Ordering::SeqCst);
        let mut history = Vec::new();
        for round in 0..self.rounds {
            // Others get their turn also where a store answers without ever waiting.
            tokio::task::yield_now().await;
            let began = tick();
            let (call, answered) = self.call_one(client, round, store).await;
            let (ended, error) = match answered {
                Ok(()) => (Some(tick()), None),
                Err(error) => (None, Some(error)),
            };
            let is_late = error.as_ref().is_some_and(|e| e.kind == ErrorKind::DeadlineExceeded);
            history.push(Operation { client, call, began, ended, error });
            if is_late {
                break;
            }
        }
        history
    }

    async fn call_one(&self, client: usize, round: usize, store: &dyn Store) -> (Call, Result<()>) {
        match (round + client) % 5 {
            0 | 3 => {
                let value = (client * self.rounds + round) as u64;
                let text = value.to_string();
                let written = self.call(store.update(&self.key, text.as_bytes())).await;
                (Call::Write(value), written)
            }
            4 if round.is_multiple_of(2) => {
                (Call::Delete, self.call(store.delete(&self.key)).await)
            }
            _ => match self.call(store.read(&self.key)).await {
                Ok(value) => (Call::Read(value.as_deref().map(number)), Ok(())),
                Err(error) => (Call::Read(None), Err(error)),
            },
        }
    }
}

/// The number that a value is; one that no one wrote is one that no history explains.
fn number(value: &[u8]) -> u64 {
    str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
}
