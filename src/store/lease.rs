//! Leases: times to live that several keys share.

use std::time::Duration;

use async_trait::async_trait;

use super::{ErrorKind, Result};

/// The name that a store gave to a lease. Never zero: zero is "no lease".
pub type LeaseId = i64;

/// Leases: a time to live of its own, shared by the keys attached to it.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Grants a lease that lives for `ttl`, or longer where the store has a floor.
    async fn lease(&self, ttl: Duration) -> Result<Lease>;

    /// Grants a lease under an id that the caller chose, for `ttl` or longer.
    ///
    /// [`ErrorKind::LeaseExists`] where the id is taken; [`ErrorKind::Unsupported`] where ids cannot be chosen.
    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        let _ = (id, ttl);
        Err(ErrorKind::Unsupported.into())
    }

    /// Writes `value` under `key` and attaches the key to `lease`, and to no other.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease; the key is then as it was.
    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()>;

    /// Sets what is left of `lease` back to its granted time to live, which it returns.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration>;

    /// Tells what is left of `lease`, and which keys are attached to it.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive>;

    /// Ends `lease` at once and deletes every key attached to it, all in one step.
    ///
    /// [`ErrorKind::LeaseNotFound`] where there is no such lease.
    async fn revoke(&self, lease: LeaseId) -> Result<()>;
}

/// A lease as it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lease {
    /// The name that the store gave it.
    pub id: LeaseId,
    /// The time to live that the store granted.
    pub ttl: Duration,
}

/// What a store says of a living lease.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct TimeToLive {
    /// The time to live that was granted.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub granted: Duration,
    /// What is left of it; stores may round down to whole seconds.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub remaining: Duration,
    /// The keys attached to the lease, in ascending byte order.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub keys: Vec<Vec<u8>>,
}
