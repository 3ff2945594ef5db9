//! Takes away what a case wrote, and nothing else.

use std::collections::BTreeSet;

use futures_util::{StreamExt, stream};

use super::clients::{self, Clients};
use crate::scenario::words::quote;
use crate::store::{ErrorKind, LeaseId, Result, Store, StoreError};

/// How many deletions are under way at once.
const DELETERS: usize = 32;

/// How many of the keys that are left are named.
const SHOWN: usize = 3;

/// What a case may have left in the store.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub keys: BTreeSet<Vec<u8>>,
    pub leases: Vec<LeaseId>,
}

impl Traces {
    /// Deletes the keys and ends the leases, then makes sure that the prefix is empty; says what could not be done by
    /// the time that `limit` is over.
    pub async fn remove(
        &self,
        clients: &Clients<'_>,
        limit: impl Future<Output = ()>,
    ) -> std::result::Result<(), String> {
        let prefix = quote(&clients.prefix);
        let removal = async {
            let store = clients.fresh().await?;
            let left = self.remove_with(store.as_ref(), &clients.prefix).await;
            clients::close(store.as_ref()).await;
            left
        };
        tokio::select! {
            left = removal => match left {
                Ok(left) if left.is_empty() => Ok(()),
                Ok(left) => Err(leftovers(&left, &prefix)),
                Err(error) => Err(format!("cleaning up failed, keys may be left below {prefix}: {error}")),
            },
            () = limit => Err(format!("cleaning up did not end in time, keys may be left below {prefix}")),
        }
    }

    /// Goes on after an error, so that one key or lease that cannot be taken away does not keep the others.
    async fn remove_with(&self, store: &dyn Store, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut failed = Ok(());
        if let Some(leases) = store.leases() {
            for lease in &self.leases {
                failed = failed.and(gone(leases.revoke(*lease).await));
            }
        }
        // A key that a store lists and the script did not write would be its own error, so it is not deleted here.
        let deletions = stream::iter(&self.keys).map(|key| store.delete(key)).buffered(DELETERS);
        let deleted: Vec<_> = deletions.collect().await;
        let listed = store.list(prefix).await?;
        for (key, deleted) in self.keys.iter().zip(deleted) {
            // Below the prefix the list tells; a store that errs about a key that is gone is judged by the scripts.
            if !key.starts_with(prefix) {
                failed = failed.and(deleted);
            }
        }
        failed?;
        Ok(listed.into_iter().filter(|key| key.starts_with(prefix)).collect())
    }
}

fn leftovers(left: &[Vec<u8>], prefix: &str) -> String {
    let keys: Vec<_> = left.iter().take(SHOWN).map(|key| quote(key)).collect();
    let what = if left.len() == 1 { "1 key is".into() } else { format!("{} keys are", left.len()) };
    let more = if left.len() > SHOWN { " …" } else { "" };
    format!("{what} left below {prefix} though each was deleted: {}{more}", keys.join(" "))
}

fn gone(revoked: Result<()>) -> Result<()> {
    match revoked {
        Err(StoreError { kind: ErrorKind::LeaseNotFound, .. }) => Ok(()),
        other => other,
    }
}
