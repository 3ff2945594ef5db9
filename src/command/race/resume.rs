//! A watch that is ended and opened again and again while others write.

use futures_util::future::{try_join, try_join_all};

use super::Field;
use crate::history::RaceReply;
use crate::store::{Call, Result, WatchEvent};

/// A watch is ended after 1 to so many batches.
const BATCHES: usize = 16;

/// What the watches delivered so far.
struct Taken {
    events: usize,
    /// The revision that the next watch begins with.
    from: i64,
}

impl Field {
    /// All clients but the first write, while the first one reads as many events on watches that are each opened after
    /// the last revision that came.
    pub(super) async fn resume(&self) -> Result<()> {
        let RaceReply::Revision(now) = self.record(0, None, Call::Revision {}).await? else {
            return Ok(());
        };
        let writes = (1..self.clients.len()).map(|client| self.write_own(client));
        try_join(self.take_all(now + 1), try_join_all(writes)).await.map(drop)
    }

    /// How many writes there are in all.
    pub(super) fn resume_writes(&self) -> usize {
        self.rounds * (self.clients.len() - 1)
    }

    async fn write_own(&self, client: usize) -> Result<()> {
        for round in 0..self.rounds {
            tokio::task::yield_now().await;
            let number = (client - 1) * self.rounds + round;
            let call = Call::Update { key: self.numbered(number), value: b"v".to_vec() };
            self.record(client, Some(number), call).await?;
        }
        Ok(())
    }

    async fn take_all(&self, from: i64) -> Result<()> {
        let mut taken = Taken { events: 0, from };
        let mut opened = 0;
        while taken.events < self.resume_writes() {
            self.take_some(&mut taken, 1 + opened % BATCHES).await?;
            opened += 1;
        }
        Ok(())
    }

    /// Takes some batches of a watch, and ends it, whatever it has in store still.
    async fn take_some(&self, taken: &mut Taken, batches: usize) -> Result<()> {
        let call = Call::WatchFrom { prefix: self.key.clone(), revision: taken.from };
        let mut watch = self.open_watch(0, None, call, self.is_unread).await?;
        for _ in 0..batches {
            let batch = self.read(&mut watch).await?;
            let last = batch.events.iter().filter_map(WatchEvent::mod_revision).max();
            taken.from = taken.from.max(last.map_or(0, |last| last + 1));
            taken.events += batch.events.len();
            if taken.events >= self.resume_writes() {
                break;
            }
        }
        watch.end().await;
        Ok(())
    }
}
