//! Watches of an etcd.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use etcd_client::{Event, EventType, WatchResponse};
use futures_util::Stream;
use tokio::sync::mpsc;

use super::error;
use crate::store::{ErrorKind, Result, StoreError, WatchEvent, WatchStream};

/// What a watch yields: a batch of events, or why there will be no more.
type Batch = Result<Vec<WatchEvent>>;

/// One watch on its own stream of a client's connection, before anybody reads it.
pub(super) struct Watching {
    stream: etcd_client::WatchStream,
    address: Arc<str>,
    /// What came with or before the word that the watch is created.
    early: Vec<Batch>,
}

impl Watching {
    pub(super) fn new(stream: etcd_client::WatchStream, address: Arc<str>) -> Self {
        Self { stream, address, early: Vec::new() }
    }

    /// Waits until the server says that the watch is created.
    pub(super) async fn created(&mut self) -> Result<()> {
        loop {
            let message = self.message().await?;
            if let Some(lost) = cancellation(&message) {
                return Err(lost);
            }
            if !message.events().is_empty() {
                self.early.push(batch(&message));
            }
            if message.created() {
                return Ok(());
            }
        }
    }

    /// Delivers events until the stream is dropped or the watch is lost, `closed` included.
    ///
    /// A task takes them in as they come, read or not. All streams of a connection share one HTTP/2 window: events left
    /// there unread would fill it, and with it hold up the answers to every other call of the client. So they wait in
    /// a queue without a bound, as in etcd's own client; it holds no more than the case at hand has written.
    pub(super) fn deliver(self, closed: impl Future<Output = ()> + Send + 'static) -> WatchStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(self.pump(sender, closed));
        Box::pin(Events { receiver, lost: false })
    }

    /// Moves events into the queue. Returning drops the server's stream, which ends the watch there too.
    async fn pump(mut self, queue: mpsc::UnboundedSender<Batch>, closed: impl Future<Output = ()>) {
        for batch in std::mem::take(&mut self.early) {
            let _ = queue.send(batch);
        }
        let lost = tokio::select! {
            () = queue.closed() => return,
            () = closed => ErrorKind::Closed.into(),
            lost = self.forward(&queue) => lost,
        };
        let _ = queue.send(Err(lost));
    }

    /// Forwards every event until the watch is lost, and tells how.
    async fn forward(&mut self, queue: &mpsc::UnboundedSender<Batch>) -> StoreError {
        loop {
            let message = match self.message().await {
                Ok(message) => message,
                Err(lost) => return lost,
            };
            // A message without events is a sign of life, or the end.
            if !message.events().is_empty() {
                match batch(&message) {
                    Ok(events) => drop(queue.send(Ok(events))),
                    Err(lost) => return lost,
                }
            }
            if let Some(lost) = cancellation(&message) {
                return lost;
            }
        }
    }

    async fn message(&mut self) -> Result<WatchResponse> {
        match self.stream.message().await {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(StoreError::new(
                ErrorKind::Unavailable,
                "the server ended the stream of the watch",
            )),
            Err(error) => Err(error::from_client(error, &self.address)),
        }
    }
}

/// The events of one message, which belong together.
fn batch(message: &WatchResponse) -> Batch {
    message.events().iter().map(event).collect()
}

fn event(event: &Event) -> Result<WatchEvent> {
    let kv = event.kv().ok_or_else(|| {
        StoreError::new(ErrorKind::Other, "the server sent an event without a key")
    })?;
    let (key, mod_revision) = (kv.key().to_vec(), Some(kv.mod_revision()));
    Ok(match event.event_type() {
        EventType::Put => WatchEvent::Put { key, value: kv.value().to_vec(), mod_revision },
        EventType::Delete => WatchEvent::Delete { key, mod_revision },
    })
}

/// Why the server ended the watch, if that is what the message says.
fn cancellation(message: &WatchResponse) -> Option<StoreError> {
    match message.compact_revision() {
        _ if !message.canceled() => None,
        0 => Some(error::from_cancel_reason(message.cancel_reason())),
        oldest => Some(StoreError::new(
            ErrorKind::Compacted,
            format!(
                "the watch asks for events that are gone: the oldest revision kept is {oldest}"
            ),
        )),
    }
}

/// The reading end of a watch's queue.
struct Events {
    receiver: mpsc::UnboundedReceiver<Batch>,
    lost: bool,
}

impl Stream for Events {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Batch>> {
        if self.lost {
            return Poll::Ready(None);
        }
        let batch = ready!(self.receiver.poll_recv(context)).unwrap_or_else(|| {
            // etcd-client panics in the task on an event of a type that it does not know.
            Err(StoreError::new(
                ErrorKind::Other,
                "the watch broke off: the server sent what etcd-client cannot read",
            ))
        });
        self.lost = batch.is_err();
        Poll::Ready(Some(batch))
    }
}
