//! The calls on leases.

use std::time::Duration;

use etcd_client::proto::{
    PbLeaseGrantRequest, PbLeaseGrantResponse, PbLeaseKeepAliveRequest, PbLeaseKeepAliveResponse,
    PbLeaseLeasesRequest, PbLeaseLeasesResponse, PbLeaseRevokeRequest, PbLeaseRevokeResponse,
    PbLeaseService, PbLeaseTimeToLiveRequest, PbLeaseTimeToLiveResponse,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kvspec::store::Leases;
use tonic::{Request, Response, Status, Streaming};

use super::faults::Unlike;
use super::range::status;
use super::served::{Service, Shared};

type Answer<T> = Result<Response<T>, Status>;

/// How long a lease lives that never ends by itself.
const ENDLESS: Duration = Duration::from_secs(100_000);

impl Shared {
    fn leases(&self) -> &dyn Leases {
        self.store.leases().expect("the store has leases")
    }

    async fn renewed(&self, id: i64) -> Result<PbLeaseKeepAliveResponse, Status> {
        self.faults.gate("LeaseKeepAlive").await?;
        let _turn = self.turn.lock().await;
        let ttl = match self.faults.has(Unlike::RenewsNothing) {
            true => self.leases().time_to_live(id).await.map(|left| left.granted),
            false => self.leases().keep_alive(id).await,
        };
        let ttl = ttl.map_or(0, seconds);
        Ok(PbLeaseKeepAliveResponse { header: self.header().await, id, ttl })
    }
}

fn seconds(time: Duration) -> i64 {
    i64::try_from(time.as_secs()).unwrap_or(i64::MAX)
}

#[tonic::async_trait]
impl PbLeaseService for Service {
    type LeaseKeepAliveStream = BoxStream<'static, Result<PbLeaseKeepAliveResponse, Status>>;

    async fn lease_grant(
        &self,
        request: Request<PbLeaseGrantRequest>,
    ) -> Answer<PbLeaseGrantResponse> {
        self.0.faults.gate("LeaseGrant").await?;
        let _turn = self.0.turn.lock().await;
        let PbLeaseGrantRequest { ttl, id } = request.into_inner();
        let asked = Duration::from_secs(u64::try_from(ttl).unwrap_or(0));
        let is_endless = self.0.faults.has(Unlike::EndlessLeases) && ttl < seconds(ENDLESS);
        let given = if is_endless { ENDLESS } else { asked };
        let lease = match id {
            0 => self.0.leases().lease(given).await,
            id => self.0.leases().lease_with_id(id, given).await,
        }
        .map_err(status)?;
        let (header, error) = (self.0.header().await, String::new());
        let ttl = if is_endless { ttl } else { seconds(lease.ttl) };
        Ok(Response::new(PbLeaseGrantResponse { header, id: lease.id, ttl, error }))
    }

    async fn lease_revoke(
        &self,
        request: Request<PbLeaseRevokeRequest>,
    ) -> Answer<PbLeaseRevokeResponse> {
        self.0.faults.gate("LeaseRevoke").await?;
        let _turn = self.0.turn.lock().await;
        self.0.leases().revoke(request.into_inner().id).await.map_err(status)?;
        Ok(Response::new(PbLeaseRevokeResponse { header: self.0.header().await }))
    }

    async fn lease_keep_alive(
        &self,
        request: Request<Streaming<PbLeaseKeepAliveRequest>>,
    ) -> Answer<Self::LeaseKeepAliveStream> {
        if self.0.faults.unimplemented.iter().any(|one| one == "LeaseKeepAlive") {
            return Err(Status::unimplemented("unknown method LeaseKeepAlive"));
        }
        let shared = self.0.clone();
        let renewed = request.into_inner().then(move |asked| {
            let shared = shared.clone();
            async move { shared.renewed(asked?.id).await }
        });
        Ok(Response::new(renewed.boxed()))
    }

    async fn lease_time_to_live(
        &self,
        request: Request<PbLeaseTimeToLiveRequest>,
    ) -> Answer<PbLeaseTimeToLiveResponse> {
        self.0.faults.gate("LeaseTimeToLive").await?;
        let _turn = self.0.turn.lock().await;
        let id = request.into_inner().id;
        let header = self.0.header().await;
        Ok(Response::new(match self.0.leases().time_to_live(id).await {
            Ok(left) => PbLeaseTimeToLiveResponse {
                header,
                id,
                ttl: seconds(left.remaining),
                granted_ttl: seconds(left.granted),
                keys: left.keys,
            },
            Err(_) => {
                PbLeaseTimeToLiveResponse { header, id, ttl: -1, granted_ttl: 0, keys: Vec::new() }
            }
        }))
    }

    async fn lease_leases(
        &self,
        _: Request<PbLeaseLeasesRequest>,
    ) -> Answer<PbLeaseLeasesResponse> {
        Err(Status::unimplemented("unknown method LeaseLeases"))
    }
}
