//! Leases that are kept alive in the moment in which they were granted.

use std::time::Duration;

use super::{Field, counted};
use crate::store::{ErrorKind, LeaseId, Result};
use crate::transcript::Answer;

/// Long enough that no lease ends by itself while the race is on.
const TTL: Duration = Duration::from_secs(60);

impl Field {
    /// Counts the leases that could be kept alive at once.
    pub(super) async fn keep_alive(&self, granted: &mut Vec<LeaseId>) -> Result<Answer> {
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            let leases = self.client(round).leases().ok_or(ErrorKind::Unsupported)?;
            let lease = self.call(leases.lease(TTL)).await?;
            granted.push(lease.id);
            rounds.push(match self.call(leases.keep_alive(lease.id)).await {
                Ok(_) => None,
                Err(error) if error.kind == ErrorKind::LeaseNotFound => {
                    Some("a lease just granted was not found".into())
                }
                Err(error) => return Err(error),
            });
        }
        Ok(counted(rounds))
    }
}
