//! What several commands have in common.

use std::time::Duration;

use crate::effect::{Effect, Found, Lifetime, Sight};
use crate::session::Session;
use crate::store::Result;
use crate::transcript::{Answer, Mark};
use crate::words::quote_value;

/// A command's name and the key that it is about.
pub(super) fn label(name: &str, key: &[u8]) -> String {
    format!("{name} {}", quote_value(key))
}

/// The TTL that an answer says was granted, now or when the lease was.
pub(super) fn granted(answer: Option<&Answer>) -> Option<Duration> {
    match answer {
        Some(Answer::Granted { granted, .. } | Answer::Renewed { granted, .. }) => Some(*granted),
        _ => None,
    }
}

/// What a key depends on that is written with `ttl=` or `lease=`.
pub(super) fn lifetime<'a>(
    asked: Option<Duration>,
    lease: Option<&'a str>,
    answer: Option<&Answer>,
) -> Lifetime<'a> {
    match (asked, lease) {
        (Some(asked), _) => Lifetime::Ttl(granted(answer).unwrap_or(asked)),
        (None, Some(lease)) => Lifetime::Lease(lease.into()),
        (None, None) => Lifetime::Permanent,
    }
}

/// That an answer depends on everything that happened.
pub(super) fn everything() -> Effect<'static> {
    Effect::Saw(Sight::Everything, Found::Unknown)
}

/// That an answer depends on whether a lease is there.
pub(super) fn saw_lease(lease: &str) -> Effect<'_> {
    Effect::Saw(Sight::Lease(lease.into()), Found::Unknown)
}

/// That an answer has the events of a watch.
pub(super) fn saw_watch<'a>(watch: &'a str, answer: Option<&'a Answer>) -> Effect<'a> {
    let found = match answer {
        Some(Answer::Events(events)) => Found::Events(events),
        Some(Answer::EventCount(count)) => Found::Count(count),
        _ => Found::Unknown,
    };
    Effect::Saw(Sight::Watch(watch), found)
}

/// The mark of that name, if there is one.
pub(super) fn mark(session: &Session<'_>, name: Option<&String>) -> Result<Option<Mark>> {
    name.map(|name| session.marks.get(name)).transpose()
}
