//! Reads, writes and deletions of one key by several clients.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::try_join_all;

use super::Field;
use crate::linear::{Call, Operation};
use crate::store::{Result, Store};
use crate::transcript::Answer;

impl Field {
    /// Has every client make its calls, and records when each began and ended.
    pub(super) async fn register(&self) -> Result<Answer> {
        let clock = AtomicUsize::new(0);
        let calls = self.clients.iter().enumerate();
        let calls = calls.map(|(client, store)| self.call_often(client, store.as_ref(), &clock));
        let histories = try_join_all(calls).await?;
        Ok(Answer::History(histories.into_iter().flatten().collect()))
    }

    async fn call_often(
        &self,
        client: usize,
        store: &dyn Store,
        clock: &AtomicUsize,
    ) -> Result<Vec<Operation>> {
        let tick = || clock.fetch_add(1, Ordering::SeqCst);
        let mut history = Vec::new();
        for round in 0..self.rounds {
            // Others get their turn also where a store answers without ever waiting.
            tokio::task::yield_now().await;
            let began = tick();
            let call = match (round + client) % 5 {
                0 | 3 => self.write(store, (client * self.rounds + round) as u64).await?,
                4 if round % 2 == 0 => {
                    self.call(store.delete(&self.key)).await?;
                    Call::Delete
                }
                _ => self.read(store).await?,
            };
            history.push(Operation { client, call, began, ended: tick() });
        }
        Ok(history)
    }

    async fn write(&self, store: &dyn Store, value: u64) -> Result<Call> {
        self.call(store.update(&self.key, value.to_string().as_bytes())).await?;
        Ok(Call::Write(value))
    }

    async fn read(&self, store: &dyn Store) -> Result<Call> {
        let value = self.call(store.read(&self.key)).await?;
        // A value that nobody wrote is one that no history explains.
        let number = |value: &[u8]| {
            str::from_utf8(value).ok().and_then(|text| text.parse().ok()).unwrap_or(u64::MAX)
        };
        Ok(Call::Read(value.as_deref().map(number)))
    }
}
