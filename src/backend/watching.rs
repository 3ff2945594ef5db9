//! Takes in the events of a watch as they come, read or not, and delivers them until the watch is lost.

use std::future::Future;

use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::mpsc;

use crate::store::{ErrorKind, Result, StoreError, WatchBatch, WatchStream};

/// What a watch yields: events that belong together, or why there will be no more.
pub(super) type Batch = Result<WatchBatch>;

/// Where the events of a watch come from. Dropping it ends the watch at the server.
pub(super) trait Source: Send + 'static {
    /// Waits for what comes next; `None` if it is nothing for the reader, and an error if the watch is lost.
    fn next(&mut self) -> impl Future<Output = Result<Option<WatchBatch>>> + Send;
}

/// Delivers events until the stream is dropped or the watch is lost, `closed` included.
///
/// A task takes them in: a server may drop a reader that does not keep up, and what stays unread in a connection may hold
/// up the answers to its other calls. So they wait in a queue without a bound; it holds no more than the case has written.
pub(super) fn deliver(
    mut source: impl Source,
    closed: impl Future<Output = ()> + Send + 'static,
) -> WatchStream {
    let (queue, events) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let lost = tokio::select! {
            () = queue.closed() => return,
            () = closed => ErrorKind::Closed.into(),
            lost = forward(&mut source, &queue) => lost,
        };
        let _ = queue.send(Err(lost));
    });
    let next = async |(mut events, is_lost): (mpsc::UnboundedReceiver<Batch>, bool)| {
        if is_lost {
            return None;
        }
        let batch = events.recv().await.unwrap_or_else(|| Err(broken_off()));
        let is_lost = batch.is_err();
        Some((batch, (events, is_lost)))
    };
    unfold((events, false), next).boxed()
}

/// Forwards every event until the watch is lost, and says how.
async fn forward(source: &mut impl Source, queue: &mpsc::UnboundedSender<Batch>) -> StoreError {
    loop {
        match source.next().await {
            Ok(Some(batch)) => drop(queue.send(Ok(batch))),
            Ok(None) => {}
            Err(lost) => return lost,
        }
    }
}

/// The task has panicked, as that of etcd-client does on an event of a type that it does not know.
fn broken_off() -> StoreError {
    let message = "the watch broke off: the server sent what the client library cannot read";
    StoreError::new(ErrorKind::Other, message)
}
