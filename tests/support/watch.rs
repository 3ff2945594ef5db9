//! The call Watch: one stream of requests, and one of what every watch of it delivers.

use std::collections::BTreeMap;

use etcd_client::proto::{
    PbEvent, PbKeyValue, PbResponseHeader, PbWatchRequest, PbWatchRequestUnion, PbWatchResponse,
    PbWatchService,
};
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use kvspec::store::{ErrorKind, StoreError, WatchEvent, WatchStream};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use super::faults::{Faults, Unlike};
use super::range::prefix_of;
use super::served::{Service, Shared};

type Sender = mpsc::UnboundedSender<Result<PbWatchResponse, Status>>;

#[tonic::async_trait]
impl PbWatchService for Service {
    type WatchStream = BoxStream<'static, Result<PbWatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<PbWatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        self.0.faults.gate("Watch").await?;
        let (sender, receiver) = mpsc::unbounded_channel();
        let (shared, mut requests) = (self.0.clone(), request.into_inner());
        tokio::spawn(async move {
            let mut open = BTreeMap::new();
            while let Some(Ok(request)) = requests.next().await {
                if let Some(request) = request.request_union {
                    shared.requested(request, &mut open, &sender).await;
                }
            }
            open.values().for_each(JoinHandle::abort);
        });
        let pace = self.0.faults.pace;
        let paced = UnboundedReceiverStream::new(receiver).then(move |message| async move {
            tokio::time::sleep(pace).await;
            message
        });
        Ok(Response::new(paced.boxed()))
    }
}

impl Shared {
    async fn requested(
        &self,
        request: PbWatchRequestUnion,
        open: &mut BTreeMap<i64, JoinHandle<()>>,
        sender: &Sender,
    ) {
        match request {
            PbWatchRequestUnion::CreateRequest(asked) => {
                let id = i64::try_from(open.len()).unwrap_or(0);
                let _turn = self.turn.lock().await;
                let header = self.header().await;
                let created = PbWatchResponse {
                    header,
                    watch_id: id,
                    created: true,
                    ..PbWatchResponse::default()
                };
                let watched = match prefix_of(&asked.key, &asked.range_end) {
                    Ok(true) => self.watched(&asked.key, asked.start_revision).await,
                    _ => Err(ErrorKind::Unsupported.into()),
                };
                let _ = sender.send(Ok(created));
                match watched {
                    Ok(events) => {
                        let delivery =
                            deliver(events, id, header, self.faults.clone(), sender.clone());
                        open.insert(id, tokio::spawn(delivery));
                    }
                    Err(error) => {
                        let _ = sender.send(Ok(canceled(&error, id, header)));
                    }
                }
            }
            PbWatchRequestUnion::CancelRequest(asked) => {
                if let Some(watch) = open.remove(&asked.watch_id) {
                    watch.abort();
                }
                let canceled = PbWatchResponse {
                    header: self.header().await,
                    watch_id: asked.watch_id,
                    canceled: true,
                    ..PbWatchResponse::default()
                };
                let _ = sender.send(Ok(canceled));
            }
            PbWatchRequestUnion::ProgressRequest(_) => {
                let header = self.header().await;
                let told = PbWatchResponse { header, watch_id: -1, ..PbWatchResponse::default() };
                let _ = sender.send(Ok(told));
            }
        }
    }

    async fn watched(&self, prefix: &[u8], from: i64) -> kvspec::store::Result<WatchStream> {
        match from {
            0 => self.store.watch(prefix).await,
            from => {
                let revisions = self.store.revisions().ok_or(ErrorKind::Unsupported)?;
                revisions.watch_from(prefix, from).await
            }
        }
    }
}

async fn deliver(
    mut events: WatchStream,
    id: i64,
    header: Option<PbResponseHeader>,
    faults: Faults,
    sender: Sender,
) {
    while let Some(batch) = events.next().await {
        let message = match batch {
            Ok(_) if faults.has(Unlike::SilentWatches) => continue,
            Ok(batch) => PbWatchResponse {
                header,
                watch_id: id,
                events: batch.events.into_iter().flat_map(|one| told(one, &faults)).collect(),
                ..PbWatchResponse::default()
            },
            Err(error) => canceled(&error, id, header),
        };
        if sender.send(Ok(message)).is_err() {
            return;
        }
    }
}

fn canceled(error: &StoreError, id: i64, header: Option<PbResponseHeader>) -> PbWatchResponse {
    let (compact_revision, cancel_reason) = match error.kind {
        ErrorKind::Compacted => {
            (1, "etcdserver: mvcc: required revision has been compacted".to_owned())
        }
        _ => (0, error.to_string()),
    };
    PbWatchResponse {
        header,
        watch_id: id,
        canceled: true,
        compact_revision,
        cancel_reason,
        ..PbWatchResponse::default()
    }
}

/// What is delivered of an event.
fn told(one: WatchEvent, faults: &Faults) -> Vec<PbEvent> {
    let is_left_out =
        faults.has(Unlike::NoDeleteEvents) && matches!(one, WatchEvent::Delete { .. });
    let times = match (is_left_out, faults.has(Unlike::TwiceDelivered)) {
        (true, _) => 0,
        (false, true) => 2,
        (false, false) => 1,
    };
    vec![event(one, faults); times]
}

fn event(event: WatchEvent, faults: &Faults) -> PbEvent {
    let has_none = faults.has(Unlike::NoEventRevisions) || faults.has(Unlike::NoRevisions);
    let mod_revision = event.mod_revision().filter(|_| !has_none).unwrap_or(0);
    let key = event.key().to_vec();
    let (kind, value) = match event {
        WatchEvent::Put { value, .. } => {
            let is_deleted = value.is_empty() && faults.has(Unlike::EmptyIsDeleted);
            (i32::from(is_deleted), value)
        }
        WatchEvent::Delete { .. } => (1, Vec::new()),
    };
    let kv = PbKeyValue { key, value, mod_revision, ..PbKeyValue::default() };
    PbEvent { r#type: kind, kv: Some(kv), prev_kv: None }
}
