//! Judges calls that are made while watches have a read pending: none may wait for it.

use std::time::Duration;

use super::{Calls, Race, RaceCall, RaceReply};
use crate::store::Call;
use crate::words::seconds;

/// A call waits if it takes so many times as long as the slowest one with no watch open …
const FACTOR: u32 = 10;
/// … and so long at least …
const FLOOR: Duration = Duration::from_millis(100);
/// … so often in a row, each time with a call in between that does not, while no watch is open.
const TRIES: usize = 5;

pub(super) fn judge(calls: &Calls) -> Race {
    let tries = Tries::of(&calls.calls, calls.bounds.deadline);
    let rounds = calls.rounds;
    match tries.stuck {
        Some((round, trouble)) => Race { rounds, good: round, left_out: 0, trouble: Some(trouble) },
        None => Race { rounds, good: rounds, ..Race::default() },
    }
}

/// What is known after some calls. Those of a round are made while watches are open, the others while none is.
#[derive(Default)]
pub(crate) struct Tries {
    slowest: Duration,
    deadline: Duration,
    has_begun: bool,
    /// The call that last waited: its client, what it was, and its round.
    last: Option<(usize, Call, usize)>,
    /// How often in a row it did.
    pub waited: usize,
    /// The round in which a call waited too often, and what was seen.
    pub stuck: Option<(usize, String)>,
}

impl Tries {
    /// What these calls show.
    pub fn of(calls: &[RaceCall], deadline: Duration) -> Self {
        let mut tries = Self { deadline, ..Self::default() };
        for call in calls.iter().filter(|call| call.reply != RaceReply::Dropped) {
            if tries.stuck.is_none() {
                tries.take(call);
            }
        }
        tries
    }

    /// How long the next call is waited for.
    pub fn limit(&self) -> Duration {
        (self.slowest * FACTOR).max(FLOOR).min(self.deadline)
    }

    fn take(&mut self, call: &RaceCall) {
        self.has_begun |= call.round.is_some();
        match (call.round, call.took()) {
            (Some(round), None) => {
                let is_again = self.last.as_ref().is_some_and(|last| is_same(last, call));
                self.waited = if is_again { self.waited + 1 } else { 1 };
                self.last = Some((call.client, call.call.clone(), round));
            }
            (Some(_), Some(_)) => (self.waited, self.last) = (0, None),
            (None, Some(took)) if !self.has_begun => self.slowest = self.slowest.max(took),
            (None, Some(took)) => self.take_alone(call, took),
            (None, None) => {}
        }
    }

    /// Takes in the call that was made again with no watch open.
    fn take_alone(&mut self, call: &RaceCall, took: Duration) {
        let Some(last) = self.last.as_ref().filter(|last| is_same(last, call)) else { return };
        let limit = self.limit();
        if took >= limit {
            // Without a watch it is as slow, so the watch is not why.
            (self.slowest, self.waited, self.last) = (took, 0, None);
        } else if self.waited == TRIES {
            self.stuck = Some((last.2, describe(call, limit, took)));
        }
    }
}

fn is_same((client, call, _): &(usize, Call, usize), other: &RaceCall) -> bool {
    *client == other.client && call.method() == other.call.method()
}

fn describe(call: &RaceCall, limit: Duration, alone: Duration) -> String {
    let what = match call.call {
        Call::Watch { .. } => "opening and ending a watch",
        Call::WatchFrom { .. } => "opening and ending a watch from a revision",
        Call::Close {} => "opening and closing a client",
        _ => call.call.method(),
    };
    let who = match call.client {
        0 => "by the same client",
        1 => "by another client",
        _ => "concurrently",
    };
    format!(
        "{what} {who} took more than {} whenever a watch had a read pending, and {} when none had ({TRIES} times each)",
        seconds(limit),
        seconds(alone)
    )
}
