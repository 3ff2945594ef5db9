//! Stores that are wrong about the ids, times and owners of leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use super::leases::is_unknown;
use super::{Fault, Mutant, Site, mutant};
use crate::backend::memory::MemoryStore;
use crate::store::{ErrorKind, Lease, LeaseId, Leases, Result, Store, TimeToLive, WatchStream};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<IdIgnored>("lease-id-ignored", "L7", "The id that was asked for is ignored."),
        mutant::<IdTwice>("lease-id-twice", "L7", "An id that is taken is granted again."),
        mutant::<RenewUnknown>(
            "keep-alive-of-unknown",
            "L8",
            "A lease that does not exist is said to be kept alive.",
        ),
        mutant::<AskUnknown>(
            "time-left-of-unknown",
            "L8",
            "A lease that does not exist is said to have time left.",
        ),
        mutant::<RevokeUnknown>(
            "revoke-of-unknown",
            "L8",
            "Ending a lease that does not exist is no error.",
        ),
        mutant::<IdIsTtl>("lease-id-is-ttl", "L9", "Leases of the same time are one lease."),
        mutant::<RenewNothing>(
            "keep-alive-does-nothing",
            "L10",
            "Keeping a lease alive is acknowledged and not done.",
        ),
        mutant::<RenewTwice>(
            "keep-alive-adds-up",
            "L10",
            "Keeping a lease alive goes on by itself once more.",
        ),
        mutant::<RenewHalf>(
            "keep-alive-says-less",
            "L10",
            "Keeping a lease alive says another time than the one granted.",
        ),
        mutant::<WritesRenew>(
            "writes-renew-lease",
            "L10",
            "Writing a key of a lease keeps the lease alive.",
        ),
        mutant::<RenewTooSoon>(
            "keep-alive-too-soon",
            "L10",
            "A lease is not found until a moment after it was granted.",
        ),
        mutant::<EmptyTold>(
            "lease-end-is-told",
            "L11",
            "The end of a lease with no keys is an event.",
        ),
        mutant::<BoundToClient>(
            "lease-bound-to-client",
            "L12",
            "A lease ends with the client that asked for it.",
        ),
        mutant::<OwnersOnly>(
            "lease-owners-only",
            "L12",
            "Only the client that asked for a lease can use it.",
        ),
        mutant::<NeverLess>(
            "time-left-never-less",
            "L13",
            "What is left of a lease is always the whole.",
        ),
        mutant::<HugeLeft>("time-left-huge", "L13", "What is left of a lease is a huge number."),
        mutant::<NoKeysNamed>(
            "time-left-names-no-keys",
            "L13",
            "The keys attached to a lease are not named.",
        ),
    ]
}

#[derive(Default)]
struct IdIgnored;

#[async_trait]
impl Fault for IdIgnored {
    async fn lease_with_id(&self, at: &Site, _: LeaseId, ttl: Duration) -> Result<Lease> {
        at.store.lease(ttl).await
    }
}

#[derive(Default)]
struct IdTwice;

#[async_trait]
impl Fault for IdTwice {
    async fn lease_with_id(&self, at: &Site, id: LeaseId, ttl: Duration) -> Result<Lease> {
        match at.store.lease_with_id(id, ttl).await {
            Err(error) if error.kind == ErrorKind::LeaseExists => Ok(Lease { id, ttl }),
            granted => granted,
        }
    }
}

#[derive(Default)]
struct RenewUnknown;

#[async_trait]
impl Fault for RenewUnknown {
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        let renewed = at.store.keep_alive(lease).await;
        if is_unknown(&renewed) { Ok(Duration::from_secs(60)) } else { renewed }
    }
}

#[derive(Default)]
struct AskUnknown;

#[async_trait]
impl Fault for AskUnknown {
    async fn time_to_live(&self, at: &Site, lease: LeaseId) -> Result<TimeToLive> {
        let said = at.store.time_to_live(lease).await;
        let nothing =
            TimeToLive { granted: Duration::ZERO, remaining: Duration::ZERO, keys: Vec::new() };
        if is_unknown(&said) { Ok(nothing) } else { said }
    }
}

#[derive(Default)]
struct RevokeUnknown;

#[async_trait]
impl Fault for RevokeUnknown {
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        let revoked = at.store.revoke(lease).await;
        if is_unknown(&revoked) { Ok(()) } else { revoked }
    }
}

#[derive(Default)]
struct IdIsTtl;

#[async_trait]
impl Fault for IdIsTtl {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        let id = LeaseId::try_from(ttl.as_secs()).unwrap_or(LeaseId::MAX).max(1);
        match at.store.lease_with_id(id, ttl).await {
            Err(error) if error.kind == ErrorKind::LeaseExists => {
                Ok(Lease { id, ttl: at.store.time_to_live(id).await?.granted })
            }
            granted => granted,
        }
    }
}

#[derive(Default)]
struct RenewNothing;

#[async_trait]
impl Fault for RenewNothing {
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        at.store.time_to_live(lease).await.map(|said| said.granted)
    }
}

#[derive(Default)]
struct RenewTwice;

#[async_trait]
impl Fault for RenewTwice {
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        let granted = at.store.keep_alive(lease).await?;
        let store = at.store.clone();
        tokio::spawn(async move {
            tokio::time::sleep(granted / 2).await;
            store.keep_alive(lease).await
        });
        Ok(granted)
    }
}

#[derive(Default)]
struct RenewHalf;

#[async_trait]
impl Fault for RenewHalf {
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        at.store.keep_alive(lease).await.map(|granted| granted / 2)
    }
}

#[derive(Default)]
struct WritesRenew;

#[async_trait]
impl Fault for WritesRenew {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        at.store.update_with_lease(key, value, lease).await?;
        at.store.keep_alive(lease).await.map(drop)
    }
}

#[derive(Default)]
struct RenewTooSoon(Arc<Mutex<BTreeSet<LeaseId>>>);

#[async_trait]
impl Fault for RenewTooSoon {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        let lease = at.store.lease(ttl).await?;
        self.0.lock().unwrap().insert(lease.id);
        let young = self.0.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            young.lock().unwrap().remove(&lease.id);
        });
        Ok(lease)
    }
    async fn keep_alive(&self, at: &Site, lease: LeaseId) -> Result<Duration> {
        if self.0.lock().unwrap().contains(&lease) {
            return Err(ErrorKind::LeaseNotFound.into());
        }
        at.store.keep_alive(lease).await
    }
}

#[derive(Default)]
struct EmptyTold(Mutex<Vec<u8>>);

#[async_trait]
impl Fault for EmptyTold {
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        *self.0.lock().unwrap() = prefix.to_vec();
        at.store.watch(prefix).await
    }
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        let lease = at.store.lease(ttl).await?;
        let key = [self.0.lock().unwrap().as_slice(), b"lease"].concat();
        let store: Arc<MemoryStore> = at.store.clone();
        tokio::spawn(async move {
            tokio::time::sleep(lease.ttl).await;
            store.update(&key, b"").await?;
            store.delete(&key).await
        });
        Ok(lease)
    }
}

/// Which client asked for which lease.
#[derive(Default)]
struct Owners(Mutex<BTreeMap<LeaseId, usize>>);

impl Owners {
    async fn grant(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        let lease = at.store.lease(ttl).await?;
        self.0.lock().unwrap().insert(lease.id, at.client);
        Ok(lease)
    }
}

#[derive(Default)]
struct BoundToClient(Owners);

#[async_trait]
impl Fault for BoundToClient {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        self.0.grant(at, ttl).await
    }
    async fn close(&self, at: &Site) -> Result<()> {
        let owners = self.0.0.lock().unwrap().clone();
        for (lease, _) in owners.into_iter().filter(|(_, owner)| *owner == at.client) {
            let _ = at.store.revoke(lease).await;
        }
        at.store.close().await
    }
}

#[derive(Default)]
struct OwnersOnly(Owners);

#[async_trait]
impl Fault for OwnersOnly {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        self.0.grant(at, ttl).await
    }
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let owner = self.0.0.lock().unwrap().get(&lease).copied();
        if owner.is_some_and(|owner| owner != at.client) {
            return Err(ErrorKind::LeaseNotFound.into());
        }
        at.store.update_with_lease(key, value, lease).await
    }
}

/// Faults that change what is said of a lease.
macro_rules! changed_times {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn time_to_live(&self, at: &Site, lease: LeaseId) -> Result<TimeToLive> {
                let change: fn(TimeToLive) -> TimeToLive = $change;
                at.store.time_to_live(lease).await.map(change)
            }
        }
    )*};
}

changed_times! {
    NeverLess => |said| TimeToLive { remaining: said.granted, ..said };
    HugeLeft => |said| TimeToLive { remaining: Duration::from_secs(9_223_372_036), ..said };
    NoKeysNamed => |said| TimeToLive { keys: Vec::new(), ..said };
}
