//! The watches of a case, and the fence that shows how many events there are.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::time::Instant;

use super::clients::{Clients, random};
use super::panics::caught;
use super::reader::{Batch, Feed};
use crate::effect::{Effect, Keys, Lifetime, StateChange, Written};
use crate::store::{ErrorKind, Result, Store, StoreError, WatchEvent};
use crate::transcript::{Answer, EventCount, Events, Order, Writes};

/// How long one command reads the events of a watch at most, however many still come.
const LONGEST_READ: Duration = Duration::from_secs(120);

/// After how long a silence it is asked whether the write that is waited for is there at all.
const SILENCE: Duration = Duration::from_secs(1);

/// How many batches must follow one that was due for their pace to count.
const STEPS: u32 = 4;

/// The watches that a script opened, by name.
pub(crate) struct Watches {
    open: BTreeMap<String, Watch>,
    fences: Fences,
    /// Whether watches are read only when the script asks.
    pub are_unread: bool,
}

struct Watch {
    prefix: Vec<u8>,
    /// The last values that were written below the prefix, by key, of which no event was delivered, and which nothing else
    /// may have changed.
    due: BTreeMap<Vec<u8>, Vec<u8>>,
    /// What it delivers; `None` if it was refused when it was opened.
    feed: Option<Feed>,
    /// Events that were delivered and not yet asked for.
    pending: VecDeque<WatchEvent>,
    /// What ended the stream, where it ended.
    ended: Option<StoreError>,
    /// The revisions that came since the last answer.
    order: Order,
    /// When batches came since the last fence was written.
    arrivals: Vec<Instant>,
}

/// Names fence keys, and knows them again.
#[derive(Default)]
struct Fences {
    mark: Vec<u8>,
    written: usize,
    /// Those that may be in the store still.
    standing: BTreeSet<Vec<u8>>,
    /// Those that were deleted.
    deleted: BTreeSet<Vec<u8>>,
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
    pub fn new(are_unread: bool) -> Self {
        let mark = format!("~fence-{:016x}-", random()).into_bytes();
        let fences = Fences { mark, ..Fences::default() };
        Self { open: BTreeMap::new(), fences, are_unread }
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
        let before = match (from, store.revisions()) {
            (Some(from), _) => Some(from - 1),
            (None, Some(revisions)) => clients.call(revisions.revision()).await.ok(),
            (None, None) => None,
        };
        let opened = match from {
            None => clients.call(store.watch(&prefix)).await,
            Some(revision) => {
                let revisions = store.revisions().ok_or(ErrorKind::Unsupported)?;
                clients.call(revisions.watch_from(&prefix, revision)).await
            }
        };
        // A store may refuse a compacted revision at once or as the first thing that it delivers: both read alike.
        let (feed, ended) = match opened {
            Ok(stream) => (Some(Feed::new(stream, self.are_unread).await), None),
            Err(error) if error.kind == ErrorKind::Compacted => (None, Some(error)),
            Err(error) => return Err(error),
        };
        let (pending, order) = (VecDeque::new(), Order { opened: before, ..Order::default() });
        let watch = Watch {
            prefix,
            due: BTreeMap::new(),
            feed,
            pending,
            ended,
            order,
            arrivals: Vec::new(),
        };
        if let Some(before) = self.open.insert(name, watch) {
            before.end().await;
        }
        Ok(())
    }

    pub async fn close(&mut self, name: &str) -> Result<()> {
        let watch = self.open.remove(name).ok_or_else(|| not_open(name))?;
        watch.end().await;
        Ok(())
    }

    /// Ends every watch; what their streams panicked with, where no one heard of it yet.
    pub async fn close_all(&mut self) -> std::result::Result<(), String> {
        let mut closed = Ok(());
        for (name, watch) in std::mem::take(&mut self.open) {
            let ended = AssertUnwindSafe(watch.end()).catch_unwind().await.map_err(caught);
            closed = closed.and(ended.map_err(|panic| format!("watch {name} panicked: {panic}")));
        }
        closed
    }

    /// Ends every watch, for the store is reopened. It may have lost the deletions of fences.
    pub async fn reopen(&mut self) -> std::result::Result<(), String> {
        self.fences.standing.append(&mut self.fences.deleted);
        self.close_all().await
    }

    /// Whether an event of the watch waits to be asked for.
    #[cfg(feature = "explore")]
    pub fn has_event(&self, name: &str) -> bool {
        let is_own = |event: &WatchEvent| !self.fences.made(event.key());
        self.open.get(name).is_some_and(|watch| {
            watch.pending.iter().any(is_own)
                || watch.feed.as_ref().is_some_and(|feed| feed.has(is_own))
        })
    }

    /// Takes every fence out of a list at a revision, at which it may have been there.
    pub fn hide_past_fences(&self, keys: &mut Vec<Vec<u8>>) {
        keys.retain(|key| !self.fences.made(key));
    }

    /// Takes those fences out of a list whose deletion failed.
    pub fn hide_fences(&self, keys: &mut Vec<Vec<u8>>) {
        keys.retain(|key| !self.fences.standing.contains(key));
    }

    /// The fences that a call which was cut short may have left in the store.
    pub fn standing_fences(&self) -> impl Iterator<Item = Vec<u8>> {
        self.fences.standing.iter().cloned()
    }

    /// Whether the watch sees this key of the script.
    pub fn sees(&self, clients: &Clients<'_>, name: &str, key: &[u8]) -> bool {
        self.open.get(name).is_some_and(|watch| clients.whole(key).starts_with(&watch.prefix))
    }

    /// Takes in what a command did: the last write below a watch is one that it must deliver.
    pub fn take(&mut self, clients: &Clients<'_>, effects: &[Effect<'_>]) {
        for effect in effects {
            match effect {
                Effect::Changed(StateChange::Wrote(
                    Keys::One(key),
                    Written::Value(value),
                    Lifetime::Permanent,
                )) => {
                    let key = clients.whole(key);
                    for watch in self.open.values_mut().filter(|one| key.starts_with(&one.prefix)) {
                        watch.due.insert(key.clone(), value.to_vec());
                    }
                }
                Effect::Changed(StateChange::Deleted(key)) => {
                    let key = clients.whole(key);
                    self.open.values_mut().for_each(|watch| drop(watch.due.remove(&key)));
                }
                Effect::Changed(StateChange::Compacted(_))
                | Effect::Watched(_)
                | Effect::Closed
                | Effect::Passed(_)
                | Effect::Saw(..) => {}
                Effect::Changed(_)
                | Effect::Either(..)
                | Effect::Reopened
                | Effect::Refused(..) => {
                    self.open.values_mut().for_each(|watch| watch.due.clear());
                }
            }
        }
    }

    /// Waits for one more event, without writing anything that could push it out.
    ///
    /// The event may be the end of a TTL, for which `max_wait` is left. In silence `store` is asked whether the last write
    /// is there at all.
    pub async fn next(
        &mut self,
        clients: &mut Clients<'_>,
        store: &dyn Store,
        name: &str,
        max_wait: Duration,
    ) -> Result<Answer> {
        let watch = self.open.get_mut(name).ok_or_else(|| not_open(name))?;
        let fences = &self.fences;
        let next = async {
            match tokio::time::timeout(SILENCE, watch.next_own(fences)).await {
                Ok(event) => event.map(Some),
                Err(_) if watch.is_write_lost(clients, store).await => Ok(None),
                Err(_) => watch.next_own(fences).await.map(Some),
            }
        };
        let event = clients.event(max_wait, next).await?;
        let is_write_lost = event.is_none();
        let events = event.into_iter().map(|event| own(clients, event).into()).collect();
        let order = watch.take_order();
        Ok(Answer::Events(Events { events, order, is_write_lost, ..Events::default() }))
    }

    /// All events since the last call, and what else is recorded of them: their order, and the error that kept the fence
    /// from arriving, if one did.
    ///
    /// The fence is a write below the watch's own prefix: the watch receives it after all that came before.
    pub async fn events(
        &mut self,
        clients: &mut Clients<'_>,
        store: &dyn Store,
        name: &str,
    ) -> (Vec<WatchEvent>, Events) {
        let Some(watch) = self.open.get_mut(name) else {
            return (Vec::new(), Events { error: Some(not_open(name)), ..Events::default() });
        };
        let mut events = Vec::new();
        let read = match watch.has_ended() {
            true => watch.rest(&self.fences, &mut events).await.map(|never| match never {}),
            false => fenced(&mut self.fences, clients, store, watch, &mut events).await,
        };
        let is_cut_off = matches!(read, Ok(Read::CutOff));
        let is_write_lost = match &read {
            Ok(Read::Lost) => true,
            Ok(Read::Whole) => watch.is_write_lost(clients, store).await,
            Ok(Read::CutOff) | Err(_) => false,
        };
        let events = events.into_iter().map(|event| own(clients, event)).collect();
        let meta = Events {
            order: watch.take_order(),
            error: read.err(),
            is_cut_off,
            is_write_lost,
            ..Events::default()
        };
        (events, meta)
    }
}

/// How the reading of events up to a fence ended.
enum Read {
    /// The fence came.
    Whole,
    /// Events still came when the time for reading them was over.
    CutOff,
    /// The fence's write was acknowledged, and its key is not there.
    Lost,
}

/// Writes a fence, collects the events up to it, and deletes it; how that ended. What the deletion answers says nothing
/// about the watch.
async fn fenced(
    fences: &mut Fences,
    clients: &mut Clients<'_>,
    store: &dyn Store,
    watch: &mut Watch,
    events: &mut Vec<WatchEvent>,
) -> Result<Read> {
    let fence = fences.next(&watch.prefix);
    let written = clients.call(store.update(&fence, b"fence")).await;
    let is_written = written.is_ok().then_some(store);
    let received = watch.until(clients, &fence, fences, events, is_written).await;
    let removed = clients.call(store.delete(&fence)).await;
    if removed.is_ok() {
        fences.standing.remove(&fence);
        fences.deleted.insert(fence);
    }
    written.and(received)
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
            match self.read().await {
                Ok(batch) => {
                    self.arrivals.push(batch.at);
                    self.take(batch.events);
                }
                Err(error) => self.ended = Some(error),
            }
        }
    }

    /// The next event that is not a fence's.
    async fn next_own(&mut self, fences: &Fences) -> Result<WatchEvent> {
        loop {
            match self.next().await? {
                event if fences.made(event.key()) => {}
                event => return Ok(event),
            }
        }
    }

    /// Whether the last write of a key was acknowledged, and neither delivered nor is in the store.
    async fn is_write_lost(&self, clients: &Clients<'_>, store: &dyn Store) -> bool {
        for (key, value) in &self.due {
            let found = clients.call(store.read(key)).await;
            if found.is_ok_and(|found| found.as_ref() != Some(value)) {
                return true;
            }
        }
        false
    }

    async fn read(&mut self) -> Result<Batch> {
        match &mut self.feed {
            Some(feed) => feed.next().await,
            None => Err(ErrorKind::Canceled.into()),
        }
    }

    /// Whether no write can add events.
    fn has_ended(&self) -> bool {
        self.ended.is_some() || self.feed.as_ref().is_none_or(Feed::has_ended)
    }

    async fn end(self) {
        if let Some(feed) = self.feed {
            feed.end().await;
        }
    }

    /// Collects the events of a watch that has ended, and gives the error that it ended with.
    async fn rest(&mut self, fences: &Fences, events: &mut Vec<WatchEvent>) -> Result<Infallible> {
        loop {
            let event = self.next().await?;
            if !fences.made(event.key()) {
                events.push(event);
            }
        }
    }

    /// Takes in a batch, and records its revisions.
    fn take(&mut self, batch: Vec<WatchEvent>) {
        for event in &batch {
            if let WatchEvent::Put { key, value, .. } = event {
                self.due.retain(|due, wrote| due != key || wrote != value);
            }
        }
        self.order.batches.push(batch.iter().map(WatchEvent::mod_revision).collect());
        self.pending.extend(batch);
    }

    /// How long there was between two batches while several were due already; `None` where too few came to say that, or
    /// the watch was not read meanwhile.
    fn pace(&self, since: Instant) -> Option<Duration> {
        let feed = self.feed.as_ref().filter(|feed| matches!(feed, Feed::Read(_)));
        let due: Vec<_> = self.arrivals.iter().filter(|at| **at > since).collect();
        let (first, last) = feed.and_then(|_| Some((due.first()?, due.last()?)))?;
        let steps = u32::try_from(due.len() - 1).unwrap_or(u32::MAX);
        (steps >= STEPS).then(|| (**last - **first) / steps)
    }

    /// The revisions that came since this was last called.
    fn take_order(&mut self) -> Order {
        let (opened, after) = (self.order.opened, self.order.last());
        std::mem::replace(&mut self.order, Order { opened, after, batches: Vec::new() })
    }

    /// Collects events up to the fence; how that ended. The deadline of a call is for silence, and begins anew with every
    /// event. In silence `written`, the store that acknowledged the fence, is asked whether its key is there: a watch cannot
    /// deliver a write that was lost.
    async fn until(
        &mut self,
        clients: &Clients<'_>,
        fence: &[u8],
        fences: &Fences,
        events: &mut Vec<WatchEvent>,
        written: Option<&dyn Store>,
    ) -> Result<Read> {
        let began = Instant::now();
        self.arrivals.clear();
        let mut is_asked = false;
        loop {
            let next = match tokio::time::timeout(SILENCE, self.next()).await {
                Ok(next) => {
                    clients.meter.note_event(&next);
                    next
                }
                Err(_) => {
                    if let (Some(store), false) = (written, is_asked) {
                        is_asked = true;
                        if self.is_write_lost(clients, store).await
                            || matches!(clients.call(store.read(fence)).await, Ok(None))
                        {
                            return Ok(Read::Lost);
                        }
                    }
                    clients.event(Duration::ZERO, self.next()).await
                }
            };
            match next? {
                WatchEvent::Put { key, .. } if key == fence => {
                    clients.meter.note_pace(self.pace(began));
                    return Ok(Read::Whole);
                }
                event if fences.made(event.key()) => {}
                event => events.push(event),
            }
            if began.elapsed() > LONGEST_READ {
                return Ok(Read::CutOff);
            }
        }
    }
}

fn not_open(name: &str) -> StoreError {
    StoreError::own(ErrorKind::Canceled, format_args!("the watch '{name}' is not open"))
}

fn own(clients: &Clients<'_>, event: WatchEvent) -> WatchEvent {
    event.with_key(|key| clients.own(&key))
}

/// Counts events instead of telling each.
pub(crate) fn count(events: &[WatchEvent], meta: Events) -> EventCount {
    let Events { flaws, order, error, is_cut_off, is_write_lost, .. } = meta;
    let is_put = |event: &&WatchEvent| matches!(event, WatchEvent::Put { .. });
    let puts = events.iter().filter(is_put).count();
    let keys: BTreeSet<_> = events.iter().map(WatchEvent::key).collect();
    let mut writes: BTreeMap<&[u8], Vec<u64>> = BTreeMap::new();
    for event in events {
        if let WatchEvent::Put { key, value, .. } = event
            && let Some(number) = super::fill::number(value)
        {
            writes.entry(key).or_default().push(number);
        }
    }
    let repeated = writes.into_iter().filter(|(_, numbers)| numbers.len() > 1);
    let writes = repeated.map(|(key, numbers)| Writes { key: key.into(), numbers }).collect();
    let (deletes, keys, disorder) = (events.len() - puts, keys.len(), None);
    EventCount {
        puts,
        deletes,
        keys,
        writes,
        disorder,
        flaws,
        order,
        error,
        is_cut_off,
        is_write_lost,
    }
}
