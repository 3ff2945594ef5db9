//! Compares what two stores answered to one program, and lets be what etcd leaves open.

use std::collections::BTreeSet;

use super::program::{Program, read_alike};
use crate::scenario::Scenario;
use crate::store::ErrorKind;
use crate::transcript::{Answer, End, Entry, Event, Events, Transcript};
use crate::verdict::{Mismatch, Verdict, judge};

/// What etcd leaves open. Times are none of it: `expire`, `time_to_live` and `survive` judge them on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LeftOpen {
    /// Which of two TTLs ends first that end within the lag of each other.
    ExpiryOrder,
    /// For how much longer than asked for a TTL is granted, on either store.
    LongerGrant,
    /// How many of its last events a watch still delivers when its client is closed.
    ClosedWatch,
}

impl LeftOpen {
    /// Every one of them.
    pub const ALL: [Self; 3] = [Self::ExpiryOrder, Self::LongerGrant, Self::ClosedWatch];

    /// What is let be, and why, in one line.
    pub fn reason(self) -> &'static str {
        match self {
            Self::ExpiryOrder => {
                "the order and the revisions of deletions by TTLs that end within Limits::expiry_lag of each other: a \
                 store looks for what is due every now and then, and takes it in any order"
            }
            Self::LongerGrant => {
                "all answers after a TTL that was granted for longer by one of the stores: a store may round up, and \
                 has a floor, so keys are there that are gone on the other"
            }
            Self::ClosedWatch => {
                "which events a watch still delivers before it says that its client is closed: those that are under way \
                 when the client closes may come or not"
            }
        }
    }
}

/// What the answers of two stores amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// They are the same, but for these.
    Same(BTreeSet<LeftOpen>),
    /// They differ: how, by the judge of scenarios.
    Different(Box<Mismatch>),
    /// They cannot be compared: why.
    Unclear(String),
}

/// Compares what a store was seen to answer with what another one did.
pub(super) fn compare(program: &Program, reference: &Transcript, seen: &Transcript) -> Comparison {
    let mut open = BTreeSet::new();
    let (expected, longer) = expected(program, reference, seen, &mut open);
    let alike = expected.entries.iter().zip(&seen.entries);
    let first = alike.clone().position(|(one, other)| !read_alike(&one.answer, &other.answer));
    let is_whole = seen.entries.len() == expected.entries.len() && seen.end == End::Finished;
    if first.is_none() && is_whole {
        return Comparison::Same(open);
    }
    if let (Some(first), Some(longer)) = (first, longer)
        && first > longer
    {
        return Comparison::Unclear(LeftOpen::LongerGrant.reason().into());
    }
    match program.script("# A program.", &expected) {
        Ok(scenario) => judged(&scenario, seen, open),
        Err(error) => Comparison::Unclear(error.to_string()),
    }
}

fn judged(scenario: &Scenario, seen: &Transcript, open: BTreeSet<LeftOpen>) -> Comparison {
    match judge(scenario, seen) {
        Verdict::Passed => Comparison::Same(open),
        Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => Comparison::Different(mismatch),
        Verdict::Skipped(reason)
        | Verdict::Stale(reason)
        | Verdict::Unclear(reason)
        | Verdict::Errored(reason) => Comparison::Unclear(reason),
    }
}

/// What is expected of a store that answered so: the other's answers, or its own where they differ only in what is left
/// open. And the first command that was granted a longer TTL.
fn expected(
    program: &Program,
    reference: &Transcript,
    seen: &Transcript,
    open: &mut BTreeSet<LeftOpen>,
) -> (Transcript, Option<usize>) {
    let mut expected = reference.clone();
    let mut longer = None;
    for (at, (one, other)) in expected.entries.iter_mut().zip(&seen.entries).enumerate() {
        if is_granted_otherwise(&one.answer, &other.answer) {
            longer.get_or_insert(at);
        }
        if read_alike(&one.answer, &other.answer) {
            continue;
        }
        let left_open = match () {
            () if is_reordered(program, one, other) => LeftOpen::ExpiryOrder,
            () if is_cut_short(&one.answer, &other.answer) => LeftOpen::ClosedWatch,
            () => continue,
        };
        open.insert(left_open);
        one.answer = other.answer.clone();
    }
    (expected, longer)
}

fn is_granted_otherwise(one: &Answer, other: &Answer) -> bool {
    match (one, other) {
        (Answer::Granted { granted, .. }, Answer::Granted { granted: other, .. }) => {
            other != granted
        }
        _ => false,
    }
}

/// Whether two lists of events differ only in the order of deletions that may come in any.
fn is_reordered(program: &Program, one: &Entry, other: &Entry) -> bool {
    match (&one.answer, &other.answer) {
        (Answer::Events(one), Answer::Events(other)) => {
            sorted(program, one).as_ref().is_some_and(|one| {
                sorted(program, other).is_some_and(|other| one.lines() == other.lines())
            })
        }
        _ => false,
    }
}

/// Whether a watch whose client is closed has delivered fewer events.
fn is_cut_short(one: &Answer, other: &Answer) -> bool {
    let is_closed =
        |answer: &Answer| answer.error().is_some_and(|error| error.kind == ErrorKind::Closed);
    match (one, other) {
        (Answer::Events(all), Answer::Events(some)) => {
            let events = Events {
                events: all.events.iter().take(some.events.len()).cloned().collect(),
                ..all.clone()
            };
            is_closed(one) && is_closed(other) && read_alike(&Answer::Events(events), other)
        }
        (Answer::EventCount(all), Answer::EventCount(some)) => {
            is_closed(one)
                && is_closed(other)
                && some.puts <= all.puts
                && some.deletes <= all.deletes
        }
        _ => false,
    }
}

/// The events with deletions that may come in any order sorted and without their revisions; `None` if there are none.
fn sorted(program: &Program, events: &Events) -> Option<Answer> {
    let group = |event: &Event| {
        let key = deleted(event)?;
        program.any_order.iter().position(|keys| keys.contains(key))
    };
    events.events.iter().find_map(group)?;
    let mut sorted = events.clone();
    let is_one = |one: &Event, next: &Event| group(one).is_some() && group(one) == group(next);
    for run in sorted.events.chunk_by_mut(is_one) {
        if run.len() > 1 {
            run.sort_by_key(|event| deleted(event).map(<[u8]>::to_vec));
            for event in run {
                if let Event::Delete { mod_revision, .. } = event {
                    *mod_revision = None;
                }
            }
        }
    }
    Some(Answer::Events(sorted))
}

/// The key of a deletion.
fn deleted(event: &Event) -> Option<&[u8]> {
    match event {
        Event::Delete { key, .. } => Some(key),
        Event::Put { .. } => None,
    }
}
