//! Stores that are wrong about the ids, times and owners of leases.

use super::fault::*;
use super::leases::is_unknown;

mutants! {
    fn all(next, client);

    "lease-id-ignored", L7, "The id that was asked for is ignored."
        LeaseWithId { ttl, .. } => next.lease(ttl).await;

    "lease-id-twice", L7, "An id that is taken is granted again."
        LeaseWithId { id, ttl } => match next.lease_with_id(id, ttl).await {
            granted if refuses(&granted, ErrorKind::LeaseExists) => Ok(Lease { id, ttl }),
            granted => granted,
        };

    "keep-alive-of-unknown", L8, "A lease that does not exist is said to be kept alive."
        KeepAlive { lease } => match next.keep_alive(lease).await {
            renewed if is_unknown(&renewed) => Ok(Duration::from_secs(60)),
            renewed => renewed,
        };

    "time-left-of-unknown", L8, "A lease that does not exist is said to have time left."
        TimeToLive { lease } => {
            let (granted, remaining) = (Duration::ZERO, Duration::ZERO);
            match next.time_to_live(lease).await {
                left if is_unknown(&left) => Ok(TimeToLive { granted, remaining, keys: Vec::new() }),
                left => left,
            }
        };

    "revoke-of-unknown", L8, "Revoking a lease that does not exist is not an error."
        Revoke { lease } => match next.revoke(lease).await {
            revoked if is_unknown(&revoked) => Ok(()),
            revoked => revoked,
        };

    "lease-id-is-ttl", L9, "Leases of the same time are one lease."
        Lease { ttl } => {
            let id = LeaseId::try_from(ttl.as_secs()).unwrap_or(LeaseId::MAX).max(1);
            match next.lease_with_id(id, ttl).await {
                granted if refuses(&granted, ErrorKind::LeaseExists) => {
                    Ok(Lease { id, ttl: next.time_to_live(id).await?.granted })
                }
                granted => granted,
            }
        };

    "lease-id-given-again", L9, "The id of a lease that has ended is given to the next one."
        [given: Mutex<BTreeSet<LeaseId>>]
        Lease { ttl } => {
            let before = given.lock().unwrap().clone();
            for id in before {
                if is_unknown(&next.time_to_live(id).await) {
                    return next.lease_with_id(id, ttl).await;
                }
            }
            let lease = next.lease(ttl).await?;
            given.lock().unwrap().insert(lease.id);
            Ok(lease)
        };

    "keep-alive-does-nothing", L10, "Keeping a lease alive is acknowledged and not done."
        KeepAlive { lease } => next.time_to_live(lease).await.map(|left| left.granted);

    "keep-alive-adds-up", L10, "Keeping a lease alive goes on by itself once more."
        KeepAlive { lease } => {
            let granted = next.keep_alive(lease).await?;
            later(next, granted / 2, async move |next: Arc<MemoryStore>| {
                next.keep_alive(lease).await.map(drop)
            });
            Ok(granted)
        };

    "keep-alive-says-less", L10, "Keeping a lease alive says another time than the one granted."
        KeepAlive { lease } => next.keep_alive(lease).await.map(|granted| granted / 2);

    "writes-renew-lease", L10, "Writing a key of a lease keeps the lease alive."
        UpdateWithLease { key, value, lease } => {
            next.update_with_lease(&key, &value, lease).await?;
            next.keep_alive(lease).await.map(drop)
        };

    "keep-alive-too-soon", L10, "A lease is not found until a moment after it was granted."
        [young: Arc<Mutex<BTreeSet<LeaseId>>>]
        Lease { ttl } => {
            let lease = next.lease(ttl).await?;
            young.lock().unwrap().insert(lease.id);
            let young = young.clone();
            later(next, Duration::from_millis(1), async move |_| {
                young.lock().unwrap().remove(&lease.id);
                Ok(())
            });
            Ok(lease)
        };
        KeepAlive { lease } if young.lock().unwrap().contains(&lease) =>
            Err(ErrorKind::LeaseNotFound.into());

    "lease-end-is-told", L11, "The end of a lease with no keys is an event."
        [watched: Mutex<Vec<u8>>]
        Watch { prefix } => {
            watched.lock().unwrap().clone_from(&prefix);
            next.watch(&prefix).await
        };
        Lease { ttl } => {
            let lease = next.lease(ttl).await?;
            let key = [watched.lock().unwrap().as_slice(), b"lease"].concat();
            later(next, lease.ttl, |next| async move {
                next.update(&key, b"").await?;
                next.delete(&key).await
            });
            Ok(lease)
        };

    "lease-bound-to-client", L12, "A lease ends with the client that asked for it."
        [owners: Owners]
        Lease { ttl } => owned(next, client, owners, ttl).await;
        Close {} => {
            let owners = owners.lock().unwrap().clone();
            for (lease, _) in owners.into_iter().filter(|(_, owner)| *owner == client) {
                let _ = next.revoke(lease).await;
            }
            next.close().await
        };

    "lease-owners-only", L12, "Only the client that asked for a lease can use it."
        [owners: Owners]
        Lease { ttl } => owned(next, client, owners, ttl).await;
        UpdateWithLease { key, value, lease } => {
            let owner = owners.lock().unwrap().get(&lease).copied();
            if owner.is_some_and(|owner| owner != client) {
                return Err(ErrorKind::LeaseNotFound.into());
            }
            next.update_with_lease(&key, &value, lease).await
        };

    "time-left-never-less", L13, "The remaining TTL of a lease is always the full one."
        TimeToLive { lease } => {
            let left = next.time_to_live(lease).await?;
            Ok(TimeToLive { remaining: left.granted, ..left })
        };

    "time-left-huge", L13, "The remaining TTL of a lease is a huge number."
        TimeToLive { lease } => {
            let remaining = Duration::from_secs(9_223_372_036);
            Ok(TimeToLive { remaining, ..next.time_to_live(lease).await? })
        };

    "time-left-names-no-keys", L13, "The keys attached to a lease are not named."
        TimeToLive { lease } => Ok(TimeToLive { keys: vec![], ..next.time_to_live(lease).await? });
}

/// Which client asked for which lease.
type Owners = Mutex<BTreeMap<LeaseId, usize>>;

async fn owned(next: &MemoryStore, client: usize, owners: &Owners, ttl: Duration) -> Result<Lease> {
    let lease = next.lease(ttl).await?;
    owners.lock().unwrap().insert(lease.id, client);
    Ok(lease)
}
