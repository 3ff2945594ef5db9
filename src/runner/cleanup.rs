//! Takes away what a case wrote, and nothing else.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::clients::Clients;
use crate::scenario::words::quote;
use crate::store::{ErrorKind, LeaseId, Result, Store, StoreError};

/// How many deletions are under way at once.
const DELETERS: usize = 32;

/// What a case may have left in the store.
#[derive(Debug, Default)]
pub(super) struct Traces {
    pub keys: BTreeSet<Vec<u8>>,
    pub leases: Vec<LeaseId>,
}

impl Traces {
    /// Deletes the keys and ends the leases, then makes sure that the prefix is empty; says what could not be done.
    pub async fn remove(
        &self,
        clients: &mut Clients<'_>,
        limit: Duration,
    ) -> std::result::Result<(), String> {
        let prefix = quote(&clients.prefix);
        let removal = async {
            let store = clients.fresh().await?;
            let left = self.remove_with(store.as_ref(), &clients.prefix).await;
            let _ = store.close().await;
            left
        };
        match tokio::time::timeout(limit, removal).await {
            Ok(Ok(left)) if left.is_empty() => Ok(()),
            Ok(Ok(left)) => {
                let keys: Vec<_> = left.iter().take(3).map(|key| quote(key)).collect();
                Err(format!(
                    "{} keys are left below {prefix} though each was deleted: {} …",
                    left.len(),
                    keys.join(" ")
                ))
            }
            Ok(Err(error)) => {
                Err(format!("cleaning up failed, keys may be left below {prefix}: {error}"))
            }
            Err(_) => Err(format!(
                "cleaning up did not end within {limit:?}, keys may be left below {prefix}"
            )),
        }
    }

    async fn remove_with(&self, store: &dyn Store, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        if let Some(leases) = store.leases() {
            for lease in &self.leases {
                gone(leases.revoke(*lease).await)?;
            }
        }
        // A key that a store lists and the script did not write would be its own error, so it is not deleted here.
        let deleted =
            stream::iter(&self.keys).map(|key| store.delete(key)).buffer_unordered(DELETERS);
        let deleted: Vec<_> = deleted.collect().await;
        deleted.into_iter().collect::<Result<Vec<()>>>()?;
        store.list(prefix).await
    }
}

fn gone(revoked: Result<()>) -> Result<()> {
    match revoked {
        Err(StoreError { kind: ErrorKind::LeaseNotFound, .. }) => Ok(()),
        other => other,
    }
}
