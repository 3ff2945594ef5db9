//! The clients of a case: opened when a script first names them, each call under a deadline.

use std::collections::BTreeMap;
use std::collections::hash_map::RandomState;
use std::future::Future;
use std::hash::{BuildHasher, Hasher};
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::time::Instant;

use super::meter::Meter;
use super::{Settings, broken};
use crate::backend::{Backend, Clock, Ending, Instance};
use crate::store::{ErrorKind, Result, Store, StoreError};
use crate::transcript::End;
use crate::words::OUTSIDE;

/// How long a call may take after one call of the same case has used up its whole deadline, and how many may before no
/// more are made: the first shows that the store hangs, and the rest need not hold up the suite.
const SHORT_DEADLINE: Duration = Duration::from_secs(1);
const TIMEOUTS: usize = 3;

/// How long the calls of a case may take together on the wall clock, beyond three times what its script waits: a store
/// that slows down under it must not hold up the suite.
const LONGEST_CASE: Duration = Duration::from_secs(60);

/// How long a store that failed to answer has to say that it is there, how often it is asked, and how long after the last
/// time: one that cannot serve for a moment is not lost.
const PING_DEADLINE: Duration = Duration::from_secs(3);
const PINGS: usize = 3;
const PING_PAUSE: Duration = Duration::from_secs(1);

/// How often a client is opened before it is said that it cannot be, and the first pause in between, which doubles.
const OPENINGS: u32 = 5;
const OPENING_PAUSE: Duration = Duration::from_millis(100);

/// How long all clients together may take to close.
const CLOSING: Duration = Duration::from_millis(500);

/// How long a store may take to be ended and opened again.
const REOPENING: Duration = Duration::from_secs(30);

/// The most that one look at the clock takes off a deadline.
const SLICE: Duration = Duration::from_millis(250);

/// The clients of one case, and the prefix that its keys lie under.
pub(crate) struct Clients<'a> {
    instance: &'a dyn Instance,
    backend: String,
    open: BTreeMap<Option<String>, Arc<dyn Store>>,
    /// Why a client could not be opened, where one could not.
    unopened: OnceLock<String>,
    pub prefix: Vec<u8>,
    pub limit: CallLimit,
    pub clock: Clock,
    pub meter: Meter,
}

/// How long one call of a case may take, and whether more are made. Its copies share what timed out.
#[derive(Debug, Clone)]
pub(crate) struct CallLimit {
    deadline: Duration,
    clock: Clock,
    timeouts: Arc<AtomicUsize>,
    /// When the case has had its time, which is never on virtual time.
    end: Option<Instant>,
}

impl CallLimit {
    /// Of a case that begins now, and whose script waits so long.
    pub fn new(deadline: Duration, clock: Clock, max_wait: Duration) -> Self {
        let end = (clock == Clock::Wall).then(|| Instant::now() + LONGEST_CASE + 3 * max_wait);
        Self { deadline, clock, timeouts: Arc::default(), end }
    }

    /// Why no more calls are made, if the case has had its time.
    pub fn used_up(&self) -> Option<String> {
        let is_over = self.end.is_some_and(|end| end <= Instant::now());
        is_over.then(|| {
            format!(
                "the calls of the scenario took {LONGEST_CASE:?} and more than its script waits"
            )
        })
    }

    /// How long the next call may take.
    pub fn deadline(&self) -> Duration {
        match self.timeouts.load(Ordering::Relaxed) {
            0 => self.deadline,
            _ => self.deadline.min(SHORT_DEADLINE),
        }
    }

    /// Waits for a call no longer than the deadline and `max_wait` together. Once a few calls of the case have timed out
    /// no more are made, and each fails at once.
    pub async fn within<T>(
        &self,
        max_wait: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        if self.timeouts.load(Ordering::Relaxed) >= TIMEOUTS {
            let message =
                format!("not called, because {TIMEOUTS} calls of this scenario timed out");
            return Err(StoreError::own(ErrorKind::DeadlineExceeded, message));
        }
        if let Some(reason) = self.used_up() {
            return Err(StoreError::own(ErrorKind::DeadlineExceeded, reason));
        }
        let limit = self.deadline() + max_wait;
        let answer = within(limit, call).await;
        answer.unwrap_or_else(|| {
            self.timeouts.fetch_add(1, Ordering::Relaxed);
            Err(late_after(limit, self.clock))
        })
    }
}

impl<'a> Clients<'a> {
    /// Opens the first client, whose base prefix the case's own random prefix is made from.
    pub async fn open_first(
        instance: &'a dyn Instance,
        backend: &dyn Backend,
        settings: &Settings,
        max_wait: Duration,
    ) -> std::result::Result<Self, End> {
        let mut clients = Self {
            instance,
            backend: backend.name().into(),
            clock: backend.clock(),
            open: BTreeMap::new(),
            unopened: OnceLock::new(),
            prefix: Vec::new(),
            limit: CallLimit::new(settings.deadline, backend.clock(), max_wait),
            meter: settings.meter.clone(),
        };
        let first = clients.get(None).await;
        let first = first.map_err(|error| End::Unopened(clients.refusal(&error)))?;
        if first.base_prefix().is_empty() {
            return Err(broken(format!(
                "no client of {} can be used: its base prefix is empty, and kvspec writes only below one",
                backend.name()
            )));
        }
        clients.prefix =
            [first.base_prefix(), format!("run-{:016x}/", random()).as_bytes()].concat();
        Ok(clients)
    }

    fn refusal(&self, error: &StoreError) -> String {
        format!("opening a client of {} failed: {error}", self.backend)
    }

    /// Why a client could not be opened, where one could not: then nothing that a script sees is the store's doing.
    pub fn unopened(&self) -> Option<String> {
        self.unopened.get().cloned()
    }

    /// The client of that name, opened now if it was not before.
    pub async fn get(&mut self, name: Option<&str>) -> Result<Arc<dyn Store>> {
        let name = name.map(str::to_string);
        if let Some(store) = self.open.get(&name) {
            return Ok(store.clone());
        }
        let store: Arc<dyn Store> = self.fresh().await?.into();
        self.open.insert(name, store.clone());
        Ok(store)
    }

    /// One more client that no script can name. A store that has no room for it is asked again a few times.
    pub async fn fresh(&self) -> Result<Box<dyn Store>> {
        let mut pause = OPENING_PAUSE;
        for _ in 1..OPENINGS {
            match self.open_one().await {
                Err(error) if error.kind == ErrorKind::Unavailable => self.meter.refused(),
                opened => return self.noted(opened),
            }
            tokio::time::sleep(pause).await;
            pause *= 2;
        }
        let opened = self.open_one().await;
        self.noted(opened)
    }

    async fn open_one(&self) -> Result<Box<dyn Store>> {
        within(self.limit.deadline(), self.instance.open())
            .await
            .unwrap_or_else(|| Err(late("open")))
    }

    fn noted<T>(&self, opened: Result<T>) -> Result<T> {
        if let Err(error) = &opened {
            self.meter.refused();
            let _ = self.unopened.set(self.refusal(error));
        }
        opened
    }

    /// The whole key that a script's key means.
    pub fn whole(&self, key: &[u8]) -> Vec<u8> {
        [&self.prefix, key].concat()
    }

    /// The script's key that a store's key means; one from outside the prefix is marked as such.
    pub fn own(&self, key: &[u8]) -> Vec<u8> {
        match key.strip_prefix(self.prefix.as_slice()) {
            Some(own) => own.to_vec(),
            None => [OUTSIDE.as_bytes(), key].concat(),
        }
    }

    /// Waits for a call that asks the store something, no longer than the deadline, and measures it. What a store may do
    /// without being asked, as closing a client, goes by [`call_later`](Self::call_later).
    pub async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let meter = self.meter.clone();
        self.call_later(Duration::ZERO, meter.time(call)).await
    }

    /// Waits for a call whose answer may have to wait for something else first, at most `max_wait`.
    pub async fn call_later<T>(
        &self,
        max_wait: Duration,
        call: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        self.limit.within(max_wait, call).await.map_err(|error| self.shown(error))
    }

    /// An error without the case's random prefix, which the script does not have.
    fn shown(&self, mut error: StoreError) -> StoreError {
        if let Ok(prefix) = std::str::from_utf8(&self.prefix)
            && !prefix.is_empty()
        {
            error.message = error.message.replace(prefix, "");
        }
        error
    }

    /// Waits for an event, which may have to wait for something else first, at most `max_wait`. On a store whose watches have
    /// never delivered one, the deadline is short.
    pub async fn event<T>(
        &self,
        max_wait: Duration,
        next: impl Future<Output = Result<T>>,
    ) -> Result<T> {
        let mut limit = self.limit.clone();
        let is_silent = self.meter.is_silent();
        if is_silent {
            limit.deadline = limit.deadline.min(SHORT_DEADLINE);
        }
        let event = limit.within(max_wait, next).await.map_err(|error| match error.kind {
            ErrorKind::DeadlineExceeded if is_silent && error.is_own() => {
                let waited = limit.deadline() + max_wait;
                let message = format_args!(
                    "no event within {waited:?}, after none came within {:?} before",
                    self.limit.deadline
                );
                StoreError::own(error.kind, message)
            }
            _ => self.shown(error),
        });
        self.meter.note_event(&event);
        event
    }

    /// Asks, after a call that got no answer, whether the store is still there; the reason if it is not, after several
    /// pings.
    pub async fn lost(&self) -> Option<String> {
        for _ in 1..PINGS {
            self.unreached().await?;
            tokio::time::sleep(PING_PAUSE).await;
        }
        self.unreached().await
    }

    async fn unreached(&self) -> Option<String> {
        let unreached = match within(PING_DEADLINE, self.instance.ping()).await {
            Some(Ok(())) => return None,
            Some(Err(error)) => error.message,
            None => format!("it did not answer a ping within {PING_DEADLINE:?}"),
        };
        // One that has no room for a client more is there all the same.
        (!self.answers().await).then_some(unreached)
    }

    /// Whether a client that is open gets an answer.
    async fn answers(&self) -> bool {
        for store in self.open.values() {
            match within(PING_DEADLINE, store.read(&self.prefix)).await {
                Some(Err(error)) if is_unanswered(&error) || error.kind == ErrorKind::Closed => {}
                Some(_) => return true,
                None => return false,
            }
        }
        false
    }

    /// A client to clean up with: one that no script has a hand in, or another if the store has no room for one more.
    pub async fn cleaner(&self) -> Result<Arc<dyn Store>> {
        let refused = match self.open_one().await {
            Ok(store) => return Ok(store.into()),
            Err(error) => error,
        };
        for store in self.open.values() {
            if within(PING_DEADLINE, store.read(&self.prefix))
                .await
                .is_some_and(|read| read.is_ok())
            {
                return Ok(store.clone());
            }
        }
        if refused.kind == ErrorKind::Unavailable {
            self.fresh().await.map(Arc::from)
        } else {
            Err(refused)
        }
    }

    /// Ends the store in the given way and opens it again. Every client is gone before it ends.
    pub async fn reopen(&mut self, ending: Ending) -> Result<()> {
        match ending {
            Ending::Clean => self.close_all().await,
            Ending::Crash | Ending::PowerLoss => self.open.clear(),
        }
        let reopened = within(REOPENING, self.instance.reopen(ending)).await;
        reopened.unwrap_or_else(|| Err(late_after(REOPENING, self.clock)))
    }

    /// Closes every client that is open, whatever they say to it.
    pub async fn close_all(&mut self) {
        let open = std::mem::take(&mut self.open);
        let closing = open.values().map(|store| close(store.as_ref()));
        futures_util::future::join_all(closing).await;
    }
}

/// Closes a client, whatever it says to it and however long it would take.
pub(crate) async fn close(store: &dyn Store) {
    let _ = within(CLOSING, store.close()).await;
}

/// Waits for `future`, no longer than `limit`; `None` if it is not done by then.
///
/// Time in which this process itself stood still is not held against the other side: it counts as one slice at most, and
/// an answer that came meanwhile is taken.
pub(crate) async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = pin!(future);
    let mut left = limit;
    loop {
        let slice = left.min(SLICE);
        if let Ok(output) = tokio::time::timeout(slice, &mut future).await {
            return Some(output);
        }
        left -= slice;
        if left.is_zero() {
            return None;
        }
    }
}

/// Whether an error may mean that the store is not there any more.
pub(crate) fn is_unanswered(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
}

fn late(what: &str) -> StoreError {
    StoreError::new(ErrorKind::DeadlineExceeded, format!("{what} did not end in time"))
}

pub(crate) fn late_after(deadline: Duration, clock: Clock) -> StoreError {
    let message = match clock {
        Clock::Wall => format!("no answer within {deadline:?}"),
        Clock::Virtual => format!(
            "no answer within {deadline:?} of virtual time, which passes at once while nothing but tokio's timers is \
             waited for; a store whose answers come from a thread or a socket runs without `on_virtual_time`"
        ),
    };
    StoreError::own(ErrorKind::DeadlineExceeded, message)
}

/// A number that no other run will draw.
pub(crate) fn random() -> u64 {
    RandomState::new().build_hasher().finish()
}
