//! Takes in the events of a watch as they come, read or not, and delivers them until the watch is lost.

use std::future::Future;

use super::queue::Queue;
use crate::store::{ErrorKind, MOST_UNREAD, Result, StoreError, WatchBatch, WatchStream};

/// Where the events of a watch come from. Dropping it ends the watch at the server.
pub(super) trait Source: Send + 'static {
    /// Waits for what comes next; `None` if it is nothing for the reader, and an error if the watch is lost.
    fn next(&mut self) -> impl Future<Output = Result<Option<WatchBatch>>> + Send;
}

/// Delivers events until the stream is dropped or the watch is lost, `closed` included.
///
/// A task takes them in: a server may drop a reader that does not keep up, and what stays unread in a connection may hold
/// up the answers to its other calls.
pub(super) fn deliver(
    mut source: impl Source,
    closed: impl Future<Output = ()> + Send + 'static,
) -> WatchStream {
    let (queue, watch) = Queue::new(MOST_UNREAD, || Some(broken_off()));
    tokio::spawn(async move {
        let lost = tokio::select! {
            () = queue.dropped() => return,
            () = closed => Some(ErrorKind::Closed.into()),
            lost = forward(&mut source, &queue) => lost,
        };
        lost.into_iter().for_each(|lost| queue.end(lost));
    });
    watch
}

/// Forwards every event until the watch is lost, and says how; `None` if its queue has ended it.
async fn forward(source: &mut impl Source, queue: &Queue) -> Option<StoreError> {
    loop {
        match source.next().await {
            Ok(Some(batch)) => {
                if !queue.put(batch) {
                    return None;
                }
            }
            Ok(None) => {}
            Err(lost) => return Some(lost),
        }
    }
}

/// The task has panicked, as that of etcd-client does on an event of a type that it does not know.
fn broken_off() -> StoreError {
    let message = "the watch broke off: the server sent what the client library cannot read";
    StoreError::new(ErrorKind::Other, message)
}
