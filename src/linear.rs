//! Judges whether the calls of several clients on one key can have happened one after the other.
//!
//! The search is Wing and Gong's with the memory that Lowe added to it: a set of calls that have taken effect, and the
//! value that they leave, need be looked at once.

use std::collections::HashSet;

/// One call on the key. Its moments count the calls' beginnings and ends in the order in which they were seen.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Operation {
    /// The client, counted from 0; a client has one call under way at a time.
    pub client: usize,
    /// What was called, and what it answered.
    pub call: Call,
    /// When it began.
    pub began: usize,
    /// When it ended.
    pub ended: usize,
}

/// A call on one key, whose values are numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum Call {
    /// A write of this value.
    Write(u64),
    /// A deletion.
    Delete,
    /// A read, and what it gave.
    Read(Option<u64>),
}

/// What a history amounts to, in words.
pub fn verdict(history: &[Operation]) -> String {
    match stuck(history) {
        None => "linearizable".into(),
        Some(at) => format!("not linearizable: {at}"),
    }
}

/// A state of the search: how many calls of each client have taken effect, and what the key holds then.
type State = (Vec<usize>, Option<u64>);

/// The call that fits nowhere, in words; `None` where all fit.
fn stuck(history: &[Operation]) -> Option<String> {
    let clients = by_client(history);
    let mut seen: HashSet<State> = HashSet::new();
    let mut open: Vec<State> = vec![(vec![0; clients.len()], None)];
    let mut furthest: (usize, Option<&Operation>) = (0, None);
    while let Some((done, value)) = open.pop() {
        let next: Vec<&Operation> = clients
            .iter()
            .zip(&done)
            .filter_map(|(calls, done)| calls.get(*done).copied())
            .collect();
        // What ended before another call began must take effect before it.
        if next.is_empty() {
            return None;
        }
        let bound = next.iter().map(|call| call.ended).min().unwrap_or_default();
        let blocked = next.iter().find(|call| call.ended == bound).copied();
        let count = done.iter().sum();
        if count >= furthest.0 {
            furthest = (count, blocked);
        }
        for call in next.into_iter().filter(|call| call.began <= bound) {
            let Some(value) = effect(call.call, value) else { continue };
            let mut done = done.clone();
            done[call.client] += 1;
            if seen.insert((done.clone(), value)) {
                open.push((done, value));
            }
        }
    }
    furthest.1.map(|call| format!("client {} cannot have seen {}", call.client, words(call.call)))
}

fn by_client(history: &[Operation]) -> Vec<Vec<&Operation>> {
    let clients = history.iter().map(|call| call.client + 1).max().unwrap_or(0);
    let mut by_client = vec![Vec::new(); clients];
    for call in history {
        by_client[call.client].push(call);
    }
    for calls in &mut by_client {
        calls.sort_by_key(|call| call.began);
    }
    by_client
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
        let operation = |&(client, call, began, ended)| Operation { client, call, began, ended };
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
    fn a_history_is_judged(#[case] calls: &[(usize, Call, usize, usize)], #[case] fits: bool) {
        assert_eq!(stuck(&history(calls)).is_none(), fits);
    }
}
