//! What the commands of a scenario were seen to answer, with times, and how each answer reads.

mod events;
mod expiry;
mod order;

use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use self::events::{Event, EventCount, Events, Writes};
pub use self::expiry::{Expiry, Moment};
pub use self::order::Order;
use crate::backend::Clock;
use crate::history::Calls;
pub use crate::history::Race;
use crate::history::linear::{Linear, Register};
use crate::store::{KeyMetadata, OpAnswer, Page, StoreError, TimeToLive};
pub use crate::words::Value;
use crate::words::{distance, quote_value, seconds};

/// Everything that one run of a scenario was seen to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// One entry a command that was run, in the order of the script.
    pub entries: Vec<Entry>,
    /// How the run ended.
    pub end: End,
    /// The clock that its times are of. Recorded runs of earlier versions do not say.
    #[serde(default)]
    pub clock: Clock,
}

impl Transcript {
    /// How long the commands took by the store's clock.
    pub fn length(&self) -> Duration {
        self.entries.iter().map(|entry| entry.at + entry.took).max().unwrap_or_default()
    }

    /// A run that ended before its first command.
    pub fn ended(end: End) -> Self {
        Self { entries: Vec::new(), end, clock: Clock::default() }
    }
}

/// How a run of a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// Every command was run, and nothing was left behind.
    Finished,
    /// Every command was run, and what the scenario wrote could not be taken away again: why. That is judged by no scenario
    /// but those about deletion, and harms no other client below a prefix of its own.
    LeftBehind(String),
    /// Every command was run, and the store panicked or could not be taken down afterwards: how.
    Collapsed(String),
    /// The run could not go on: why.
    Broken(String),
    /// Others wrote to the store, where the scenario counts all its writes: how that was seen.
    Disturbed(String),
    /// The store took so long for its calls that no more were made.
    Slow(String),
    /// A client could not be opened: why.
    Unopened(String),
    /// The server stopped answering: why.
    Lost(String),
    /// a user ended the run.
    Aborted,
}

/// One command and what it was seen to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The client that it ran on; `None` is the first one.
    pub client: Option<String>,
    /// The words that stand before its answers where the block has several commands.
    pub label: String,
    /// When it began, counted from the start of the run on the store's clock.
    #[serde(with = "crate::wire")]
    pub at: Duration,
    /// How long it took on the store's clock.
    #[serde(with = "crate::wire")]
    pub took: Duration,
    /// What it was seen to answer.
    pub answer: Answer,
}

/// What a command was seen to answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It was done, and there is nothing to say.
    Done,
    /// The store answered an error.
    Error(StoreError),
    /// The store panicked.
    Panic(String),
    /// The script asks for the end of a TTL that the store never granted.
    NoTtl(#[serde(with = "crate::wire")] Vec<u8>),
    /// The value of a key.
    Value(Option<Value>),
    /// The keys of a list.
    Keys(#[serde(with = "crate::wire")] Vec<Vec<u8>>),
    /// The keys of a list, counted.
    KeyCount(KeyCount),
    /// A list that was cut off at a limit.
    Page(Page),
    /// The events of a watch.
    Events(Events),
    /// The events of a watch, counted.
    EventCount(EventCount),
    /// A TTL was asked for and granted.
    Granted {
        /// The time asked for.
        #[serde(with = "crate::wire")]
        asked: Duration,
        /// The time granted.
        #[serde(with = "crate::wire")]
        granted: Duration,
    },
    /// A lease was set back to its full time.
    Renewed {
        /// The time it was granted first.
        #[serde(with = "crate::wire")]
        granted: Duration,
        /// The time it was said to have now.
        #[serde(with = "crate::wire")]
        renewed: Duration,
    },
    /// What the store said is left of a lease.
    Left(Left),
    /// A revision, reported from a mark.
    Revision(Mark, i64),
    /// The counters of a key, reported from a mark if there is one.
    Metadata(Option<Mark>, Option<KeyMetadata>),
    /// What a transaction did; the words of each operation that was done stand before its answer.
    Txn(bool, Vec<(String, OpSeen)>),
    /// Every call of a race for one register, in no order.
    History(Register),
    /// Every call of a race, and what its watches delivered, by which its rounds are judged.
    Calls(Calls),
    /// How many of a race's rounds went as they must, in runs that were recorded without its calls.
    Race(Race),
    /// Keys were waited for to be gone.
    Expired(Vec<Expiry>),
    /// Keys were watched to stay.
    Survived(Vec<Survival>),
}

/// A revision that a script remembers, and what it calls it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mark {
    /// The name.
    pub name: String,
    /// The revision.
    pub revision: i64,
}

/// What an operation of a transaction answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpSeen {
    /// A key was written.
    Put,
    /// So many keys were deleted.
    Deleted(usize),
    /// The value of a key.
    Value(Option<Value>),
    /// Keys.
    Keys(#[serde(with = "crate::wire")] Vec<Vec<u8>>),
}

impl From<OpAnswer> for OpSeen {
    fn from(answer: OpAnswer) -> Self {
        match answer {
            OpAnswer::Put => Self::Put,
            OpAnswer::Deleted(count) => Self::Deleted(count),
            OpAnswer::Value(value) => Self::Value(value.map(Value::from)),
            OpAnswer::Keys(keys) => Self::Keys(keys),
        }
    }
}

/// A list of keys, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyCount {
    /// How many keys the answer had.
    pub keys: usize,
    /// How many of them came more than once.
    pub repeated: usize,
    /// Whether they came in ascending byte order.
    pub ascending: bool,
}

/// What a store said is left of a lease, and what it can have been.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Left {
    /// The time that was granted.
    #[serde(with = "crate::wire")]
    pub granted: Duration,
    /// The least that may be left: the longest that the lease can have run, and a second of rounding, taken off.
    #[serde(with = "crate::wire")]
    pub least: Duration,
    /// The most that may be left: the shortest that the lease can have run taken off.
    #[serde(with = "crate::wire")]
    pub most: Duration,
    /// What the store said.
    pub said: TimeToLive,
}

/// Whether a key stayed past the end of every TTL that it ever had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Survival {
    /// The key.
    #[serde(with = "crate::wire")]
    pub key: Vec<u8>,
    /// How long it was watched, from the start of the command to the last look.
    #[serde(with = "crate::wire")]
    pub watched: Duration,
    /// When it was found gone, counted also.
    #[serde(with = "crate::wire")]
    pub gone: Option<Duration>,
}

impl Answer {
    /// How the answer reads in a script, one string a line; none if there is nothing to say.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Done => Vec::new(),
            Self::Error(error) => vec![error_line(error)],
            Self::Panic(message) => {
                vec![format!("panic: {}", message.lines().next().unwrap_or_default())]
            }
            Self::NoTtl(key) => vec![format!("{} was granted no TTL", quote_value(key))],
            Self::Value(value) => vec![value_line(value.as_ref())],
            Self::Keys(keys) => vec![key_line(keys)],
            Self::KeyCount(count) => vec![count.line()],
            Self::Page(page) => vec![page_line(page)],
            Self::Events(events) => events.lines(),
            Self::Revision(mark, revision) => vec![distance(&mark.name, mark.revision, *revision)],
            Self::Metadata(mark, metadata) => vec![metadata_line(mark.as_ref(), metadata.as_ref())],
            Self::Txn(succeeded, answers) => txn_lines(*succeeded, answers),
            Self::History(register) => vec![history_line(register)],
            Self::Calls(calls) => {
                vec![calls.error().map_or_else(|| calls.race().line(), error_line)]
            }
            Self::Race(race) => vec![race.line()],
            Self::EventCount(count) => count.lines(),
            Self::Granted { asked, granted } => broken(granted < asked, || {
                format!("granted {} of the {} asked for", seconds(*granted), seconds(*asked))
            }),
            Self::Renewed { granted, renewed } => broken(granted != renewed, || {
                format!("renewed for {}, granted {}", seconds(*renewed), seconds(*granted))
            }),
            Self::Left(left) => left.lines(),
            Self::Expired(expiries) => expiries.iter().map(Expiry::line).collect(),
            Self::Survived(survivals) => survivals.iter().map(Survival::line).collect(),
        }
    }

    /// Whether the answers name their keys themselves, so that no label is put before them.
    pub fn names_itself(&self) -> bool {
        matches!(self, Self::Expired(_) | Self::Survived(_) | Self::NoTtl(_))
    }

    /// Why the answer is unclear, if the machine did not let the runner look in time.
    pub fn unseen(&self) -> Option<String> {
        if let Some(race) = self.race() {
            return race.is_left_out().then(|| {
                "the store was too slow for any round of the race, while all others ran".into()
            });
        }
        if let Self::Events(Events { is_cut_off: true, .. })
        | Self::EventCount(EventCount { is_cut_off: true, .. }) = self
        {
            return Some("events still came when the time for reading them was over".into());
        }
        let Self::Expired(expiries) = self else { return None };
        let is_wrong = expiries.iter().any(|expiry| {
            expiry.apart_from.is_some()
                || matches!(expiry.moment(), Moment::Early | Moment::Late | Moment::Back)
        });
        // One key that was seen to be wrong needs no other one to be judged.
        if is_wrong { None } else { expiries.iter().find_map(Expiry::unseen) }
    }

    /// Why the answer cannot be judged on any clock: the search for an order of its calls was given up.
    pub fn undecided(&self) -> Option<String> {
        let Self::History(register) = self else { return None };
        (*register.judged() == Linear::Unclear)
            .then(|| "the calls of the race fit together in too many ways to be judged".into())
    }

    /// How the rounds of a race went, if it has rounds.
    fn race(&self) -> Option<&Race> {
        match self {
            Self::Calls(calls) if calls.error().is_none() => Some(calls.race()),
            Self::Race(race) => Some(race),
            _ => None,
        }
    }

    /// The error that the store answered, if it did.
    pub fn error(&self) -> Option<&StoreError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Events(events) => events.error.as_ref(),
            Self::EventCount(count) => count.error.as_ref(),
            Self::History(register) => register.error(),
            Self::Calls(calls) => calls.error(),
            _ => None,
        }
    }
}

fn broken(is_broken: bool, line: impl FnOnce() -> String) -> Vec<String> {
    if is_broken { vec![line()] } else { Vec::new() }
}

/// What a history amounts to; where it may have happened, the first error that a call of it answered.
fn history_line(register: &Register) -> String {
    match (register.judged(), register.error()) {
        (Linear::No(call), _) => format!("not linearizable: {call}"),
        (Linear::Yes | Linear::Unclear, Some(error)) => error_line(error),
        (Linear::Yes, None) => "linearizable".into(),
        (Linear::Unclear, None) => "unclear whether it is linearizable".into(),
    }
}

fn error_line(error: &StoreError) -> String {
    format!("error: {}", error.kind)
}

fn key_line(keys: &[Vec<u8>]) -> String {
    if keys.is_empty() {
        return "(no keys)".into();
    }
    keys.iter().map(|key| quote_value(key)).collect::<Vec<_>>().join(" ")
}

fn page_line(page: &Page) -> String {
    let more = if page.more { ", more follow" } else { "" };
    format!("{} ({} in all{more})", key_line(&page.keys), page.count)
}

fn metadata_line(mark: Option<&Mark>, metadata: Option<&KeyMetadata>) -> String {
    let Some(metadata) = metadata else { return "(none)".into() };
    let version = format!("version {}", metadata.version);
    let Some(mark) = mark else { return version };
    let told = |revision| distance(&mark.name, mark.revision, revision);
    format!(
        "{version}, created {}, modified {}",
        told(metadata.create_revision),
        told(metadata.mod_revision)
    )
}

fn value_line(value: Option<&Value>) -> String {
    value.map_or("(none)".into(), Value::to_string)
}

fn txn_lines(succeeded: bool, answers: &[(String, OpSeen)]) -> Vec<String> {
    let told = answers.iter().filter_map(|(words, answer)| {
        let answer = match answer {
            OpSeen::Put => return None,
            OpSeen::Deleted(count) => format!("{count} deleted"),
            OpSeen::Value(value) => value_line(value.as_ref()),
            OpSeen::Keys(keys) => key_line(keys),
        };
        Some(format!("{words}: {answer}"))
    });
    let branch = if succeeded { "then" } else { "else" };
    std::iter::once(branch.into()).chain(told).collect()
}

impl KeyCount {
    fn line(&self) -> String {
        let order = if self.ascending { "ascending" } else { "not ascending" };
        match self.repeated {
            0 => format!("{} keys, {order}", self.keys),
            repeated => format!("{} keys, {order}, {repeated} more than once", self.keys),
        }
    }
}

impl Left {
    fn lines(&self) -> Vec<String> {
        let TimeToLive { granted, remaining, keys } = &self.said;
        let mut lines = vec![key_line(keys)];
        if *granted != self.granted {
            lines.push(format!(
                "said to be granted {}, was granted {}",
                seconds(*granted),
                seconds(self.granted)
            ));
        }
        if *remaining < self.least || *remaining > self.most {
            let (least, most) = (seconds(self.least), seconds(self.most));
            lines.push(format!("{} left, which must be {least} to {most}", seconds(*remaining)));
        }
        lines
    }
}

impl Survival {
    fn line(&self) -> String {
        let key = quote_value(&self.key);
        match self.gone {
            None => format!("{key} survived"),
            Some(gone) => format!("{key} vanished: found gone after {}", seconds(gone)),
        }
    }
}
