//! Records of races, right and wrong: each judged by its record alone, and by the right clause.

use std::time::Duration;

use kvspec::history::{Bounds, Calls, RaceBatch, RaceCall, RaceKind, RaceReply, RaceWatch};
use kvspec::store::{Call, ErrorKind, Lease, Op, OpAnswer, StoreError, Txn, TxnAnswer, WatchEvent};
use kvspec::transcript::Answer;
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::judging::judged;

const BOUNDS: Bounds = Bounds {
    deadline: Duration::from_secs(10),
    event_lag: Duration::from_millis(500),
    tolerance: Duration::ZERO,
};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A call of a client, and when it began and returned, in milliseconds.
fn call(client: usize, call: Call, (began, returned): (u64, u64), reply: RaceReply) -> RaceCall {
    let (began, returned) = (ms(began), Some(ms(returned)));
    RaceCall { client, round: None, call, began, returned, reply }
}

/// Puts calls in a round.
fn round<const N: usize>(round: usize, calls: [RaceCall; N]) -> Vec<RaceCall> {
    calls.map(|call| RaceCall { round: Some(round), ..call }).to_vec()
}

fn update(key: &str, at: (u64, u64)) -> RaceCall {
    let (key, value) = (key.into(), "v".into());
    call(1, Call::Update { key, value }, at, RaceReply::Done)
}

fn read(value: &str, at: (u64, u64)) -> RaceCall {
    let reply = RaceReply::Value(Some(value.into()));
    call(0, Call::Read { key: "k".into() }, at, reply)
}

fn error(kind: ErrorKind) -> RaceReply {
    RaceReply::Error(kind.into())
}

fn watch(batches: Vec<(u64, WatchEvent)>, error: Option<ErrorKind>) -> RaceWatch {
    let opening = call(0, Call::Watch { prefix: "k".into() }, (0, 0), RaceReply::Done);
    let opening = RaceCall { round: Some(0), ..opening };
    let batch = |(at, event)| RaceBatch { at: ms(at), events: vec![event] };
    let batches = batches.into_iter().map(batch).collect();
    RaceWatch { opening, batches, error: error.map(StoreError::from) }
}

fn put(key: &str) -> WatchEvent {
    WatchEvent::put(key, "v")
}

fn lists(lists: &[(u64, &[&str], &[&str])]) -> Vec<RaceCall> {
    let keys = |keys: &[&str]| keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    let list = |&(at, came, went): &(u64, &[&str], &[&str])| {
        let reply = RaceReply::Keys { came: keys(came), went: keys(went) };
        call(0, Call::List { prefix: "k".into() }, (at, at + 10), reply)
    };
    lists.iter().map(list).collect()
}

fn txn(client: usize, then: Vec<Op>, succeeded: bool, answers: Vec<OpAnswer>) -> RaceCall {
    // A transaction takes more parts in time, so that it is made of its default.
    #[allow(clippy::field_reassign_with_default)]
    let txn = {
        let mut txn = Txn::default();
        txn.then = then;
        txn
    };
    call(client, Call::Txn { txn }, (1, 2), RaceReply::Txn(TxnAnswer::new(succeeded, answers)))
}

/// A round of compare-and-swap by two clients, each of which writes its number.
fn swaps(won: [bool; 2], last: &str) -> Vec<RaceCall> {
    let swap = |client: usize| {
        let value = client.to_string().into_bytes();
        txn(client, vec![Op::Put { key: "k".into(), value, lease: None }], won[client], Vec::new())
    };
    round(0, [read("9", (0, 1)), swap(0), swap(1), read(last, (3, 4))])
}

/// A read of two keys.
fn pair(a: &str, b: &str) -> Vec<RaceCall> {
    let read = |key: &str| Op::Read { key: key.into() };
    let answers = [a, b].map(|value| OpAnswer::Value(Some(value.into()))).to_vec();
    round(0, [txn(1, vec![read("k0"), read("k1")], true, answers)])
}

/// A key that is written for 2 s, and again at 1.9 s, and what is listed then.
fn rewritten(looks: &[(u64, &[&str], &[&str])]) -> Vec<RaceCall> {
    let write = |at| {
        let (key, value, ttl) = ("k0000".into(), "0".into(), ms(2000));
        call(0, Call::UpdateWithTtl { key, value, ttl }, (at, at), RaceReply::Granted(ttl))
    };
    [round(0, [write(0), write(1900)]), lists(looks)].concat()
}

/// A lease of 2 s that is kept alive at 1.5 s, with that answer.
fn prolonged(kept: RaceReply, looks: &[(u64, &[&str], &[&str])]) -> Vec<RaceCall> {
    let lease = RaceReply::Lease(Lease::new(7, ms(2000)));
    let granted = call(0, Call::Lease { ttl: ms(2000) }, (0, 1), lease);
    let attach = Call::UpdateWithLease { key: "k0000".into(), value: "v".into(), lease: 7 };
    let attached = call(0, attach, (1, 2), RaceReply::Done);
    let kept = call(0, Call::KeepAlive { lease: 7 }, (1500, 1501), kept);
    [round(0, [granted, attached, kept]), lists(looks)].concat()
}

fn kept(reply: RaceReply) -> Vec<RaceCall> {
    round(0, [call(0, Call::KeepAlive { lease: 7 }, (0, 1), reply)])
}

/// Three writes whose events come after so many milliseconds, each with a read at 600 ms that took so long.
fn prompt(lags: [u64; 3], control: u64) -> (Vec<RaceCall>, Vec<RaceWatch>) {
    let start = |number: usize| number as u64 * 10_000;
    let name = |number: usize| format!("k{number:04}");
    let calls = (0..3).flat_map(|number| {
        let (at, looked) = (start(number), start(number) + 600);
        round(number, [update(&name(number), (at, at)), read("v", (looked, looked + control))])
    });
    let event = |(number, lag): (usize, u64)| (start(number) + lag, put(&name(number)));
    let events = lags.into_iter().enumerate().map(event).collect();
    (calls.collect(), vec![watch(events, None)])
}

/// An update with no watch open, and five times while one is, each followed by one without.
fn pending(is_answered: bool, alone: u64) -> Vec<RaceCall> {
    let tries = (0..5).flat_map(|number| {
        let mut tried = update("k", (1000 * number, 1000 * number + 1));
        tried.round = Some(0);
        if !is_answered {
            (tried.returned, tried.reply) = (None, error(ErrorKind::DeadlineExceeded));
        }
        [tried, update("k", (1000 * number + 500, 1000 * number + 500 + alone))]
    });
    [update("k", (0, 1))].into_iter().chain(tries).collect()
}

/// Three writes from the second client, after a look at the revision.
fn resumed() -> Vec<RaceCall> {
    let now = call(0, Call::Revision {}, (0, 0), RaceReply::Revision(5));
    let writes = ["k0000", "k0001", "k0002"].map(|key| update(key, (1, 2)));
    std::iter::once(now).chain(writes).collect()
}

fn came(events: &[(&str, i64)], error: Option<ErrorKind>) -> Vec<RaceWatch> {
    vec![watch(events.iter().map(|(key, revision)| (3, put(key).at(*revision))).collect(), error)]
}

fn writes(count: usize) -> Vec<RaceCall> {
    (0..count).flat_map(|number| round(0, [update(&format!("k{number:04}"), (1, 2))])).collect()
}

fn told(count: usize, error: Option<ErrorKind>) -> Vec<RaceWatch> {
    vec![watch((0..count).map(|number| (3, put(&format!("k{number:04}")))).collect(), error)]
}

fn refused(written: RaceReply, last: &str) -> Vec<RaceCall> {
    let write = RaceCall { client: 0, reply: written, ..update("k", (0, 1)) };
    let empty = Call::Update { key: Vec::new(), value: "v".into() };
    let refused = call(1, empty, (0, 1), error(ErrorKind::EmptyKey));
    round(0, [write, refused, read(last, (2, 3))])
}

const SILENT: Option<ErrorKind> = Some(ErrorKind::DeadlineExceeded);
const GONE: ErrorKind = ErrorKind::LeaseNotFound;

/// What a race of so many rounds reads, from its calls and watches.
#[rstest]
#[case::cas(RaceKind::Cas, 1, (swaps([false, true], "1"), vec![]), "1 of 1")]
#[case::cas_nobody_won(RaceKind::Cas, 1, (swaps([false, false], "9"), vec![]), "0 of 1: 0 clients won one round")]
#[case::cas_both_won(RaceKind::Cas, 1, (swaps([true, true], "1"), vec![]), "0 of 1: 2 clients won one round")]
#[case::cas_the_loser_is_read(RaceKind::Cas, 1, (swaps([false, true], "0"), vec![]), "0 of 1: the value is not the winner's")]
#[case::pair(RaceKind::AtomicRead, 1, (pair("1", "1"), vec![]), "1 of 1")]
#[case::pair_apart(RaceKind::AtomicRead, 1, (pair("1", "2"), vec![]), "0 of 1: two keys that are written together were read apart")]
#[case::kept(RaceKind::KeepAlive, 1, (kept(RaceReply::Granted(ms(2000))), vec![]), "1 of 1")]
#[case::kept_not_found(RaceKind::KeepAlive, 1, (kept(error(GONE)), vec![]), "0 of 1: a lease just granted was not found")]
#[case::rewritten(RaceKind::RewriteAtExpiry, 1, (rewritten(&[(100, &["k0000"], &[]), (3800, &[], &[]), (4000, &[], &["k0000"])]), vec![]), "1 of 1")]
#[case::rewritten_and_gone(RaceKind::RewriteAtExpiry, 1, (rewritten(&[(100, &["k0000"], &[]), (2100, &[], &["k0000"])]), vec![]),
    "0 of 1: k0000, renewed 100ms before the end of its TTL and granted 2s more, was found gone 210ms after that")]
#[case::rewritten_and_back(RaceKind::RewriteAtExpiry, 1, (rewritten(&[(100, &["k0000"], &[]), (2100, &[], &["k0000"]), (2300, &["k0000"], &[])]), vec![]),
    "0 of 1: k0000, renewed 100ms before the end of its TTL and granted 2s more, was found gone 210ms after that")]
#[case::rewritten_too_slowly(RaceKind::RewriteAtExpiry, 1, (vec![], vec![]), "no round was raced")]
#[case::prolonged(RaceKind::Prolong, 1, (prolonged(RaceReply::Granted(ms(2000)), &[(100, &["k0000"], &[]), (3000, &[], &[])]), vec![]), "1 of 1")]
#[case::prolonged_and_gone(RaceKind::Prolong, 1, (prolonged(RaceReply::Granted(ms(2000)), &[(100, &["k0000"], &[]), (2500, &[], &["k0000"])]), vec![]),
    "0 of 1: k0000, renewed 501ms before the end of its TTL and granted 2s more, was found gone 1.01s after that")]
#[case::prolonged_not_found(RaceKind::Prolong, 1, (prolonged(error(GONE), &[]), vec![]),
    "0 of 1: the lease of k0000 was not found 1.50s after it was granted or kept alive")]
#[case::prolonged_zero(RaceKind::Prolong, 1, (prolonged(RaceReply::Granted(ms(0)), &[(2500, &[], &[])]), vec![]), "1 of 1")]
#[case::watch(RaceKind::Watch, 1, (writes(1), told(1, None)), "1 of 1")]
#[case::watch_silent(RaceKind::Watch, 1, (writes(1), told(0, SILENT)), "0 of 1: the write after the watch was open was not delivered")]
#[case::watch_another(RaceKind::Watch, 1, (writes(1), vec![watch(vec![(1, put("other"))], None)]), "0 of 1: another event came first")]
#[case::fan_out(RaceKind::FanOut, 1, (writes(3), told(3, None)), "1 of 1")]
#[case::fan_out_short(RaceKind::FanOut, 1, (writes(3), told(2, SILENT)), "0 of 1: a watch got 2 of 3 events")]
#[case::fan_out_more(RaceKind::FanOut, 1, (writes(3), told(4, None)), "0 of 1: a watch got other events than the writes, or in another order")]
#[case::resumed(RaceKind::Resume, 3, (resumed(), [came(&[("k0000", 6)], None), came(&[("k0001", 7), ("k0002", 8)], None)].concat()), "3 of 3")]
#[case::resumed_twice(RaceKind::Resume, 3, (resumed(), came(&[("k0000", 6), ("k0000", 7)], None)), "1 of 3: an event came twice")]
#[case::resumed_backwards(RaceKind::Resume, 3, (resumed(), came(&[("k0000", 6), ("k0001", 6)], None)), "1 of 3: an event came whose revision is not after those that came before")]
#[case::resumed_from_too_early(RaceKind::Resume, 3, (resumed(), came(&[("k0000", 5)], None)), "0 of 3: an event came whose revision is not after those that came before")]
#[case::resumed_silent(RaceKind::Resume, 3, (resumed(), came(&[("k0000", 6)], SILENT)), "1 of 3: no more events came")]
#[case::compacted(RaceKind::Compact, 1, (writes(3), told(1, Some(ErrorKind::Compacted))), "1 of 1")]
#[case::compacted_whole(RaceKind::Compact, 1, (writes(3), told(3, None)), "1 of 1")]
#[case::compacted_silent(RaceKind::Compact, 1, (writes(3), told(1, SILENT)), "0 of 1: 1 of 3 events came, and no error said that the others were compacted")]
#[case::refused(RaceKind::Refused, 1, (refused(RaceReply::Done, "v"), vec![]), "1 of 1")]
#[case::refused_other(RaceKind::Refused, 1, (refused(error(ErrorKind::EmptyKey), "v"), vec![]),
    "0 of 1: a write of k failed with 'empty key: empty key' at once with calls that are refused")]
#[case::refused_lost(RaceKind::Refused, 1, (refused(RaceReply::Done, "w"), vec![]), "0 of 1: a write of k was lost at once with calls that are refused")]
#[case::prompt(RaceKind::Prompt, 3, prompt([1, 500, 499], 1), "3 of 3")]
#[case::prompt_late_twice(RaceKind::Prompt, 3, prompt([1, 800, 800], 1), "3 of 3")]
#[case::prompt_late(RaceKind::Prompt, 3, prompt([700, 900, 800], 1),
    "0 of 3: 3 events came later after the write was acknowledged than the 500ms of Limits::event_lag, the latest 900ms after it")]
#[case::prompt_slow_machine(RaceKind::Prompt, 3, prompt([700, 900, 800], 200), "no round was raced")]
#[case::pending(RaceKind::Pending, 1, (pending(true, 1), vec![]), "1 of 1")]
#[case::pending_waits(RaceKind::Pending, 1, (pending(false, 1), vec![]),
    "0 of 1: update by another client took more than 100ms whenever a watch had a read pending, and 1ms when none had (5 times each)")]
#[case::pending_slow_alone_too(RaceKind::Pending, 1, (pending(false, 300), vec![]), "1 of 1")]
fn a_race_is_judged_by_its_record(
    #[case] kind: RaceKind,
    #[case] rounds: usize,
    #[case] (calls, watches): (Vec<RaceCall>, Vec<RaceWatch>),
    #[case] line: &str,
) {
    let answer = Answer::Calls(Calls::new(kind, rounds, BOUNDS, calls, watches));
    let written = serde_json::to_string(&answer).unwrap();
    for answer in [serde_json::from_str(&written).unwrap(), answer] {
        assert_eq!(answer.lines(), [line]);
        let script = format!("# clauses: K1\nrace {kind} k\n---\n{rounds} of {rounds}\n");
        match judged(&script, vec![answer]).verdict {
            Verdict::Failed(mismatch) => {
                assert!(line.contains(": "), "{line}");
                assert_eq!(mismatch.clause.as_deref(), Some(clause(kind)));
            }
            Verdict::Passed => assert_eq!(line, format!("{rounds} of {rounds}")),
            Verdict::Unclear(reason) => assert!(reason.contains("too slow"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
}

/// The clause that each kind is about.
fn clause(kind: RaceKind) -> &'static str {
    match kind {
        RaceKind::Register => "C3",
        RaceKind::Cas => "X7",
        RaceKind::RewriteAtExpiry => "C4",
        RaceKind::Watch | RaceKind::FanOut => "W3",
        RaceKind::KeepAlive | RaceKind::Prolong => "L10",
        RaceKind::AtomicRead => "X1",
        RaceKind::Pending => "A1",
        RaceKind::Resume => "W5",
        RaceKind::Compact => "W17",
        RaceKind::Refused => "C5",
        RaceKind::Prompt => "W18",
    }
}

#[test]
fn an_error_hides_no_round_that_went_wrong() {
    let unavailable = kept(error(ErrorKind::Unavailable));
    let lines =
        |calls| Answer::Calls(Calls::new(RaceKind::KeepAlive, 2, BOUNDS, calls, vec![])).lines();
    assert_eq!(lines(unavailable.clone()), ["error: unavailable"]);
    let wrong = [kept(error(GONE)), unavailable].concat();
    assert_eq!(lines(wrong), ["0 of 1: a lease just granted was not found"]);
}

#[test]
fn a_round_that_was_cut_short_is_not_judged() {
    let mut calls = swaps([false, false], "9");
    calls.truncate(3);
    calls[2].reply = error(ErrorKind::Unavailable);
    let answer = Answer::Calls(Calls::new(RaceKind::Cas, 1, BOUNDS, calls, vec![]));
    assert_eq!(answer.lines(), ["error: unavailable"]);
}

#[test]
fn a_record_of_thousands_of_calls_is_short() {
    let write = |number: usize| {
        let (key, value, ttl) = (format!("k{number:04}").into(), "0".into(), ms(2000));
        let reply = RaceReply::Granted(ttl);
        round(number, [call(number % 4, Call::UpdateWithTtl { key, value, ttl }, (1, 2), reply)])
    };
    let calls: Vec<_> = (0..4000).flat_map(write).collect();
    let calls = Calls::new(RaceKind::RewriteAtExpiry, 4000, BOUNDS, calls, vec![]);
    let written = serde_json::to_string(&calls).unwrap();
    assert!(written.len() < 40 * 4000, "{} bytes", written.len());
    assert_eq!(serde_json::from_str::<Calls>(&written).unwrap(), calls);
}
