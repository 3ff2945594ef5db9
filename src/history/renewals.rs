//! Judges renewals around the end of a TTL: what was promised holds until its TTL has expired.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Calls, Race, RaceCall, RaceReply, is_too_late, put};
use crate::store::{Call, ErrorKind};
use crate::words::{quote_value, seconds};

/// A renewal that the store acknowledged.
struct Promise {
    /// When the renewal was called …
    called: Duration,
    /// … and when it was acknowledged.
    acknowledged: Duration,
    /// The TTL that it promised, from no earlier than the call.
    granted: Duration,
    /// The end of the TTL before, as late as it can be.
    end: Duration,
}

/// What a round asked for and was promised.
#[derive(Default)]
struct Round<'a> {
    key: &'a [u8],
    /// When the TTL that now counts was asked for, and when it ends, as late as that can be.
    now: Option<(Duration, Duration)>,
    /// The TTL that the lease was granted.
    ttl: Duration,
    promises: Vec<Promise>,
    /// When the lease was found to be gone too early, and how long after it was asked for.
    lost: Option<(Duration, Duration)>,
    is_too_late: bool,
}

pub(super) fn judge(calls: &Calls) -> Race {
    let (looks, rounds) = (Looks::of(&calls.calls), calls.by_round());
    let mut left_out = calls.rounds.saturating_sub(rounds.len());
    // What is wrong, by when it was seen.
    let mut troubles: Vec<(Duration, String)> = Vec::new();
    for made in rounds.values() {
        let round = Round::of(made, calls.bounds.tolerance);
        left_out += usize::from(round.is_too_late);
        troubles.extend(round.trouble(&looks, calls.bounds.tolerance));
    }
    let good = calls.rounds.saturating_sub(troubles.len());
    let trouble = troubles.into_iter().min().map(|(_, what)| what);
    Race { rounds: calls.rounds, good, left_out, trouble }
}

impl<'a> Round<'a> {
    fn of(made: &[&'a RaceCall], tolerance: Duration) -> Self {
        let mut round = Self::default();
        for call in made {
            round.key = put(&call.call).map_or(round.key, |(key, _)| key);
            let Some(returned) = call.returned else { continue };
            match (&call.call, &call.reply) {
                (_, RaceReply::Lease(lease)) => {
                    round.ttl = lease.ttl;
                    round.now = Some((call.began, returned + lease.ttl));
                }
                // A TTL of zero is etcd's word for a lease that is gone.
                (_, RaceReply::Granted(granted)) if !granted.is_zero() => {
                    round.grant(call.began, returned, *granted);
                }
                (_, RaceReply::Error(error)) if error.kind == ErrorKind::LeaseNotFound => {
                    round.lose(call, returned, tolerance);
                }
                (
                    _,
                    RaceReply::Done
                    | RaceReply::Dropped
                    | RaceReply::Granted(_)
                    | RaceReply::Value(_)
                    | RaceReply::Keys { .. }
                    | RaceReply::Revision(_)
                    | RaceReply::Txn(_)
                    | RaceReply::Error(_),
                ) => {}
            }
        }
        round
    }

    fn grant(&mut self, called: Duration, acknowledged: Duration, granted: Duration) {
        if let Some((_, end)) = self.now {
            self.promises.push(Promise { called, acknowledged, granted, end });
        }
        self.now = Some((called, acknowledged + granted));
    }

    fn lose(&mut self, call: &RaceCall, returned: Duration, tolerance: Duration) {
        let age = returned.saturating_sub(self.now.map_or(returned, |(asked, _)| asked));
        match call.call {
            Call::KeepAlive { .. } if age + tolerance < self.ttl => {
                self.lost = Some((returned, age));
            }
            _ => {
                let end = self.now.map(|(asked, _)| asked + self.ttl);
                self.is_too_late |= is_too_late(call, end);
            }
        }
    }

    /// The first thing that is wrong, and when it was seen.
    fn trouble(&self, looks: &Looks<'_>, tolerance: Duration) -> Option<(Duration, String)> {
        let broken = |promise: &Promise| {
            let looked = looks.missed(self.key, promise, tolerance)?;
            Some((looked, promise.broken(self.key, looked)))
        };
        let lost = self.lost.map(|(at, age)| (at, lost(self.key, age)));
        self.promises.iter().filter_map(broken).chain(lost).min()
    }
}

impl Promise {
    fn until(&self) -> Duration {
        self.called + self.granted
    }

    /// What was seen of a key that is gone.
    fn broken(&self, key: &[u8], looked: Duration) -> String {
        let (distance, side) = match self.called.checked_sub(self.end) {
            Some(after) => (after, "after"),
            None => (self.end - self.called, "before"),
        };
        format!(
            "{}, renewed {} {side} the end of its TTL and granted {} more, was found gone {} after that",
            quote_value(key),
            seconds(distance),
            seconds(self.granted),
            seconds(looked - self.called)
        )
    }
}

fn lost(key: &[u8], age: Duration) -> String {
    format!(
        "the lease of {} was not found {} after it was granted or kept alive",
        quote_value(key),
        seconds(age)
    )
}

/// The lists that show what is there.
#[derive(Default)]
struct Looks<'a> {
    /// When each list began and ended, one after the other.
    times: Vec<(Duration, Duration)>,
    /// From which list on each key was there, or was not.
    changes: BTreeMap<&'a [u8], Vec<(usize, bool)>>,
}

impl<'a> Looks<'a> {
    fn of(calls: &'a [RaceCall]) -> Self {
        let mut looks = Self::default();
        for call in calls.iter().filter(|call| matches!(call.call, Call::List { .. })) {
            let Some(returned) = call.returned else { continue };
            match &call.reply {
                RaceReply::Keys { came, went } => {
                    came.iter().for_each(|key| looks.change(key, true));
                    went.iter().for_each(|key| looks.change(key, false));
                }
                RaceReply::Error(error) if error.kind == ErrorKind::KeyNotFound => {
                    looks.changes.values_mut().for_each(|all| all.push((looks.times.len(), false)));
                }
                _ => continue,
            }
            looks.times.push((call.began, returned));
        }
        looks
    }

    fn change(&mut self, key: &'a [u8], is_there: bool) {
        self.changes.entry(key).or_default().push((self.times.len(), is_there));
    }

    /// When a list ended that must have shown the key and did not.
    fn missed(&self, key: &[u8], promise: &Promise, tolerance: Duration) -> Option<Duration> {
        // Of two moments that are the same on virtual time, the look may have been the first.
        let from = self.times.partition_point(|(began, _)| *began <= promise.acknowledged);
        let to = self.times.partition_point(|(_, ended)| *ended + tolerance < promise.until());
        let changes = self.changes.get(key).map_or(&[][..], Vec::as_slice);
        let next = changes.partition_point(|(look, _)| *look <= from);
        let is_there = next.checked_sub(1).is_some_and(|last| changes[last].1);
        let gone = if is_there {
            changes[next..].iter().find(|(_, is_there)| !is_there).map(|(look, _)| *look)
        } else {
            Some(from)
        };
        gone.filter(|look| *look < to).map(|look| self.times[look].1)
    }
}
