//! Leases of an etcd.

use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{Error, LeaseClient, LeaseGrantOptions, LeaseTimeToLiveOptions, PutOptions};

use super::store::EtcdStore;
use crate::store::{ErrorKind, Lease, LeaseId, Leases, Result, StoreError, TimeToLive};

impl EtcdStore {
    async fn grant(&self, ttl: Duration, options: Option<LeaseGrantOptions>) -> Result<Lease> {
        let seconds = whole_seconds(ttl)?;
        let mut client = self.lease_client()?;
        let answer = self.answer(client.grant(seconds, options)).await?;
        if !answer.error().is_empty() {
            return Err(StoreError::new(ErrorKind::Other, answer.error()));
        }
        Ok(Lease { id: answer.id(), ttl: from_seconds(answer.ttl()) })
    }
}

#[async_trait]
impl Leases for EtcdStore {
    async fn lease(&self, ttl: Duration) -> Result<Lease> {
        self.grant(ttl, None).await
    }

    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        self.grant(ttl, Some(LeaseGrantOptions::new().with_id(id))).await
    }

    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
        // In a put, 0 means "no lease": etcd would take the write and make the key permanent. A closed client says so first.
        self.kv_client()?;
        if lease == 0 {
            return Err(StoreError::new(ErrorKind::LeaseNotFound, "0 is the name of no lease"));
        }
        self.put(key, value, PutOptions::new().with_lease(lease)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration> {
        let mut client = self.lease_client()?;
        self.answer(renew(&mut client, lease)).await
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive> {
        let mut client = self.lease_client()?;
        let options = LeaseTimeToLiveOptions::new().with_keys();
        let answer = self.answer(client.time_to_live(lease, Some(options))).await?;
        // etcd knows no error for this: an unknown lease has -1 s to live.
        if answer.ttl() < 0 {
            return Err(StoreError::new(
                ErrorKind::LeaseNotFound,
                format!("lease {lease:x} has -1 s to live"),
            ));
        }
        // etcd keeps these in a map, and gives them in the order of the day.
        let mut keys = answer.keys().to_vec();
        keys.sort_unstable();
        Ok(TimeToLive {
            granted: from_seconds(answer.granted_ttl()),
            remaining: from_seconds(answer.ttl()),
            keys,
        })
    }

    async fn revoke(&self, lease: LeaseId) -> Result<()> {
        let mut client = self.lease_client()?;
        self.answer(client.revoke(lease)).await?;
        Ok(())
    }
}

/// Renews a lease once, and reports the TTL that it is back at.
async fn renew(client: &mut LeaseClient, lease: LeaseId) -> std::result::Result<Duration, Error> {
    // Opening the stream renews the lease, but etcd-client keeps that answer to itself; only a second one shows the TTL.
    let (mut keeper, mut answers) = client.keep_alive(lease).await?;
    keeper.keep_alive().await?;
    match answers.message().await? {
        Some(answer) if answer.ttl() > 0 => Ok(from_seconds(answer.ttl())),
        Some(_) => Err(Error::LeaseKeepAliveError("lease not found".into())),
        None => {
            Err(Error::LeaseKeepAliveError("the server ended the stream without an answer".into()))
        }
    }
}

/// The seconds to ask for: never less than `ttl`.
fn whole_seconds(ttl: Duration) -> Result<i64> {
    let seconds = ttl.as_secs().checked_add(u64::from(ttl.subsec_nanos() > 0));
    seconds.and_then(|seconds| i64::try_from(seconds).ok()).ok_or_else(|| {
        StoreError::new(
            ErrorKind::TtlTooLarge,
            format!("{ttl:?} are more seconds than a lease request can hold"),
        )
    })
}

/// A time that a server reported; none where it reported a negative one.
fn from_seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Duration::ZERO, 0)]
    #[case(Duration::from_nanos(1), 1)]
    #[case(Duration::from_secs(1), 1)]
    #[case(Duration::from_millis(2_001), 3)]
    #[case(Duration::from_secs(i64::MAX as u64), i64::MAX)]
    fn a_ttl_is_rounded_up(#[case] ttl: Duration, #[case] seconds: i64) {
        assert_eq!(whole_seconds(ttl), Ok(seconds));
    }

    #[rstest]
    #[case(Duration::new(i64::MAX as u64, 1))]
    #[case(Duration::MAX)]
    fn a_ttl_that_no_request_holds_is_too_large(#[case] ttl: Duration) {
        assert_eq!(whole_seconds(ttl).unwrap_err().kind, ErrorKind::TtlTooLarge);
    }
}
