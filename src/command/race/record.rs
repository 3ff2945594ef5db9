//! Records the calls of a race and what its watches deliver, by which it is judged.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::Field;
use crate::history::{RaceBatch, RaceCall, RaceReply, RaceWatch};
use crate::session::reader::Feed;
use crate::store::{Call, ErrorKind, Reply, Result, StoreError, WatchEvent, WatchStream};

/// What was seen of a race so far.
pub(super) struct Record {
    start: Instant,
    seen: Mutex<Seen>,
}

#[derive(Default)]
pub(super) struct Seen {
    pub calls: Vec<RaceCall>,
    pub watches: Vec<RaceWatch>,
    /// The keys of the last list.
    listed: BTreeSet<Vec<u8>>,
}

/// A watch of a race, whose batches are recorded as they are read.
pub(super) struct RaceFeed {
    feed: Feed,
    place: usize,
}

impl Record {
    pub fn new() -> Self {
        Self { start: Instant::now(), seen: Mutex::default() }
    }

    pub fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seen {
    /// The reply, with keys as they changed since the last list.
    fn changed(&mut self, reply: RaceReply, own: impl Fn(&[u8]) -> Vec<u8>) -> RaceReply {
        match reply {
            RaceReply::Keys { came, .. } => {
                let now: BTreeSet<_> = came.iter().map(|key| own(key)).collect();
                let before = std::mem::replace(&mut self.listed, now);
                let came = self.listed.difference(&before).cloned().collect();
                let went = before.difference(&self.listed).cloned().collect();
                RaceReply::Keys { came, went }
            }
            RaceReply::Error(error) if error.kind == ErrorKind::KeyNotFound => {
                self.listed.clear();
                RaceReply::Error(error)
            }
            other => other,
        }
    }
}

impl Field {
    /// Makes a call of one client, and records it.
    pub(super) async fn record(
        &self,
        client: usize,
        round: Option<usize>,
        call: Call,
    ) -> Result<RaceReply> {
        let perform = self.call(call.clone().perform(self.clients[client].as_ref()));
        self.record_as(client, round, call, perform).await
    }

    /// Records what `perform` does as this call.
    pub(super) async fn record_as(
        &self,
        client: usize,
        round: Option<usize>,
        call: Call,
        perform: impl Future<Output = Result<Reply>>,
    ) -> Result<RaceReply> {
        let place = {
            let begun = self.begin(client, round, call);
            let mut seen = self.record.seen();
            seen.calls.push(begun);
            seen.calls.len() - 1
        };
        let reply = perform.await;
        let is_late = reply.as_ref().is_err_and(|e| e.kind == ErrorKind::DeadlineExceeded);
        let returned = (!is_late).then(|| self.record.start.elapsed());
        let mut seen = self.record.seen();
        let reply = seen.changed(reply.into(), |key| self.own(key).to_vec());
        let call = &mut seen.calls[place];
        (call.returned, call.reply) = (returned, reply.clone());
        match reply {
            RaceReply::Error(error) => Err(error),
            reply => Ok(reply),
        }
    }

    /// A call that begins now, with the keys of the script.
    fn begin(&self, client: usize, round: Option<usize>, mut call: Call) -> RaceCall {
        call.keys_mut().into_iter().for_each(|key| *key = self.own(key).to_vec());
        let (began, returned) = (self.record.start.elapsed(), None);
        RaceCall { client, round, call, began, returned, reply: RaceReply::Dropped }
    }

    /// Opens a watch, which is read from then on unless no one is to.
    pub(super) async fn open_watch(
        &self,
        client: usize,
        round: Option<usize>,
        call: Call,
        is_unread: bool,
    ) -> Result<RaceFeed> {
        let mut opening = self.begin(client, round, call.clone());
        let opened = self.call(call.perform(self.clients[client].as_ref())).await;
        let opened = opened.and_then(WatchStream::try_from);
        opening.returned = Some(self.record.start.elapsed());
        opening.reply = match &opened {
            Ok(_) => RaceReply::Done,
            Err(error) => RaceReply::Error(error.clone()),
        };
        let place = {
            let mut seen = self.record.seen();
            seen.watches.push(RaceWatch { opening, batches: Vec::new(), error: None });
            seen.watches.len() - 1
        };
        Ok(RaceFeed { feed: Feed::new(opened?, is_unread).await, place })
    }

    /// Reads the next batch, which must come in time.
    pub(super) async fn read(&self, watching: &mut RaceFeed) -> Result<RaceBatch> {
        let place = watching.place;
        let read = self.call(self.read_late(watching)).await;
        self.note_end(place, read.as_ref().err());
        read
    }

    /// Reads the next batch, however late it comes.
    pub(super) async fn read_late(&self, watching: &mut RaceFeed) -> Result<RaceBatch> {
        let read = watching.feed.next().await;
        self.note_end(watching.place, read.as_ref().err());
        let batch = read?;
        let at = batch.at.saturating_duration_since(self.record.start);
        let own = |event: WatchEvent| event.with_key(|key| self.own(&key).to_vec());
        let batch = RaceBatch { at, events: batch.events.into_iter().map(own).collect() };
        self.record.seen().watches[watching.place].batches.push(batch.clone());
        Ok(batch)
    }

    fn note_end(&self, place: usize, error: Option<&StoreError>) {
        self.record.seen().watches[place].error = error.cloned();
    }
}

impl RaceFeed {
    /// Ends the watch.
    pub async fn end(self) {
        self.feed.end().await;
    }
}
