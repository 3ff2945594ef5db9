//! The clause that a wrong answer is charged to.

use std::time::Duration;

use kvspec::store::{ErrorKind, StoreError, WatchEvent};
use kvspec::transcript::{
    Answer, EventCount, Events, Expiry, KeyCount, Mark, OpSeen, Race, Survival,
};
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::judging::judged;

fn value(text: &str) -> Answer {
    Answer::Value(Some(text.into()))
}

fn error(kind: ErrorKind) -> Answer {
    Answer::Error(kind.into())
}

fn puts(values: &[&str]) -> Answer {
    let events = values.iter().map(|value| WatchEvent::put("k", *value).into()).collect();
    Answer::Events(Events { events, ..Events::default() })
}

fn flawed(flaw: &str) -> Answer {
    let events = vec![WatchEvent::put("k", "1").into(), WatchEvent::put("k", "2").into()];
    Answer::Events(Events { events, flaws: vec![flaw.into()], ..Events::default() })
}

fn keys(keys: &[&str]) -> Answer {
    Answer::Keys(keys.iter().map(|key| key.as_bytes().to_vec()).collect())
}

fn granted() -> Answer {
    let granted = Duration::from_secs(5);
    Answer::Granted { asked: granted, granted }
}

fn ended(seen: u64, gone: Option<u64>) -> Answer {
    let millis = Duration::from_millis;
    Answer::Expired(vec![Expiry {
        name: "k".into(),
        granted: millis(5000),
        lag: millis(2000),
        tolerance: millis(20),
        gone: gone.map(millis),
        seen: Some(millis(seen)),
        request: millis(5),
        apart_from: None,
    }])
}

/// The clause that the answer to the last command is charged to, in a script that names `clauses`.
fn charged(clauses: &str, script: &str, answers: Vec<Answer>) -> Option<String> {
    let run = judged(&format!("# clauses: {clauses}\n{script}"), answers);
    run.mismatch().clause.clone()
}

const READ: &str = "update k 1\nupdate k 2\nread k\n---\nread k: 2\n";
const EVENTS: &str = "watch k as=w\nevents w\n---\nevents w: put k 1\nevents w: put k 2\n";
const NEXT: &str = "watch k as=w\nnext w\n---\nnext w: put k 1\n";
const END: &str = "update k v ttl=5s\nexpire k\n---\nk expired on time\n";

#[rstest]
#[case::a_stale_read("W3", READ, value("1"), "K1")]
#[case::a_stale_read_where_the_script_is_about_ttls("T6", READ, value("1"), "K1")]
#[case::a_mangled_value("K8", READ, value("x"), "K8")]
#[case::a_wrong_read_in_a_script_of_watches("W1 W2", READ, Answer::Value(None), "K1")]
#[case::a_wrong_read_after_a_watch_clause("W3 T3", READ, Answer::Value(None), "T3")]
fn a_wrong_read(
    #[case] clauses: &str,
    #[case] script: &str,
    #[case] seen: Answer,
    #[case] clause: &str,
) {
    let answers = vec![Answer::Done, Answer::Done, seen];
    assert_eq!(charged(clauses, script, answers).as_deref(), Some(clause));
}

#[rstest]
#[case::missing("K1", puts(&["1"]), "W3")]
#[case::missing_in_a_script_about_resuming("K1 W5", puts(&["2"]), "W5")]
#[case::twice("K1", puts(&["1", "2", "2"]), "W2")]
#[case::in_another_order("W3", puts(&["2", "1"]), "W1")]
#[case::another_value("W3", puts(&["1", "3"]), "W10")]
#[case::one_that_is_not_wanted("W7", puts(&["0", "1", "2"]), "W7")]
#[case::one_that_is_not_wanted_elsewhere("K1", puts(&["0", "1", "2"]), "W12")]
#[case::older_after_newer("W3", flawed("an older revision came after a newer one"), "W1")]
#[case::a_revision_in_two("W3", flawed("one revision came in two batches"), "W4")]
#[case::the_fence_never_came("K1", Answer::Events(Events {
    error: Some(ErrorKind::DeadlineExceeded.into()), ..Events::default() }), "W3")]
#[case::the_watch_ended("K1", Answer::Events(Events {
    events: vec![WatchEvent::put("k", "1").into(), WatchEvent::put("k", "2").into()],
    error: Some(ErrorKind::Canceled.into()), ..Events::default() }), "W3")]
fn wrong_events(#[case] clauses: &str, #[case] seen: Answer, #[case] clause: &str) {
    assert_eq!(charged(clauses, EVENTS, vec![Answer::Done, seen]).as_deref(), Some(clause));
}

#[rstest]
#[case::nothing_comes("K1", NEXT, error(ErrorKind::DeadlineExceeded), "W3")]
#[case::a_script_about_pushing("W14", NEXT, error(ErrorKind::DeadlineExceeded), "W14")]
#[case::a_closed_one_hangs(
    "K1",
    "watch k as=w\nnext w\n---\nnext w: error: closed\n",
    error(ErrorKind::DeadlineExceeded),
    "A4"
)]
#[case::a_compacted_one_hangs(
    "K1",
    "watch k as=w\nnext w\n---\nnext w: error: compacted\n",
    error(ErrorKind::DeadlineExceeded),
    "W9"
)]
#[case::a_call_beside_a_watch_hangs(
    "W3",
    "watch k as=w\nread k\n---\nread k: (none)\n",
    error(ErrorKind::DeadlineExceeded),
    "A1"
)]
fn what_hangs(
    #[case] clauses: &str,
    #[case] script: &str,
    #[case] seen: Answer,
    #[case] clause: &str,
) {
    assert_eq!(charged(clauses, script, vec![Answer::Done, seen]).as_deref(), Some(clause));
}

#[rstest]
#[case::early(ended(4000, Some(4100)), "T1")]
#[case::late(ended(7100, None), "T2")]
#[case::back(ended(5900, Some(5100)), "T3")]
fn a_wrong_end(#[case] seen: Answer, #[case] clause: &str) {
    assert_eq!(charged("W3", END, vec![granted(), seen]).as_deref(), Some(clause));
}

fn race(trouble: &str) -> Answer {
    Answer::Race(Race { rounds: 20, good: 19, trouble: Some(trouble.into()), ..Race::default() })
}

#[rstest]
#[case::unordered("K1", "list k\n---\na b\n", keys(&["b", "a"]), "P3")]
#[case::twice("K1", "list k\n---\na b\n", keys(&["a", "b", "b"]), "P4")]
#[case::one_missing("W3", "list k\n---\na b\n", keys(&["a"]), "P1")]
#[case::one_missing_after_an_end("T3", "list k\n---\na b\n", keys(&["a"]), "T3")]
#[case::counted("K1", "list k count=true\n---\n2 keys, ascending\n",
    Answer::KeyCount(KeyCount { keys: 2, repeated: 0, ascending: false }), "P3")]
#[case::taken("K1", "update k v\n---\nerror: too large\n", Answer::Done, "E2")]
#[case::of_an_unknown_lease(
    "K1",
    "update k v lease=unknown\n---\nerror: lease not found\n",
    Answer::Done,
    "L6"
)]
#[case::renewed("K1", "keep_alive unknown\n---\nerror: lease not found\n", Answer::Done, "L8")]
#[case::closed("K1", "read k\n---\nerror: closed\n", value("v"), "A3")]
#[case::refused("K1", "update k v\n---\nok\n", error(ErrorKind::TooLarge), "E1")]
#[case::a_missing_key("K1", "delete k\n---\nok\n", error(ErrorKind::KeyNotFound), "K6")]
#[case::the_other_branch("X5 X8", "txn then \"read k\"\n---\nthen\nread k: v\n",
    Answer::Txn(true, vec![("read k".into(), OpSeen::Value(None))]), "X5")]
#[case::a_revision_too_many("W3", "mark m\nrevision since=m\n---\nrevision: m\n",
    Answer::Revision(Mark { name: "m".into(), revision: 1 }, 2), "R1")]
#[case::renewals("K1", "race renew k\n---\n20 of 20\n", race("gone"), "C4")]
#[case::watches("K1", "race watch k\n---\n20 of 20\n", race("not delivered"), "W3")]
#[case::counted_events("K1", "watch k as=w\nevents w count=true\n---\nevents w: 2 puts, 0 deletes, 1 keys, in order\n",
    Answer::EventCount(EventCount { puts: 1, keys: 1, ..EventCount::default() }), "W3")]
#[case::counted_events_twice("K1", "watch k as=w\nevents w count=true\n---\nevents w: 2 puts, 0 deletes, 1 keys, in order\n",
    Answer::EventCount(EventCount { puts: 3, keys: 1, ..EventCount::default() }), "W2")]
#[case::vanished("W3 L3", "update k v ttl=5s\nupdate k v\nsurvive k\n---\nk survived\n",
    Answer::Survived(vec![Survival { key: "k".into(), watched: Duration::ZERO, gone: Some(Duration::ZERO) }]), "L3")]
fn other_answers(
    #[case] clauses: &str,
    #[case] script: &str,
    #[case] seen: Answer,
    #[case] clause: &str,
) {
    let before = script.split("---").next().unwrap_or_default().lines().count() - 1;
    let mut answers: Vec<_> = vec![Answer::Done; before];
    answers.push(seen);
    assert_eq!(charged(clauses, script, answers).as_deref(), Some(clause));
}

#[test]
fn what_shows_no_clause_is_charged_to_none() {
    let script = "update k v\n---\nok\n";
    assert_eq!(charged("K1", script, vec![Answer::Panic("oops".into())]), None);
    assert_eq!(charged("K1", script, vec![error(ErrorKind::Other)]), None);
}

#[test]
fn the_answers_of_a_command_are_told_from_those_of_others_with_its_words() {
    let script = "update k 1\nread k\nupdate k 2\nread k\n---\nread k: 1\nread k: 2\n";
    let answers = vec![Answer::Done, value("1"), Answer::Done, value("1")];
    assert_eq!(charged("W3", script, answers).as_deref(), Some("K1"));
}

#[test]
fn an_answer_that_is_too_long_takes_no_line_from_those_with_its_words() {
    let script = "close\ntxn then \"put k 1\"\ntxn then \"put k 2\"\n---\ntxn: error: closed\ntxn: error: closed\n";
    let done = || {
        Answer::Txn(
            true,
            vec![("put k 1".into(), OpSeen::Put), ("read k".into(), OpSeen::Value(None))],
        )
    };
    assert_eq!(charged("A3", script, vec![Answer::Done, done(), done()]).as_deref(), Some("A3"));
}

#[test]
fn the_broken_clause_comes_first_and_once() {
    let run = judged("# clauses: K2 K1 W3\nread k\n---\n1\n", vec![Answer::Value(None)]);
    let Verdict::Failed(mut mismatch) = run.verdict else { panic!("it is wrong") };
    mismatch.clause = Some("K1".into());
    assert_eq!(mismatch.clauses(&run.scenario).collect::<Vec<_>>(), ["K1", "K2", "W3"]);
    mismatch.clause = Some("P1".into());
    assert_eq!(mismatch.clauses(&run.scenario).collect::<Vec<_>>(), ["P1", "K2", "K1", "W3"]);
    mismatch.clause = None;
    assert_eq!(mismatch.clauses(&run.scenario).collect::<Vec<_>>(), ["K2", "K1", "W3"]);
}

#[test]
fn a_client_that_was_never_closed_and_says_so_is_named() {
    let notes = |script: &str, answers| judged(script, answers).mismatch().notes.clone();
    let closed = || Answer::Error(StoreError::new(ErrorKind::Closed, "the pool is closed"));
    assert_eq!(
        notes("b: read k\n---\nb: (none)\n", vec![closed()]),
        [
            "the store said: b: read k: closed: the pool is closed",
            "kvspec: b: read k: answered `closed`, though this client was never closed"
        ]
    );
    let script = "b: close\nb: read k\n---\nb: read k: (none)\n";
    let said = ["the store said: b: read k: closed: the pool is closed"];
    assert_eq!(notes(script, vec![Answer::Done, closed()]), said);
}

#[test]
#[cfg(feature = "report")]
fn what_was_judged_before_clauses_were_charged_is_read() {
    let old = r#"{"line": 2, "command": "read k", "diff": [], "notes": []}"#;
    let old: kvspec::verdict::Mismatch = serde_json::from_str(old).expect("it is read");
    assert_eq!(old.clause, None);
}
