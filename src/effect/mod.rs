//! What a command does to keys, leases and watches, and what its answer depends on: as it is meant to, or as it was
//! answered.

pub mod lifetimes;

use std::borrow::Cow;
use std::time::Duration;

use crate::transcript::{Event, EventCount, Events, Expiry};
use crate::words::{self, Rev};

/// The name of a watch that was opened without one.
pub const WATCH: &str = "w";

/// What a script has a name for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Subject<'a> {
    /// A key.
    Key(Cow<'a, [u8]>),
    /// The keys of a `fill` or a `race`, by what they begin with.
    Fill(Cow<'a, [u8]>),
    /// A lease.
    Lease(Cow<'a, str>),
    /// A watch.
    Watch(Cow<'a, str>),
}

impl<'a> Subject<'a> {
    pub(crate) fn key(key: &'a [u8]) -> Self {
        Self::Key(key.into())
    }

    pub(crate) fn watch(name: Option<&'a str>) -> Self {
        Self::Watch(name.unwrap_or(WATCH).into())
    }

    /// The same, independent of the script that it comes from.
    pub(crate) fn into_owned(self) -> Subject<'static> {
        match self {
            Self::Key(key) => Subject::Key(key.into_owned().into()),
            Self::Fill(start) => Subject::Fill(start.into_owned().into()),
            Self::Lease(name) => Subject::Lease(name.into_owned().into()),
            Self::Watch(name) => Subject::Watch(name.into_owned().into()),
        }
    }
}

/// The keys that a command writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys<'a> {
    /// One key.
    One(Cow<'a, [u8]>),
    /// So many keys that begin alike, numbered from 0.
    Numbered(Cow<'a, [u8]>, usize),
    /// Keys that begin alike, which no one knows before they are written.
    Under(Cow<'a, [u8]>),
    /// The empty key, without the case's prefix.
    Bare,
}

/// The key of that number among those that begin alike.
pub(crate) fn numbered(start: &[u8], number: usize) -> Vec<u8> {
    [start, format!("{number:04}").as_bytes()].concat()
}

impl Keys<'_> {
    /// Each of the keys once, as far as they are known.
    pub(crate) fn each(&self) -> Vec<Vec<u8>> {
        match self {
            Self::One(key) => vec![key.to_vec()],
            Self::Numbered(start, count) => {
                (0..*count).map(|number| numbered(start, number)).collect()
            }
            Self::Under(_) | Self::Bare => Vec::new(),
        }
    }
}

/// What is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Written<'a> {
    /// A value.
    Value(Cow<'a, [u8]>),
    /// So many values.
    Many(usize),
    /// The values of a fill of one key.
    Fill,
    /// A directory.
    Directory,
    /// What a race of that kind writes, which the race takes away or notes itself.
    Race(String),
}

/// What the life of a key that was written depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Lifetime<'a> {
    /// Nothing: it stays until it is deleted.
    Permanent,
    /// A TTL of its own: the one granted, or before the answer the one asked for.
    Ttl(Duration),
    /// A lease of the script.
    Lease(Cow<'a, str>),
}

/// What the answer of a command depends on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight<'a> {
    /// Whether a key is there, and its value.
    Key(Cow<'a, [u8]>),
    /// Which keys with a prefix are there.
    Prefix(Cow<'a, [u8]>),
    /// Whether a lease is there.
    Lease(Cow<'a, str>),
    /// How often a key was written since it was last created.
    Version(Cow<'a, [u8]>),
    /// What happened below the prefix of a watch.
    Watch(&'a str),
    /// Everything that happened, since it has a revision each.
    Everything,
}

/// What was found of it.
#[derive(Debug, Clone, PartialEq)]
pub enum Found<'a> {
    /// The command was not answered yet, or its answer does not say.
    Unknown,
    /// A value.
    Value(&'a words::Value),
    /// It is there, in words.
    There(Cow<'static, str>),
    /// It is not there.
    Missing,
    /// These keys are there.
    Keys(&'a [Vec<u8>]),
    /// These events were delivered.
    Events(&'a Events),
    /// So many events were delivered.
    Count(&'a EventCount),
    /// It was gone at that moment.
    Expired(&'a Expiry),
}

/// A change of keys and leases.
#[derive(Debug, Clone, PartialEq)]
pub enum StateChange<'a> {
    /// Keys were written.
    Wrote(Keys<'a>, Written<'a>, Lifetime<'a>),
    /// A key was deleted.
    Deleted(Cow<'a, [u8]>),
    /// Every key with a prefix was deleted.
    DeletedPrefix(Cow<'a, [u8]>),
    /// A lease was granted for so long, and with an id of the script's choice if there is one.
    Granted(&'a str, Duration, Option<&'a str>),
    /// A lease was set back to its full TTL, as far as that is known.
    Renewed(&'a str, Option<Duration>),
    /// A lease was revoked, and its keys with it.
    Revoked(&'a str),
    /// What was before a revision was forgotten.
    Compacted(&'a Rev),
}

/// The beginning or end of a watch.
#[derive(Debug, Clone, PartialEq)]
pub enum WatchChange<'a> {
    /// A watch was opened.
    Opened {
        /// Its name.
        watch: Subject<'a>,
        /// Its prefix.
        prefix: &'a [u8],
        /// Whether it begins with a revision that the script computes.
        is_from_revision: bool,
    },
    /// A watch was ended.
    Closed(Subject<'a>),
}

/// Time that passes, or is waited for.
#[derive(Debug, Clone, PartialEq)]
pub enum Passing<'a> {
    /// The script let so much time pass.
    Waited(Duration),
    /// The command takes as long as it takes, and the script means it to.
    TookItsTime,
    /// The end of a key or lease was waited for.
    AwaitedEnd(Subject<'a>),
    /// An event of a watch was waited for, which may be the end of a TTL.
    AwaitedEvent(&'a str),
    /// It was watched whether a key stays after every TTL that it ever had.
    Outlasted(&'a [u8]),
}

/// One thing that a command does, or that its answer depends on.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect<'a> {
    /// Keys or leases were changed.
    Changed(StateChange<'a>),
    /// A watch was opened or ended.
    Watched(WatchChange<'a>),
    /// Time passed.
    Passed(Passing<'a>),
    /// The client was closed.
    Closed,
    /// The store was ended and opened again.
    Reopened,
    /// Something was looked at, and found so.
    Saw(Sight<'a>, Found<'a>),
    /// The store refused what was asked of this; the words say how.
    Refused(Subject<'a>, Cow<'static, str>),
    /// One of the two happened: which, only the answer says.
    Either(Vec<Effect<'a>>, Vec<Effect<'a>>),
}

impl<'a> Effect<'a> {
    /// The time that passes with it.
    pub(crate) fn passing(&self) -> Option<&Passing<'a>> {
        match self {
            Self::Passed(passing) => Some(passing),
            Self::Changed(_)
            | Self::Watched(_)
            | Self::Closed
            | Self::Reopened
            | Self::Saw(..)
            | Self::Refused(..)
            | Self::Either(..) => None,
        }
    }
}

/// The keys of the deletions among events.
pub(crate) fn deleted(events: &Events) -> impl Iterator<Item = &[u8]> {
    events.events.iter().filter_map(|event| match event {
        Event::Delete { key, .. } => Some(key.as_slice()),
        Event::Put { .. } => None,
    })
}
