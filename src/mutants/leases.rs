//! Stores that are wrong about leases.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::{Fault, Mutant, Site, mutant};
use crate::store::{
    ErrorKind, Lease, LeaseId, Leases, Result, Revisions, Store, StoreError, Transactions, Txn,
};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<RevokeStub>(
            "revoke-is-a-stub",
            "L1",
            "Ending a lease is acknowledged and not done.",
        ),
        mutant::<RevokeKeepsKeys>("revoke-keeps-keys", "L1", "Ending a lease leaves its keys."),
        mutant::<RevokeOneByOne>(
            "revoke-one-by-one",
            "L2",
            "The keys of a lease that is ended go one revision each.",
        ),
        mutant::<RevokeBackwards>(
            "revoke-backwards",
            "L2",
            "The keys of a lease go in descending order.",
        ),
        mutant::<TtlPerKey>(
            "lease-time-from-write",
            "L2",
            "A key's time begins when it is attached, not when the lease was granted.",
        ),
        mutant::<PlainKeepsLease>(
            "plain-write-keeps-lease",
            "L3",
            "A write without a lease leaves the key in its old one.",
        ),
        mutant::<AttachedTwice>(
            "lease-attached-twice",
            "L4",
            "A key that moves to another lease still goes with the first.",
        ),
        mutant::<RecreateAttached>(
            "recreate-attached",
            "L5",
            "A key that was deleted and is written again is back in its lease.",
        ),
        mutant::<UnknownIgnored>(
            "lease-unknown-ignored",
            "L6",
            "A lease that does not exist is ignored, and the key made permanent.",
        ),
        mutant::<UnknownWritten>(
            "lease-unknown-written",
            "L6",
            "A write with an unknown lease is refused, and done all the same.",
        ),
        mutant::<ZeroIsNone>(
            "lease-zero-is-none",
            "L6",
            "Lease 0 means no lease, and makes the key permanent.",
        ),
        mutant::<EndedAccepted>(
            "lease-ended-accepted",
            "L6",
            "A lease that has ended still takes keys, for ever.",
        ),
    ]
}

#[derive(Default)]
struct RevokeStub;

#[async_trait]
impl Fault for RevokeStub {
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        at.store.time_to_live(lease).await.map(drop)
    }
}

#[derive(Default)]
struct RevokeKeepsKeys;

#[async_trait]
impl Fault for RevokeKeepsKeys {
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        for key in at.store.time_to_live(lease).await?.keys {
            let value = at.store.read(&key).await?.unwrap_or_default();
            at.store.update(&key, &value).await?;
        }
        at.store.revoke(lease).await
    }
}

#[derive(Default)]
struct RevokeOneByOne;

#[async_trait]
impl Fault for RevokeOneByOne {
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        for key in at.store.time_to_live(lease).await?.keys {
            at.store.delete(&key).await?;
        }
        at.store.revoke(lease).await
    }
}

#[derive(Default)]
struct RevokeBackwards;

#[async_trait]
impl Fault for RevokeBackwards {
    async fn revoke(&self, at: &Site, lease: LeaseId) -> Result<()> {
        let keys = at.store.time_to_live(lease).await?.keys.into_iter().rev();
        let then: Vec<_> = keys.take(100).map(|key| crate::store::Op::Delete { key }).collect();
        at.store.txn(Txn { then, ..Txn::default() }).await?;
        at.store.revoke(lease).await
    }
}

#[derive(Default)]
struct TtlPerKey;

#[async_trait]
impl Fault for TtlPerKey {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let granted = at.store.time_to_live(lease).await?.granted;
        at.store.update_with_ttl(key, value, granted).await.map(drop)
    }
}

#[derive(Default)]
struct PlainKeepsLease;

#[async_trait]
impl Fault for PlainKeepsLease {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match at.store.metadata(key).await?.and_then(|metadata| metadata.lease) {
            Some(lease) => at.store.update_with_lease(key, value, lease).await,
            None => at.store.update(key, value).await,
        }
    }
}

#[derive(Default)]
struct AttachedTwice;

#[async_trait]
impl Fault for AttachedTwice {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let before = at.store.metadata(key).await?.and_then(|metadata| metadata.lease);
        at.store.update_with_lease(key, value, lease).await?;
        if let Some(before) = before.filter(|before| *before != lease) {
            let remaining = at.store.time_to_live(before).await?.remaining;
            let (store, key) = (at.store.clone(), key.to_vec());
            tokio::spawn(async move {
                tokio::time::sleep(remaining).await;
                store.delete(&key).await
            });
        }
        Ok(())
    }
}

#[derive(Default)]
struct RecreateAttached(Mutex<BTreeMap<Vec<u8>, LeaseId>>);

#[async_trait]
impl Fault for RecreateAttached {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        if let Some(lease) = at.store.metadata(key).await?.and_then(|metadata| metadata.lease) {
            self.0.lock().unwrap().insert(key.into(), lease);
        }
        at.store.delete(key).await
    }
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let lease = self.0.lock().unwrap().remove(key);
        match lease {
            Some(lease) => at.store.update_with_lease(key, value, lease).await,
            None => at.store.update(key, value).await,
        }
    }
}

pub(super) fn is_unknown<T>(result: &Result<T>) -> bool {
    matches!(result, Err(StoreError { kind: ErrorKind::LeaseNotFound, .. }))
}

#[derive(Default)]
struct UnknownIgnored;

#[async_trait]
impl Fault for UnknownIgnored {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let written = at.store.update_with_lease(key, value, lease).await;
        if is_unknown(&written) { at.store.update(key, value).await } else { written }
    }
}

#[derive(Default)]
struct UnknownWritten;

#[async_trait]
impl Fault for UnknownWritten {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let written = at.store.update_with_lease(key, value, lease).await;
        if is_unknown(&written) {
            at.store.update(key, value).await?;
        }
        written
    }
}

#[derive(Default)]
struct ZeroIsNone;

#[async_trait]
impl Fault for ZeroIsNone {
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        if lease == 0 {
            at.store.update(key, value).await
        } else {
            at.store.update_with_lease(key, value, lease).await
        }
    }
}

#[derive(Default)]
struct EndedAccepted(Mutex<BTreeSet<LeaseId>>);

#[async_trait]
impl Fault for EndedAccepted {
    async fn lease(&self, at: &Site, ttl: Duration) -> Result<Lease> {
        let lease = at.store.lease(ttl).await?;
        self.0.lock().unwrap().insert(lease.id);
        Ok(lease)
    }
    async fn update_with_lease(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        lease: LeaseId,
    ) -> Result<()> {
        let written = at.store.update_with_lease(key, value, lease).await;
        let is_ended = is_unknown(&written) && self.0.lock().unwrap().contains(&lease);
        if is_ended { at.store.update(key, value).await } else { written }
    }
}
