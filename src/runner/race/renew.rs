//! Keys that are written again around the moment in which their time to live ends.

use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::Instant;

use super::{Field, counted};
use crate::scenario::words::quote;
use crate::store::Result;
use crate::transcript::Answer;

/// What the keys are granted first.
const FIRST: Duration = Duration::from_secs(2);
/// What they are granted then: longer than the race.
const SECOND: Duration = Duration::from_secs(20);
/// The writes are spread from so long before the end …
const BEFORE: Duration = Duration::from_millis(100);
/// … over so long a time: etcd looks for ends every half a second.
const SPREAD: Duration = Duration::from_millis(700);

impl Field {
    /// Counts the keys that are there after they were written again.
    pub(super) async fn renew(&self) -> Result<Answer> {
        let rounds = try_join_all((0..self.rounds).map(|round| self.renew_one(round))).await?;
        Ok(counted(rounds))
    }

    async fn renew_one(&self, round: usize) -> Result<Option<String>> {
        let (store, key) = (self.client(round), self.numbered(round));
        let granted = self.call(store.update_with_ttl(&key, b"first", FIRST)).await?;
        let end = Instant::now() + granted;
        let rounds = u32::try_from(self.rounds).unwrap_or(u32::MAX).max(1);
        let step = SPREAD / rounds * u32::try_from(round).unwrap_or(0);
        tokio::time::sleep_until(end + step - BEFORE).await;
        self.call(store.update_with_ttl(&key, b"second", SECOND)).await?;
        let at_once = self.call(store.read(&key)).await?;
        // By then whatever was to end the first life has done so.
        tokio::time::sleep_until(end + self.lag + SPREAD).await;
        let later = self.call(store.read(&key)).await?;
        let is_there = |value: Option<Vec<u8>>| value.as_deref() == Some(b"second");
        let name = quote(&key[self.key.len()..]);
        Ok(match (is_there(at_once), is_there(later)) {
            (true, true) => None,
            (true, false) => {
                Some(format!("key {name} was written again, and went with its first life's end"))
            }
            (false, _) => {
                Some(format!("key {name} was not there right after it was written again"))
            }
        })
    }
}
