//! Watches of an etcd.

use std::collections::VecDeque;
use std::sync::Arc;

use etcd_client::{Event, EventType, WatchResponse};

use super::error;
use crate::backend::watching::Source;
use crate::store::{ErrorKind, Result, StoreError, WatchBatch, WatchEvent};

/// One watch on its own stream of a client's connection, before anybody reads it.
pub(super) struct Watching {
    stream: etcd_client::WatchStream,
    address: Arc<str>,
    /// What came with or before the word that the watch is created.
    early: VecDeque<Result<WatchBatch>>,
}

impl Watching {
    pub(super) fn new(stream: etcd_client::WatchStream, address: Arc<str>) -> Self {
        Self { stream, address, early: VecDeque::new() }
    }

    /// Waits until the server says that the watch is created.
    pub(super) async fn created(&mut self) -> Result<()> {
        loop {
            let message = self.message().await?;
            if let Some(lost) = cancellation(&message) {
                return Err(lost);
            }
            if !message.events().is_empty() {
                self.early.push_back(batch(&message));
            }
            if message.created() {
                return Ok(());
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

impl Source for Watching {
    async fn next(&mut self) -> Result<Option<WatchBatch>> {
        if let Some(early) = self.early.pop_front() {
            return early.map(Some);
        }
        let message = self.message().await?;
        // A message without events is a sign of life, or the end.
        let events = (!message.events().is_empty()).then(|| batch(&message)).transpose()?;
        match (cancellation(&message), events) {
            (Some(lost), None) => Err(lost),
            (lost, events) => {
                self.early.extend(lost.map(Err));
                Ok(events)
            }
        }
    }
}

/// The events of one message, which belong together.
fn batch(message: &WatchResponse) -> Result<WatchBatch> {
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
