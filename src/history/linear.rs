//! Judges whether the calls of several clients on one key can have happened one after the other.
//!
//! The search is Wing and Gong's with the memory that Lowe added to it: a set of calls that have taken effect, and the
//! value that they leave, need be looked at once.

use std::collections::HashSet;

use serde::{Deserialize, Serialize};

use super::once::Once;
use crate::store::StoreError;

/// One call on the key. Its moments count the calls' beginnings and ends in the order in which they were seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// The client, counted from 0; a client has one call under way at a time.
    pub client: usize,
    /// What was called, and what it answered.
    pub call: Call,
    /// When it began.
    pub began: usize,
    /// When it ended; `None` where no one knows whether it was done, now or later.
    pub ended: Option<usize>,
    /// What it answered then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<StoreError>,
}

/// A call on one key, whose values are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Call {
    /// A write of this value.
    Write(u64),
    /// A deletion.
    Delete,
    /// A read, and what it gave.
    Read(Option<u64>),
}

/// Every call of a race for one register, in no order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Register {
    /// The calls.
    pub operations: Vec<Operation>,
    #[serde(skip)]
    judged: Once<Linear>,
}

impl Register {
    /// A record that was not judged yet.
    pub fn new(operations: Vec<Operation>) -> Self {
        Self { operations, judged: Once::default() }
    }

    /// What the calls amount to, whatever errors some of them answered.
    pub fn judged(&self) -> &Linear {
        self.judged.get(|| judge(&self.operations))
    }

    /// The first error, where the calls can have happened one after the other.
    pub fn error(&self) -> Option<&StoreError> {
        match self.judged() {
            Linear::No(_) => None,
            Linear::Yes | Linear::Unclear => {
                self.operations.iter().find_map(|call| call.error.as_ref())
            }
        }
    }
}

/// How many states of the search are looked at: far more than any right store needs.
const STEPS: usize = 1_000_000;

/// What a history amounts to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Linear {
    /// The calls can have happened one after the other.
    Yes,
    /// They cannot: the call that fits nowhere, in words.
    No(String),
    /// The search was given up.
    Unclear,
}

/// A state of the search: how many calls of each client have taken effect, and what the key holds then.
type State = (Vec<usize>, Option<u64>);

/// Judges a history.
pub fn judge(history: &[Operation]) -> Linear {
    judge_in(history, STEPS)
}

fn judge_in(history: &[Operation], steps: usize) -> Linear {
    let clients = in_turn(history);
    let mut seen: HashSet<State> = HashSet::new();
    let mut open: Vec<State> = vec![(vec![0; clients.len()], None)];
    let mut furthest: (usize, Option<&Operation>) = (0, None);
    while let Some((done, value)) = open.pop() {
        if seen.len() > steps {
            return Linear::Unclear;
        }
        let next = clients.iter().zip(&done).enumerate();
        let next: Vec<(usize, &Operation)> =
            next.filter_map(|(place, (calls, done))| Some((place, *calls.get(*done)?))).collect();
        // What ended before another call began must take effect before it. One that may not have been done need not.
        let Some(bound) = next.iter().filter_map(|(_, call)| call.ended).min() else {
            return Linear::Yes;
        };
        let blocked = next.iter().find(|(_, call)| call.ended == Some(bound));
        let count = done.iter().sum();
        if count >= furthest.0 {
            furthest = (count, blocked.map(|(_, call)| *call));
        }
        for (place, call) in next.into_iter().filter(|(_, call)| call.began <= bound) {
            let Some(value) = effect(call.call, value) else { continue };
            let mut done = done.clone();
            done[place] += 1;
            if seen.insert((done.clone(), value)) {
                open.push((done, value));
            }
        }
    }
    let words =
        |call: &Operation| format!("client {} cannot have seen {}", call.client, words(call.call));
    Linear::No(furthest.1.map(words).unwrap_or_default())
}

/// The calls that follow one another: those of each client, and each alone of which no one knows whether it was done. A
/// read of those says nothing.
fn in_turn(history: &[Operation]) -> Vec<Vec<&Operation>> {
    let (known, unknown): (Vec<&Operation>, Vec<&Operation>) =
        history.iter().partition(|call| call.ended.is_some());
    let clients = known.iter().map(|call| call.client + 1).max().unwrap_or(0);
    let mut in_turn = vec![Vec::new(); clients];
    known.into_iter().for_each(|call| in_turn[call.client].push(call));
    for calls in &mut in_turn {
        calls.sort_by_key(|call| call.began);
    }
    let writes = unknown.into_iter().filter(|call| !matches!(call.call, Call::Read(_)));
    in_turn.extend(writes.map(|call| vec![call]));
    in_turn
}

/// What the key holds after the call; `None` where the call cannot take effect here.
fn effect(call: Call, value: Option<u64>) -> Option<Option<u64>> {
    match call {
        Call::Write(new) => Some(Some(new)),
        Call::Delete => Some(None),
        Call::Read(seen) => (seen == value).then_some(value),
    }
}

fn words(call: Call) -> String {
    match call {
        Call::Write(value) => format!("its write of {value} done"),
        Call::Delete => "its deletion done".into(),
        Call::Read(Some(value)) => format!("the value {value}"),
        Call::Read(None) => "no value".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn history(calls: &[(usize, Call, usize, usize)]) -> Vec<Operation> {
        let operation = |&(client, call, began, ended)| {
            let ended = (ended > 0).then_some(ended);
            Operation { client, call, began, ended, error: None }
        };
        calls.iter().map(operation).collect()
    }

    use Call::{Delete, Read, Write};

    #[rstest]
    #[case::nothing(&[], true)]
    #[case::one_after_the_other(&[(0, Write(1), 0, 1), (1, Read(Some(1)), 2, 3)], true)]
    #[case::stale_read(&[(0, Write(1), 0, 1), (1, Read(None), 2, 3)], false)]
    #[case::beside_a_write_both_may_be_seen(&[(0, Write(1), 0, 5), (1, Read(None), 1, 2), (1, Read(Some(1)), 3, 4)], true)]
    #[case::but_not_backwards(&[(0, Write(1), 0, 5), (1, Read(Some(1)), 1, 2), (1, Read(None), 3, 4)], false)]
    #[case::two_readers_disagree(
        &[(0, Write(1), 0, 9), (1, Read(Some(1)), 1, 2), (2, Read(None), 3, 4)], false)]
    #[case::lost_update(
        &[(0, Write(1), 0, 1), (1, Write(2), 2, 3), (0, Read(Some(1)), 4, 5)], false)]
    #[case::either_order_of_two_writes(
        &[(0, Write(1), 0, 5), (1, Write(2), 1, 4), (2, Read(Some(1)), 6, 7)], true)]
    #[case::deleted_means_gone(
        &[(0, Write(1), 0, 1), (1, Delete, 2, 3), (2, Read(Some(1)), 4, 5)], false)]
    #[case::invented_value(&[(0, Write(1), 0, 1), (1, Read(Some(7)), 2, 3)], false)]
    #[case::an_unknown_write_may_be_done(&[(0, Write(1), 0, 0), (1, Read(Some(1)), 2, 3)], true)]
    #[case::an_unknown_write_may_not_be_done(&[(0, Write(1), 0, 0), (1, Read(None), 2, 3)], true)]
    #[case::an_unknown_write_may_be_done_later(
        &[(0, Write(1), 0, 0), (1, Read(None), 2, 3), (0, Read(None), 4, 5), (1, Read(Some(1)), 6, 7)], true)]
    #[case::an_unknown_write_is_done_once(
        &[(0, Write(1), 0, 0), (1, Read(Some(1)), 2, 3), (1, Read(None), 4, 5)], false)]
    #[case::nothing_is_read_before_it_is_written(&[(1, Read(Some(1)), 0, 1), (0, Write(1), 2, 0)], false)]
    #[case::an_unknown_read_says_nothing(&[(0, Read(Some(7)), 0, 0), (1, Read(None), 2, 3)], true)]
    fn a_history_is_judged(#[case] calls: &[(usize, Call, usize, usize)], #[case] fits: bool) {
        assert_eq!(judge(&history(calls)) == Linear::Yes, fits);
    }

    #[test]
    fn a_search_without_end_is_given_up() {
        let calls: Vec<_> = (0..12).map(|client| (client, Write(client as u64), 0, 99)).collect();
        let calls = [calls, vec![(0, Read(Some(77)), 100, 101)]].concat();
        assert_eq!(judge_in(&history(&calls), 1000), Linear::Unclear);
    }
}
