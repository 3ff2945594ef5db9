//! Leases that are kept alive in the moment in which they were granted.

use super::{Field, TTL};
use crate::history::RaceReply;
use crate::store::{Call, ErrorKind, LeaseId, Result};

impl Field {
    /// Has a lease granted and keeps it alive at once, in each round.
    pub(super) async fn keep_alive(&self, granted: &mut Vec<LeaseId>) -> Result<()> {
        for round in 0..self.rounds {
            let client = self.client(round);
            let reply = self.record(client, Some(round), Call::Lease { ttl: TTL }).await?;
            let RaceReply::Lease(lease) = reply else { continue };
            granted.push(lease.id);
            match self.record(client, Some(round), Call::KeepAlive { lease: lease.id }).await {
                Err(error) if error.kind != ErrorKind::LeaseNotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}
