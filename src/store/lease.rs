//! Leases: TTLs that several keys share.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::text::{keys, span};
use super::{ErrorKind, Result};

/// The name that a store gave to a lease. Never zero: zero is "no lease".
pub type LeaseId = i64;

/// Leases: a TTL of its own, shared by the keys attached to it.
#[async_trait]
pub trait Leases: Send + Sync {
    /// Grants a lease that lives for `ttl`, or longer where the store has a floor.
    async fn lease(&self, ttl: Duration) -> Result<Lease>;

    /// Grants a lease under an id that the caller chose, for `ttl` or longer.
    ///
    /// [`ErrorKind::LeaseExists`] where the id is taken; [`ErrorKind::Unsupported`] where ids cannot be chosen: that
    /// is the default, and fails `calls/lease-with-id` unless a list of known failures names it.
    ///
    /// The scenarios choose ids above 0. etcd and the memory store take 0 as "any id" and answer the one that they chose,
    /// and grant a lease under a negative id like under any other.
    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        let _ = (id, ttl);
        Err(ErrorKind::Unsupported.into())
    }

    /// Writes `value` under `key` and attaches the key to `lease`, and to no other.
    ///
    /// [`ErrorKind::LeaseNotFound`] if there is no such lease; the key is then as it was.
    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()>;

    /// Sets what is left of `lease` back to its granted TTL, which it returns.
    ///
    /// [`ErrorKind::LeaseNotFound`] if there is no such lease.
    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration>;

    /// Reports what is left of `lease`, and which keys are attached to it.
    ///
    /// [`ErrorKind::LeaseNotFound`] if there is no such lease.
    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive>;

    /// Ends `lease` at once and deletes every key attached to it, all in one step.
    ///
    /// [`ErrorKind::LeaseNotFound`] if there is no such lease.
    async fn revoke(&self, lease: LeaseId) -> Result<()>;
}

/// A lease as it was granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Lease {
    /// The name that the store gave it.
    pub id: LeaseId,
    /// The TTL that the store granted.
    #[serde(with = "crate::wire")]
    pub ttl: Duration,
}

impl Lease {
    /// The lease of that id, granted for `ttl`.
    pub fn new(id: LeaseId, ttl: Duration) -> Self {
        Self { id, ttl }
    }
}

/// What a store says of a living lease.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TimeToLive {
    /// The TTL that was granted.
    #[serde(with = "crate::wire")]
    pub granted: Duration,
    /// What is left of it; stores may round down to whole seconds.
    #[serde(with = "crate::wire")]
    pub remaining: Duration,
    /// The keys attached to the lease, in ascending byte order.
    #[serde(with = "crate::wire")]
    pub keys: Vec<Vec<u8>>,
}

impl TimeToLive {
    /// A lease that was granted for `granted`, with what is left of it and its keys in ascending byte order.
    pub fn new(granted: Duration, remaining: Duration, keys: Vec<Vec<u8>>) -> Self {
        Self { granted, remaining, keys }
    }
}

impl Display for Lease {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "lease {} granted {}", self.id, span(self.ttl))
    }
}

impl Display for TimeToLive {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Self { granted, remaining, keys: attached } = self;
        write!(f, "{} of {} left: {}", span(*remaining), span(*granted), keys(attached))
    }
}
