//! What the commands of a scenario were seen to answer, with times, and how each answer reads.

mod expiry;

use std::time::Duration;

pub use self::expiry::{Expiry, Moment};
use crate::linear::{self, Operation};
use crate::scenario::words::{distance, quote, quote_value, seconds};
use crate::store::{KeyMetadata, OpAnswer, Page, StoreError, TimeToLive, WatchEvent};

/// Everything that one run of a scenario was seen to answer.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Transcript {
    /// One entry a command that was run, in the order of the script.
    pub entries: Vec<Entry>,
    /// How the run ended.
    pub end: End,
}

/// How a run of a scenario ended.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum End {
    /// Every command was run, and nothing was left behind.
    Finished,
    /// Every command was run, and what the scenario wrote could not be taken away again: why.
    LeftBehind(String),
    /// The run could not go on: why.
    Broken(String),
    /// The server stopped answering: why.
    Lost(String),
    /// Somebody ended the run.
    Aborted,
}

/// One command and what it was seen to answer.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Entry {
    /// The client that it ran on; `None` is the first one.
    pub client: Option<String>,
    /// The words that stand before its answers where the block has several commands.
    pub label: String,
    /// When it began, counted from the start of the run on the store's clock.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub at: Duration,
    /// How long it took on the store's clock.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub took: Duration,
    /// What it was seen to answer.
    pub answer: Answer,
}

/// What a command was seen to answer.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum Answer {
    /// It was done, and there is nothing to say.
    Done,
    /// The store answered an error.
    Error(StoreError),
    /// The store panicked.
    Panic(String),
    /// The script asks for the end of a time to live that the store never granted.
    NoTtl(#[cfg_attr(feature = "report", serde(with = "crate::wire"))] Vec<u8>),
    /// The value of a key.
    Value(#[cfg_attr(feature = "report", serde(with = "crate::wire"))] Option<Vec<u8>>),
    /// The keys of a list.
    Keys(#[cfg_attr(feature = "report", serde(with = "crate::wire"))] Vec<Vec<u8>>),
    /// The keys of a list, counted.
    KeyCount(KeyCount),
    /// A list that was cut off at a limit.
    Page(Page),
    /// The events of a watch.
    Events(Events),
    /// The events of a watch, counted.
    EventCount(EventCount),
    /// A time to live was asked for and granted.
    Granted {
        /// The time asked for.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        asked: Duration,
        /// The time granted.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        granted: Duration,
    },
    /// A lease was set back to its full time.
    Renewed {
        /// The time it was granted first.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        granted: Duration,
        /// The time it was said to have now.
        #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
        renewed: Duration,
    },
    /// What the store said is left of a lease.
    Left(Left),
    /// A revision, told from a mark.
    Revision(Mark, i64),
    /// The counters of a key, told from a mark if there is one.
    Metadata(Option<Mark>, Option<KeyMetadata>),
    /// What a transaction did; the words of each operation that was done stand before its answer.
    Txn(bool, Vec<(String, OpAnswer)>),
    /// Every call of a race for one register, in no order.
    History(Vec<Operation>),
    /// How many of a race's rounds went as they must.
    Race(Race),
    /// Keys were waited for to be gone.
    Expired(Vec<Expiry>),
    /// Keys were watched to stay.
    Survived(Vec<Survival>),
}

/// A revision that a script remembers, and what it calls it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Mark {
    /// The name.
    pub name: String,
    /// The revision.
    pub revision: i64,
}

/// The events of a watch since it was last asked for them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Events {
    /// The events.
    pub events: Vec<WatchEvent>,
    /// What was wrong with the revisions that they came with.
    pub flaws: Vec<String>,
    /// The error that ended the watch.
    pub error: Option<StoreError>,
    /// The mark that revisions are told from, where they are.
    pub since: Option<Mark>,
}

/// How many of a race's rounds went as they must.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Race {
    /// How many rounds there were.
    pub rounds: usize,
    /// How many went as they must.
    pub good: usize,
    /// What was seen in the first that did not.
    pub trouble: Option<String>,
}

/// A list of keys, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct KeyCount {
    /// How many keys the answer had.
    pub keys: usize,
    /// How many of them came more than once.
    pub repeated: usize,
    /// Whether they came in ascending byte order.
    pub ascending: bool,
}

/// The events of a watch, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct EventCount {
    /// How many puts.
    pub puts: usize,
    /// How many deletes.
    pub deletes: usize,
    /// How many different keys.
    pub keys: usize,
    /// The first event that came after a later write of the same key.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub disorder: Option<Vec<u8>>,
    /// What was wrong with the revisions that they came with.
    pub flaws: Vec<String>,
    /// The error that ended the watch.
    pub error: Option<StoreError>,
}

/// What a store said is left of a lease, and what it can have been.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Left {
    /// The time that was granted.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub granted: Duration,
    /// The least that may be left: the longest that the lease can have run, and a second of rounding, taken off.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub least: Duration,
    /// The most that may be left: the shortest that the lease can have run taken off.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub most: Duration,
    /// What the store said.
    pub said: TimeToLive,
}

/// Whether a key stayed past the end of every time to live that it ever had.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Survival {
    /// The key.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub key: Vec<u8>,
    /// How long it was watched, from the start of the command to the last look.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub watched: Duration,
    /// When it was found gone, counted likewise.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub gone: Option<Duration>,
}

impl Answer {
    /// How the answer reads in a script, one string a line; none where there is nothing to say.
    pub fn lines(&self) -> Vec<String> {
        match self {
            Self::Done => Vec::new(),
            Self::Error(error) => vec![error_line(error)],
            Self::Panic(message) => {
                vec![format!("panic: {}", message.lines().next().unwrap_or_default())]
            }
            Self::NoTtl(key) => vec![format!("{} was granted no time to live", quote(key))],
            Self::Value(value) => vec![value.as_deref().map_or("(none)".into(), quote_value)],
            Self::Keys(keys) => vec![key_line(keys)],
            Self::KeyCount(count) => vec![count.line()],
            Self::Page(page) => vec![page_line(page)],
            Self::Events(events) => events.lines(),
            Self::Revision(mark, revision) => vec![distance(&mark.name, mark.revision, *revision)],
            Self::Metadata(mark, metadata) => vec![metadata_line(mark.as_ref(), metadata.as_ref())],
            Self::Txn(succeeded, answers) => txn_lines(*succeeded, answers),
            Self::History(operations) => vec![linear::verdict(operations)],
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

    /// Why nothing can be said, where the machine did not let the runner look in time.
    pub fn unseen(&self) -> Option<String> {
        let Self::Expired(expiries) = self else { return None };
        let is_wrong = expiries.iter().any(|expiry| {
            expiry.apart_from.is_some()
                || matches!(expiry.moment(), Moment::Early | Moment::Late | Moment::Back)
        });
        // One key that was seen to be wrong needs no other one to be judged.
        if is_wrong { None } else { expiries.iter().find_map(Expiry::unseen) }
    }

    /// The error that the store answered, if it did.
    pub fn error(&self) -> Option<&StoreError> {
        match self {
            Self::Error(error) => Some(error),
            Self::Events(events) => events.error.as_ref(),
            Self::EventCount(count) => count.error.as_ref(),
            _ => None,
        }
    }
}

fn broken(is_broken: bool, line: impl FnOnce() -> String) -> Vec<String> {
    if is_broken { vec![line()] } else { Vec::new() }
}

fn error_line(error: &StoreError) -> String {
    format!("error: {}", error.kind)
}

fn key_line(keys: &[Vec<u8>]) -> String {
    if keys.is_empty() {
        return "(no keys)".into();
    }
    keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join(" ")
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

fn txn_lines(succeeded: bool, answers: &[(String, OpAnswer)]) -> Vec<String> {
    let told = answers.iter().filter_map(|(words, answer)| {
        let answer = match answer {
            OpAnswer::Put => return None,
            OpAnswer::Deleted(count) => format!("{count} deleted"),
            OpAnswer::Value(value) => value.as_deref().map_or("(none)".into(), quote_value),
            OpAnswer::Keys(keys) => key_line(keys),
        };
        Some(format!("{words}: {answer}"))
    });
    let branch = if succeeded { "then" } else { "else" };
    std::iter::once(branch.into()).chain(told).collect()
}

impl Events {
    fn lines(&self) -> Vec<String> {
        let told = |event: &WatchEvent| event_line(event, self.since.as_ref());
        let mut lines: Vec<_> = self.events.iter().map(told).collect();
        lines.extend(self.flaws.iter().cloned());
        lines.extend(self.error.as_ref().map(error_line));
        if lines.is_empty() {
            lines.push("(no events)".into());
        }
        lines
    }
}

fn event_line(event: &WatchEvent, since: Option<&Mark>) -> String {
    let line = match event {
        WatchEvent::Put { key, value, .. } => format!("put {} {}", quote(key), quote_value(value)),
        WatchEvent::Delete { key, .. } => format!("delete {}", quote(key)),
    };
    let Some(mark) = since else { return line };
    match event.mod_revision() {
        Some(revision) => format!("{line} at {}", distance(&mark.name, mark.revision, revision)),
        None => format!("{line} at no revision"),
    }
}

impl Race {
    fn line(&self) -> String {
        match &self.trouble {
            None => format!("{} of {}", self.good, self.rounds),
            Some(trouble) => format!("{} of {}: {trouble}", self.good, self.rounds),
        }
    }
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

impl EventCount {
    fn lines(&self) -> Vec<String> {
        let mut line = format!("{} puts, {} deletes, {} keys", self.puts, self.deletes, self.keys);
        match &self.disorder {
            Some(key) => line.push_str(&format!(", out of order at {}", quote(key))),
            None => line.push_str(", in order"),
        }
        let flaws = self.flaws.iter().cloned();
        std::iter::once(line).chain(flaws).chain(self.error.as_ref().map(error_line)).collect()
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
        let key = quote(&self.key);
        match self.gone {
            None => format!("{key} survived"),
            Some(gone) => format!("{key} vanished: found gone after {}", seconds(gone)),
        }
    }
}
