//! A store served as etcd serves its own: on loopback, on a port that the system chose, until it is dropped.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use etcd_client::proto::{
    PbAlarmRequest, PbAlarmResponse, PbDefragmentRequest, PbDefragmentResponse, PbDowngradeRequest,
    PbDowngradeResponse, PbHashKvRequest, PbHashKvResponse, PbHashRequest, PbHashResponse,
    PbKvServer, PbLeaseServer, PbMaintenanceServer, PbMaintenanceService, PbMoveLeaderRequest,
    PbMoveLeaderResponse, PbSnapshotRequest, PbSnapshotResponse, PbStatusRequest, PbStatusResponse,
    PbWatchServer,
};
use futures_util::stream::BoxStream;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::Store;
use tokio::net::TcpListener;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

use super::faults::Faults;
use super::proxy;

/// The largest request that is taken at all; what is too large for a store it says itself.
const MAX_REQUEST: usize = 64 << 20;

/// A server that runs on a thread of its own.
pub struct Served {
    pub address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What all services of a server share.
pub struct Shared {
    pub store: Arc<dyn Store>,
    pub faults: Faults,
    /// Held while a call is answered, so that its answer is of one moment.
    pub turn: tokio::sync::Mutex<()>,
    pub last_put: Mutex<(Option<Vec<u8>>, BTreeSet<Vec<u8>>)>,
}

/// One service, of whatever kind.
#[derive(Clone)]
pub struct Service(pub Arc<Shared>);

impl Served {
    /// Serves an empty store in memory, or forwards to the server that is named.
    pub fn memory(faults: Faults) -> Self {
        Self::start(faults, || Arc::new(MemoryStore::new()))
    }

    /// Serves the store that `make` gives, inside the server's own runtime.
    pub fn start(faults: Faults, make: impl FnOnce() -> Arc<dyn Store> + Send + 'static) -> Self {
        let (started, address) = std::sync::mpsc::sync_channel(1);
        let (stop, stopped) = oneshot::channel();
        let thread = std::thread::spawn(move || {
            let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(serve(faults, make, &started, stopped));
        });
        let address = address.recv().expect("the server has an address");
        Self { address, stop: Some(stop), thread: Some(thread) }
    }

    /// The endpoint that clients are given.
    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

async fn serve(
    faults: Faults,
    make: impl FnOnce() -> Arc<dyn Store>,
    started: &std::sync::mpsc::SyncSender<SocketAddr>,
    stopped: oneshot::Receiver<()>,
) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port on loopback");
    let _ = started.send(listener.local_addr().expect("an address"));
    if let Some(server) = faults.before {
        tokio::select! {
            () = proxy::forward(listener, server, faults.delay) => {}
            _ = stopped => {}
        }
        return;
    }
    let (store, turn, last_put) = (make(), Default::default(), Default::default());
    let service = Service(Arc::new(Shared { store, faults, turn, last_put }));
    let serving = Server::builder()
        .add_service(PbKvServer::new(service.clone()).max_decoding_message_size(MAX_REQUEST))
        .add_service(PbLeaseServer::new(service.clone()))
        .add_service(PbWatchServer::new(service.clone()))
        .add_service(PbMaintenanceServer::new(service))
        .serve_with_incoming(TcpListenerStream::new(listener));
    tokio::select! {
        _ = serving => {}
        _ = stopped => {}
    }
}

#[tonic::async_trait]
impl PbMaintenanceService for Service {
    type SnapshotStream = BoxStream<'static, Result<PbSnapshotResponse, Status>>;

    async fn status(
        &self,
        _: Request<PbStatusRequest>,
    ) -> Result<Response<PbStatusResponse>, Status> {
        self.0.faults.gate("Status").await?;
        let (header, version) = (self.0.header().await, "3.5.99".into());
        Ok(Response::new(PbStatusResponse { header, version, ..PbStatusResponse::default() }))
    }

    async fn alarm(&self, _: Request<PbAlarmRequest>) -> Result<Response<PbAlarmResponse>, Status> {
        Err(Status::unimplemented("unknown method Alarm"))
    }

    async fn defragment(
        &self,
        _: Request<PbDefragmentRequest>,
    ) -> Result<Response<PbDefragmentResponse>, Status> {
        Err(Status::unimplemented("unknown method Defragment"))
    }

    async fn hash(&self, _: Request<PbHashRequest>) -> Result<Response<PbHashResponse>, Status> {
        Err(Status::unimplemented("unknown method Hash"))
    }

    async fn hash_kv(
        &self,
        _: Request<PbHashKvRequest>,
    ) -> Result<Response<PbHashKvResponse>, Status> {
        Err(Status::unimplemented("unknown method HashKV"))
    }

    async fn snapshot(
        &self,
        _: Request<PbSnapshotRequest>,
    ) -> Result<Response<Self::SnapshotStream>, Status> {
        Err(Status::unimplemented("unknown method Snapshot"))
    }

    async fn move_leader(
        &self,
        _: Request<PbMoveLeaderRequest>,
    ) -> Result<Response<PbMoveLeaderResponse>, Status> {
        Err(Status::unimplemented("unknown method MoveLeader"))
    }

    async fn downgrade(
        &self,
        _: Request<PbDowngradeRequest>,
    ) -> Result<Response<PbDowngradeResponse>, Status> {
        Err(Status::unimplemented("unknown method Downgrade"))
    }
}
