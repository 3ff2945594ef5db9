//! Stores that are wrong about leases.

use super::fault::*;
use super::keys::delete_all;
use crate::store::Op;

mutants! {
    fn all(next, client);

    "revoke-is-a-stub", L1, "Ending a lease is acknowledged and not done."
        Revoke { lease } => next.time_to_live(lease).await.map(drop);

    "revoke-keeps-keys", L1, "Ending a lease leaves its keys."
        Revoke { lease } => {
            for key in next.time_to_live(lease).await?.keys {
                let value = next.read(&key).await?.unwrap_or_default();
                next.update(&key, &value).await?;
            }
            next.revoke(lease).await
        };

    "revoke-one-by-one", L2, "The keys of a lease that is ended go one revision each."
        Revoke { lease } => {
            delete_all(next, next.time_to_live(lease).await?.keys).await?;
            next.revoke(lease).await
        };

    "revoke-backwards", L2, "The keys of a lease go in descending order."
        Revoke { lease } => {
            let keys = next.time_to_live(lease).await?.keys.into_iter().rev();
            let then = keys.take(100).map(|key| Op::Delete { key }).collect();
            next.txn(Txn { then, ..Txn::default() }).await?;
            next.revoke(lease).await
        };

    "lease-time-from-write", L2,
    "A key's time begins when it is attached, not when the lease was granted."
        UpdateWithLease { key, value, lease } => {
            let granted = next.time_to_live(lease).await?.granted;
            next.update_with_ttl(&key, &value, granted).await.map(drop)
        };

    "plain-write-keeps-lease", L3, "A write without a lease leaves the key in its old one."
        Update { key, value } => match lease_of(next, &key).await? {
            Some(lease) => next.update_with_lease(&key, &value, lease).await,
            None => next.update(&key, &value).await,
        };

    "lease-attached-twice", L4, "A key that moves to another lease still goes with the first."
        UpdateWithLease { key, value, lease } => {
            let before = lease_of(next, &key).await?;
            next.update_with_lease(&key, &value, lease).await?;
            if let Some(before) = before.filter(|before| *before != lease) {
                let remaining = next.time_to_live(before).await?.remaining;
                later(next, remaining, |next| async move { next.delete(&key).await });
            }
            Ok(())
        };

    "recreate-attached", L5, "A key that was deleted and is written again is back in its lease."
        [deleted: Keys<LeaseId>]
        Delete { key } => {
            if let Some(lease) = lease_of(next, &key).await? {
                deleted.lock().unwrap().insert(key.clone(), lease);
            }
            next.delete(&key).await
        };
        Update { key, value } => {
            let lease = deleted.lock().unwrap().remove(&key);
            match lease {
                Some(lease) => next.update_with_lease(&key, &value, lease).await,
                None => next.update(&key, &value).await,
            }
        };

    "lease-unknown-ignored", L6,
    "A lease that does not exist is ignored, and the key made permanent."
        UpdateWithLease { key, value, lease } => {
            let written = next.update_with_lease(&key, &value, lease).await;
            if is_unknown(&written) { next.update(&key, &value).await } else { written }
        };

    "lease-unknown-written", L6, "A write with an unknown lease is refused, and done all the same."
        UpdateWithLease { key, value, lease } => {
            let written = next.update_with_lease(&key, &value, lease).await;
            if is_unknown(&written) {
                next.update(&key, &value).await?;
            }
            written
        };

    "lease-zero-is-none", L6, "Lease 0 means no lease, and makes the key permanent."
        UpdateWithLease { key, value, lease: 0 } => next.update(&key, &value).await;

    "lease-ended-accepted", L6, "A lease that has ended still takes keys, for ever."
        [granted: Mutex<BTreeSet<LeaseId>>]
        Lease { ttl } => {
            let lease = next.lease(ttl).await?;
            granted.lock().unwrap().insert(lease.id);
            Ok(lease)
        };
        UpdateWithLease { key, value, lease } => {
            let written = next.update_with_lease(&key, &value, lease).await;
            let is_ended = is_unknown(&written) && granted.lock().unwrap().contains(&lease);
            if is_ended { next.update(&key, &value).await } else { written }
        };
}

/// The lease that a key is attached to.
async fn lease_of(next: &MemoryStore, key: &[u8]) -> Result<Option<LeaseId>> {
    Ok(next.metadata(key).await?.and_then(|metadata| metadata.lease))
}

pub(super) fn is_unknown<T>(result: &Result<T>) -> bool {
    refuses(result, ErrorKind::LeaseNotFound)
}
