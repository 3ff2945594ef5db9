//! The watches of a case, and the fence that proves how many events there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::clients::{Clients, random};
use crate::store::{ErrorKind, Result, Store, StoreError, WatchEvent, WatchStream};
use crate::transcript::{Answer, EventCount, Events};

/// The watches that a script opened, by name.
pub(super) struct Watches {
    open: BTreeMap<String, Watch>,
    fences: Fences,
}

struct Watch {
    prefix: Vec<u8>,
    stream: WatchStream,
    /// Events that were delivered and not yet asked for.
    pending: VecDeque<WatchEvent>,
    /// What ended the stream, where it ended.
    ended: Option<StoreError>,
    /// The last revision that came.
    last: Option<i64>,
    /// What was wrong with the revisions of the events, and was not told yet.
    flaws: Vec<String>,
}

/// Names fence keys, and knows them again.
#[derive(Default)]
struct Fences {
    mark: Vec<u8>,
    written: usize,
    /// Those that may be in the store still.
    standing: BTreeSet<Vec<u8>>,
}

impl Fences {
    fn next(&mut self, prefix: &[u8]) -> Vec<u8> {
        self.written += 1;
        let fence = [prefix, &self.mark, self.written.to_string().as_bytes()].concat();
        self.standing.insert(fence.clone());
        fence
    }

    fn made(&self, key: &[u8]) -> bool {
        key.windows(self.mark.len()).any(|window| window == self.mark)
    }
}

impl Watches {
    pub fn new() -> Self {
        let mark = format!("~fence-{:016x}-", random()).into_bytes();
        Self { open: BTreeMap::new(), fences: Fences { mark, ..Fences::default() } }
    }

    /// Opens a watch, from now or from a revision on; one of the same name is ended.
    pub async fn open(
        &mut self,
        clients: &mut Clients<'_>,
        store: &dyn Store,
        name: String,
        prefix: &[u8],
        from: Option<i64>,
    ) -> Result<()> {
        let prefix = clients.whole(prefix);
        let opened = match from {
            None => clients.call(store.watch(&prefix)).await,
            Some(revision) => {
                let revisions = store.revisions().ok_or(ErrorKind::Unsupported)?;
                clients.call(revisions.watch_from(&prefix, revision)).await
            }
        };
        // A store may refuse a compacted revision at once or as the first thing that it delivers: both read alike.
        let (stream, ended): (WatchStream, _) = match opened {
            Ok(stream) => (stream, None),
            Err(error) if error.kind == ErrorKind::Compacted => {
                (stream::empty().boxed(), Some(error))
            }
            Err(error) => return Err(error),
        };
        let watch = Watch {
            prefix,
            stream,
            pending: VecDeque::new(),
            ended,
            last: None,
            flaws: Vec::new(),
        };
        self.open.insert(name, watch);
        Ok(())
    }

    pub fn close(&mut self, name: &str) -> Result<()> {
        self.open.remove(name).map(drop).ok_or_else(|| not_open(name))
    }

    pub fn close_all(&mut self) {
        self.open.clear();
    }

    /// The fences that a call which was cut short may have left in the store.
    pub fn standing_fences(&self) -> impl Iterator<Item = Vec<u8>> {
        self.fences.standing.iter().cloned()
    }

    /// Whether the watch sees this key of the script.
    pub fn sees(&self, clients: &Clients<'_>, name: &str, key: &[u8]) -> bool {
        self.open.get(name).is_some_and(|watch| clients.whole(key).starts_with(&watch.prefix))
    }

    /// Waits for one more event, without writing anything that could push it out.
    ///
    /// The event may be the end of a time to live, for which `patience` is left.
    pub async fn next(
        &mut self,
        clients: &mut Clients<'_>,
        name: &str,
        patience: Duration,
    ) -> Result<Answer> {
        let watch = self.open.get_mut(name).ok_or_else(|| not_open(name))?;
        let fences = &self.fences;
        let next = async {
            loop {
                match watch.next().await? {
                    event if fences.made(event.key()) => {}
                    event => return Ok(event),
                }
            }
        };
        let event = clients.call_later(patience, next).await?;
        let flaws = std::mem::take(&mut watch.flaws);
        Ok(Answer::Events(Events { events: vec![own(clients, event)], flaws, ..Events::default() }))
    }

    /// All events since the last call, with the error that kept the fence from arriving, if one did.
    ///
    /// The fence is a write below the watch's own prefix: the watch receives it after all that came before.
    pub async fn events(
        &mut self,
        clients: &mut Clients<'_>,
        store: &dyn Store,
        name: &str,
    ) -> Events {
        let Some(watch) = self.open.get_mut(name) else {
            return Events { error: Some(not_open(name)), ..Events::default() };
        };
        let mut events = Vec::new();
        let mut error = watch.ended.clone();
        if error.is_none() {
            let fence = self.fences.next(&watch.prefix);
            let fences = &self.fences;
            error = clients.call(store.update(&fence, b"fence")).await.err();
            let received = clients.call(watch.until(&fence, fences, &mut events)).await;
            error = error.or(received.err());
            let removed = clients.call(store.delete(&fence)).await;
            if removed.is_ok() {
                self.fences.standing.remove(&fence);
            }
            error = error.or(removed.err());
        } else {
            let fences = &self.fences;
            events.extend(watch.pending.drain(..).filter(|event| !fences.made(event.key())));
        }
        let events = events.into_iter().map(|event| own(clients, event)).collect();
        Events { events, flaws: std::mem::take(&mut watch.flaws), error, since: None }
    }
}

impl Watch {
    /// The next event, fences included.
    async fn next(&mut self) -> Result<WatchEvent> {
        loop {
            if let Some(event) = self.pending.pop_front() {
                return Ok(event);
            }
            if let Some(error) = &self.ended {
                return Err(error.clone());
            }
            match self.stream.next().await {
                Some(Ok(batch)) => self.take(batch),
                Some(Err(error)) => self.ended = Some(error),
                None => {
                    self.ended =
                        Some(StoreError::new(ErrorKind::Canceled, "the watch ended without a word"))
                }
            }
        }
    }

    /// Takes in a batch, and notes what is wrong with its revisions.
    fn take(&mut self, batch: Vec<WatchEvent>) {
        let mut last = self.last;
        for (index, event) in batch.iter().enumerate() {
            let revision = event.mod_revision();
            let flaw = match (last, revision) {
                (Some(last), Some(now)) if now < last => "an older revision came after a newer one",
                // Within a batch one revision may have many events; over two it must not be spread.
                (Some(last), Some(now)) if now == last && index == 0 => {
                    "one revision came in two batches"
                }
                _ => "",
            };
            if !flaw.is_empty() && !self.flaws.iter().any(|known| known == flaw) {
                self.flaws.push(flaw.into());
            }
            last = revision.or(last);
        }
        self.last = last;
        self.pending.extend(batch);
    }

    /// Collects events up to the fence.
    async fn until(
        &mut self,
        fence: &[u8],
        fences: &Fences,
        events: &mut Vec<WatchEvent>,
    ) -> Result<()> {
        loop {
            match self.next().await? {
                WatchEvent::Put { key, .. } if key == fence => return Ok(()),
                event if fences.made(event.key()) => {}
                event => events.push(event),
            }
        }
    }
}

fn not_open(name: &str) -> StoreError {
    StoreError::new(ErrorKind::Canceled, format!("the watch '{name}' is not open"))
}

fn own(clients: &Clients<'_>, event: WatchEvent) -> WatchEvent {
    match event {
        WatchEvent::Put { key, value, mod_revision } => {
            WatchEvent::Put { key: clients.own(&key), value, mod_revision }
        }
        WatchEvent::Delete { key, mod_revision } => {
            WatchEvent::Delete { key: clients.own(&key), mod_revision }
        }
    }
}

/// Counts events instead of telling each.
pub(super) fn count(events: Events) -> Answer {
    let Events { events, flaws, error, .. } = events;
    let mut count = EventCount { flaws, error, ..EventCount::default() };
    let mut keys = BTreeSet::new();
    let mut last: BTreeMap<Vec<u8>, u64> = BTreeMap::new();
    for event in events {
        match &event {
            WatchEvent::Put { key, value, .. } => {
                count.puts += 1;
                if let Some(number) = super::fill::number(value)
                    && last.insert(key.clone(), number).is_some_and(|before| before >= number)
                {
                    count.disorder.get_or_insert_with(|| key.clone());
                }
            }
            WatchEvent::Delete { .. } => count.deletes += 1,
        }
        keys.insert(event.key().to_vec());
    }
    count.keys = keys.len();
    Answer::EventCount(count)
}
