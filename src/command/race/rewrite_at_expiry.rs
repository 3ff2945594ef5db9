//! Keys that are written again around the moment in which their TTL ends.

use std::time::Duration;

use tokio::time::Instant;

use super::Field;
use super::ends::{Ends, FIRST, RENEWALS};
use crate::history::RaceReply;
use crate::store::{Call, Result};

/// What the keys are granted when they are written again, beyond what an end may come late.
const MORE: Duration = Duration::from_secs(1);

impl Field {
    /// Writes keys again around their ends, and looks whether each is there until the end of what it was granted then.
    pub(super) async fn rewrite_at_expiry(&self) -> Result<()> {
        self.renewals(async |round, ends| self.rewrite_one(round, ends).await).await
    }

    async fn rewrite_one(&self, round: usize, ends: &Ends) -> Result<()> {
        if !ends.begins(round).await {
            return Ok(());
        }
        self.note(&self.numbered(round));
        let turn = ends.turn().await;
        let mut end = self.write(round, 0, FIRST, ends).await?;
        drop(turn);
        for renewal in 1..=RENEWALS {
            ends.renewal(round, end).await;
            let _turn = ends.turn().await;
            let ttl = if renewal == RENEWALS { self.lag + MORE } else { FIRST };
            end = self.write(round, renewal, ttl, ends).await?;
        }
        Ok(())
    }

    /// Writes a key; when it ends at the latest.
    async fn write(
        &self,
        round: usize,
        value: usize,
        ttl: Duration,
        ends: &Ends,
    ) -> Result<Instant> {
        let (key, value) = (self.numbered(round), value.to_string().into_bytes());
        let called = Instant::now();
        let call = Call::UpdateWithTtl { key, value, ttl };
        let reply = self.record(self.client(round), Some(round), call).await?;
        let RaceReply::Granted(granted) = reply else { return Ok(called) };
        ends.promise(called + granted);
        Ok(Instant::now() + granted)
    }
}
