//! Leases that are kept alive around the moment in which they end.

use tokio::time::Instant;

use super::Field;
use super::ends::{Ends, FIRST, RENEWALS};
use crate::history::RaceReply;
use crate::store::{Call, ErrorKind, Lease, Result};

impl Field {
    /// Keeps leases alive around their ends, and looks whether the key of each is there until the end of what was said.
    pub(super) async fn prolong(&self) -> Result<()> {
        self.renewals(async |round, ends| self.prolong_one(round, ends).await).await
    }

    async fn prolong_one(&self, round: usize, ends: &Ends) -> Result<()> {
        let (client, key) = (self.client(round), self.numbered(round));
        if !ends.begins(round).await {
            return Ok(());
        }
        self.note(&key);
        let turn = ends.turn().await;
        let asked = Instant::now();
        let reply = self.record(client, Some(round), Call::Lease { ttl: FIRST }).await?;
        let RaceReply::Lease(lease) = reply else { return Ok(()) };
        let end = Instant::now() + lease.ttl;
        let call = Call::UpdateWithLease { key, value: b"v".to_vec(), lease: lease.id };
        let attached = self.record(client, Some(round), call).await;
        drop(turn);
        match attached {
            // It was asked for so long ago that it may have ended.
            Err(error)
                if error.kind == ErrorKind::LeaseNotFound && asked.elapsed() >= lease.ttl =>
            {
                Ok(())
            }
            attached => {
                attached?;
                self.keep(round, lease, end, ends).await
            }
        }
    }

    async fn keep(&self, round: usize, lease: Lease, mut end: Instant, ends: &Ends) -> Result<()> {
        for _ in 0..RENEWALS {
            ends.renewal(round, end).await;
            // Some stores answer the renewal of a lease whose end has come only when they have taken it away.
            let called = Instant::now();
            let call = Call::KeepAlive { lease: lease.id };
            match self.record(self.client(round), Some(round), call).await {
                // A time of nothing is etcd's word for a lease that is gone.
                Ok(RaceReply::Granted(granted)) if !granted.is_zero() => {
                    ends.promise(called + granted);
                    end = Instant::now() + granted;
                }
                Ok(_) => break,
                Err(error) if error.kind == ErrorKind::LeaseNotFound => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
