//! What clients saw that called at once, and the judges of it: pure functions over a record.

mod atomic_read;
mod cas;
mod compact;
mod fan_out;
mod keep_alive;
mod kind;
pub mod linear;
mod once;
pub(crate) mod pending;
mod prompt;
mod refused;
mod renewals;
mod resume;
mod watch;
mod written;

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::kind::RaceKind;
use self::once::Once;
use crate::store::{Call, ErrorKind, Lease, Op, Reply, Result, StoreError, TxnAnswer, WatchEvent};

/// What a store answered to a call of a race.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RaceReply {
    /// It was done; what else it said is not judged.
    Done,
    /// Nothing, for the race was over before.
    Dropped,
    /// The TTL that was granted, or that a lease was set back to.
    Granted(#[serde(with = "crate::wire")] Duration),
    /// The value of a key.
    Value(#[serde(with = "crate::wire")] Option<Vec<u8>>),
    /// Keys, as far as they are others than in the list before.
    Keys {
        /// Those that are new.
        #[serde(with = "crate::wire")]
        came: Vec<Vec<u8>>,
        /// Those that are not there any more.
        #[serde(with = "crate::wire")]
        went: Vec<Vec<u8>>,
    },
    /// A lease.
    Lease(Lease),
    /// The store's revision.
    Revision(i64),
    /// What a transaction did.
    Txn(TxnAnswer),
    /// An error.
    Error(StoreError),
}

impl From<Result<Reply>> for RaceReply {
    fn from(reply: Result<Reply>) -> Self {
        match reply {
            Ok(Reply::Granted(ttl)) => Self::Granted(ttl),
            Ok(Reply::Value(value)) => Self::Value(value),
            Ok(Reply::Keys(came)) => Self::Keys { came, went: Vec::new() },
            Ok(Reply::Lease(lease)) => Self::Lease(lease),
            Ok(Reply::Revision(revision)) => Self::Revision(revision),
            Ok(Reply::Txn(answer)) => Self::Txn(answer),
            Ok(
                Reply::Done(())
                | Reply::Watch(_)
                | Reply::TimeToLive(_)
                | Reply::Metadata(_)
                | Reply::Page(_),
            ) => Self::Done,
            Err(error) => Self::Error(error),
        }
    }
}

impl RaceReply {
    fn error(&self) -> Option<&StoreError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Done
            | Self::Dropped
            | Self::Granted(_)
            | Self::Value(_)
            | Self::Keys { .. }
            | Self::Lease(_)
            | Self::Revision(_)
            | Self::Txn(_) => None,
        }
    }
}

/// One call of a race. Its keys are those of the script.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RaceCall {
    /// The client, counted from 0.
    pub client: usize,
    /// The round, counted from 0; `None` where it belongs to none.
    pub round: Option<usize>,
    /// What was called.
    pub call: Call,
    /// When it began, counted from the start of the race.
    #[serde(with = "crate::wire")]
    pub began: Duration,
    /// When it returned; `None` if it did not in time.
    #[serde(with = "crate::wire")]
    pub returned: Option<Duration>,
    /// What it answered.
    pub reply: RaceReply,
}

impl RaceCall {
    /// How long it took, where it returned.
    fn took(&self) -> Option<Duration> {
        Some(self.returned?.saturating_sub(self.began))
    }
}

/// What was read of a watch of a race.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceWatch {
    /// The call that opened it.
    pub opening: RaceCall,
    /// What was read, in that order.
    pub batches: Vec<RaceBatch>,
    /// What the watch ended with, or that nothing more came in time.
    pub error: Option<StoreError>,
}

impl RaceWatch {
    fn events(&self) -> impl Iterator<Item = &WatchEvent> {
        self.batches.iter().flat_map(|batch| &batch.events)
    }

    /// Whether it ended with an error of this kind.
    fn ended_with(&self, kind: ErrorKind) -> bool {
        self.error.as_ref().is_some_and(|error| error.kind == kind)
    }
}

/// A batch of events, which have the keys of the script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RaceBatch {
    /// When it came, counted from the start of the race.
    pub at: Duration,
    /// The events.
    pub events: Vec<WatchEvent>,
}

/// What times the calls of a race are judged by.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bounds {
    /// How long a call may take.
    #[serde(with = "crate::wire")]
    pub deadline: Duration,
    /// How much later than its write an event may come.
    #[serde(with = "crate::wire")]
    pub event_lag: Duration,
    /// How much the store's clock and the runner's may differ.
    #[serde(with = "crate::wire")]
    pub tolerance: Duration,
}

/// Everything that a race is judged by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "written::Written", into = "written::Written")]
pub struct Calls {
    /// What was raced for.
    pub kind: RaceKind,
    /// How many rounds there were to be.
    pub rounds: usize,
    /// The times that it is judged by.
    pub bounds: Bounds,
    /// Every call but those that open watches, in the order in which they began.
    pub calls: Vec<RaceCall>,
    /// The watches, in the order in which they were opened.
    pub watches: Vec<RaceWatch>,
    judged: Once<Judged>,
}

/// How many of a race's rounds went as they must.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Race {
    /// How many rounds there were.
    pub rounds: usize,
    /// How many went as they must.
    pub good: usize,
    /// How many were left out because the store was too slow for them; they count among those that went as they must.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub left_out: usize,
    /// What was seen in the first that did not.
    pub trouble: Option<String>,
}

fn is_zero(count: &usize) -> bool {
    *count == 0
}

impl Race {
    /// Counts rounds: `None` is one that went as it must, anything else is what was seen.
    fn of(rounds: impl IntoIterator<Item = Option<String>>) -> Self {
        let mut race = Self::default();
        for trouble in rounds {
            race.rounds += 1;
            race.good += usize::from(trouble.is_none());
            race.trouble = race.trouble.or(trouble);
        }
        race
    }

    /// Whether no round of it was made.
    pub(crate) fn is_left_out(&self) -> bool {
        self.left_out == self.rounds && self.trouble.is_none()
    }

    /// How it reads in a script.
    pub(crate) fn line(&self) -> String {
        match &self.trouble {
            None if self.is_left_out() => "no round was raced".into(),
            None => format!("{} of {}", self.good, self.rounds),
            Some(trouble) => format!("{} of {}: {trouble}", self.good, self.rounds),
        }
    }
}

/// What a record amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Judged {
    race: Race,
    /// The first error that is not judged as a round.
    error: Option<StoreError>,
}

impl Calls {
    /// A record that was not judged yet.
    pub fn new(
        kind: RaceKind,
        rounds: usize,
        bounds: Bounds,
        calls: Vec<RaceCall>,
        watches: Vec<RaceWatch>,
    ) -> Self {
        Self { kind, rounds, bounds, calls, watches, judged: Once::default() }
    }

    /// How many rounds went as they must. Rounds that an error cut short are not judged.
    pub fn race(&self) -> &Race {
        &self.judged().race
    }

    /// The error that ended the race, where no round went wrong.
    pub fn error(&self) -> Option<&StoreError> {
        self.judged().error.as_ref().filter(|_| self.race().trouble.is_none())
    }

    fn judged(&self) -> &Judged {
        self.judged.get(|| Judged { race: self.judge(), error: self.first_error().cloned() })
    }

    fn judge(&self) -> Race {
        match self.kind {
            // Its calls are recorded as the operations of `linear`.
            RaceKind::Register => Race::default(),
            RaceKind::Cas => cas::judge(self),
            RaceKind::RewriteAtExpiry | RaceKind::Prolong => renewals::judge(self),
            RaceKind::Watch => watch::judge(self),
            RaceKind::KeepAlive => keep_alive::judge(self),
            RaceKind::AtomicRead => atomic_read::judge(self),
            RaceKind::FanOut => fan_out::judge(self),
            RaceKind::Pending => pending::judge(self),
            RaceKind::Resume => resume::judge(self),
            RaceKind::Compact => compact::judge(self),
            RaceKind::Refused => refused::judge(self),
            RaceKind::Prompt => prompt::judge(self),
        }
    }

    fn first_error(&self) -> Option<&StoreError> {
        let mut leases = BTreeMap::new();
        let of_call = |call: &'_ RaceCall| {
            if let RaceReply::Lease(lease) = call.reply {
                leases.insert(call.round, call.began + lease.ttl);
            }
            let end = leases.get(&call.round).copied();
            call.reply.error().is_some_and(|error| !self.is_judged(call, error.kind, end))
        };
        let place = self.calls.iter().position(of_call);
        let of_watch = |watch: &'_ RaceWatch| {
            let error = watch.error.as_ref().filter(|error| !self.is_judged_end(error.kind));
            watch.opening.reply.error().or(error).is_some()
        };
        let watch = || self.watches.iter().find(|watch| of_watch(watch));
        match place {
            Some(place) => self.calls[place].reply.error(),
            None => watch().and_then(|watch| watch.opening.reply.error().or(watch.error.as_ref())),
        }
    }

    /// Whether an error of a call is what the race is about. `end` is when the lease of its round ends at the earliest.
    fn is_judged(&self, call: &RaceCall, kind: ErrorKind, end: Option<Duration>) -> bool {
        let is_gone = kind == ErrorKind::LeaseNotFound;
        let is_kept = matches!(call.call, Call::KeepAlive { .. });
        // A list of nothing may be an error of the store's own, which other scripts ask about.
        let is_empty = matches!(call.call, Call::List { .. }) && kind == ErrorKind::KeyNotFound;
        match self.kind {
            RaceKind::KeepAlive => is_gone && is_kept,
            RaceKind::RewriteAtExpiry => is_empty,
            RaceKind::Prolong => is_empty || is_gone && (is_kept || is_too_late(call, end)),
            RaceKind::Refused => call.round.is_some() || !matches!(call.call, Call::Lease { .. }),
            RaceKind::Pending => {
                is_gone
                    || kind == ErrorKind::LeaseExists
                    || call.round.is_some() && call.returned.is_none()
            }
            RaceKind::Register
            | RaceKind::Cas
            | RaceKind::AtomicRead
            | RaceKind::Watch
            | RaceKind::FanOut
            | RaceKind::Resume
            | RaceKind::Compact
            | RaceKind::Prompt => false,
        }
    }

    /// Whether such an end of a watch is what the race is about.
    fn is_judged_end(&self, kind: ErrorKind) -> bool {
        let is_silent = kind == ErrorKind::DeadlineExceeded;
        match self.kind {
            RaceKind::Watch | RaceKind::FanOut | RaceKind::Resume => is_silent,
            RaceKind::Compact => is_silent || kind == ErrorKind::Compacted,
            RaceKind::Register
            | RaceKind::Cas
            | RaceKind::AtomicRead
            | RaceKind::KeepAlive
            | RaceKind::RewriteAtExpiry
            | RaceKind::Prolong
            | RaceKind::Refused
            | RaceKind::Pending
            | RaceKind::Prompt => false,
        }
    }

    /// The calls of each round.
    fn by_round(&self) -> BTreeMap<usize, Vec<&RaceCall>> {
        let mut by_round: BTreeMap<usize, Vec<&RaceCall>> = BTreeMap::new();
        for call in &self.calls {
            if let Some(round) = call.round {
                by_round.entry(round).or_default().push(call);
            }
        }
        by_round
    }

    /// The keys of the updates that were done.
    fn updated(&self) -> impl Iterator<Item = &Vec<u8>> {
        self.calls.iter().filter(|call| call.reply == RaceReply::Done).filter_map(updated)
    }
}

/// Whether a key was attached to a lease so late that the lease may have ended, which the store may refuse.
fn is_too_late(call: &RaceCall, end: Option<Duration>) -> bool {
    let is_over = call.returned.zip(end).is_some_and(|(now, end)| now >= end);
    matches!(call.call, Call::UpdateWithLease { .. }) && is_over
}

/// The key that a call updates.
fn updated(call: &RaceCall) -> Option<&Vec<u8>> {
    if let Call::Update { key, .. } = &call.call { Some(key) } else { None }
}

/// The key that a call puts, and the value.
fn put(call: &Call) -> Option<(&[u8], &[u8])> {
    match call {
        Call::Update { key, value }
        | Call::UpdateWithTtl { key, value, .. }
        | Call::UpdateWithLease { key, value, .. } => Some((key, value)),
        Call::Txn { txn } => match txn.then.first()? {
            Op::Put { key, value, .. } => Some((key, value)),
            Op::Delete { .. } | Op::DeletePrefix { .. } | Op::Read { .. } | Op::List { .. } => None,
        },
        _ => None,
    }
}
