//! The judge: pure, and its finger on the right line.

use std::time::Duration;

use kvspec::store::{ErrorKind, StoreError, WatchEvent};
use kvspec::transcript::{Answer, End, Entry, Events, Expiry, Transcript};
use kvspec::verdict::{DiffLine, Verdict, judge, observed_text};
use rstest::rstest;

use super::stage::{Run, scenario};

fn value(text: &str) -> Answer {
    Answer::Value(Some(text.into()))
}

fn none() -> Answer {
    Answer::Value(None)
}

fn error(kind: ErrorKind) -> Answer {
    Answer::Error(StoreError::new(kind, "in the store's own words"))
}

fn events(values: &[&str]) -> Answer {
    let events = values.iter().map(|value| WatchEvent::put("k", *value).into()).collect();
    Answer::Events(Events { events, ..Events::default() })
}

/// A transcript of these answers to the commands of a script.
pub fn judged(script: &str, answers: Vec<Answer>) -> Run {
    let scenario = scenario(script);
    let transcript =
        Transcript { entries: entries(script, answers), ..Transcript::ended(End::Finished) };
    Run { verdict: judge(&scenario, &transcript), scenario, transcript }
}

fn entries(script: &str, answers: Vec<Answer>) -> Vec<Entry> {
    let blocks = kvspec::scenario::lines::blocks(script);
    let commands = blocks.iter().flat_map(|block| &block.commands);
    let checked = kvspec::scenario::script::check(script).expect("the script is well-formed");
    let clients = commands.map(|(_, text)| text.split_once(": ").map(|(client, _)| client.into()));
    clients
        .zip(checked)
        .zip(answers)
        .map(|((client, command), answer)| Entry {
            client,
            label: command.1.label(),
            at: Duration::ZERO,
            took: Duration::ZERO,
            answer,
        })
        .collect()
}

const READS: &str =
    "read a\n# A comment between.\nread b\nread a\n---\nread a: 1\nread b: 2\nread a: 3\n";
const TWO_BLOCKS: &str = "read a\nread b\n---\nread a: 1\nread b: 2\n\n# The next one.\nread a\n\nread b\n---\nread a: 1\nread b: 2\n";
const SINGLE: &str = "update k v\n---\nok\n\nread k\n---\nv\n";
const ERRORS: &str = "update a v\nupdate a v\nupdate a v\nread a\n---\nupdate a: error: other\nupdate a: error: other\nupdate a: error: other\nread a: 1\n";
const CLIENTS: &str = "b: read a\nread a\nc: read a\n---\nb: read a: 1\nread a: 1\nc: read a: 1\n";
const EVENTS: &str = "watch k as=w\nevents w\nread k\nevents w\n---\nevents w: put k 1\nevents w: put k 2\nread k: 2\nevents w: (no events)\n";

#[rstest]
#[case::first_command(READS, vec![value("x"), value("2"), value("3")], 2, "read a")]
#[case::after_a_comment(READS, vec![value("1"), value("x"), value("3")], 4, "read b")]
#[case::the_second_of_the_same_words(READS, vec![value("1"), value("2"), value("x")], 5, "read a")]
#[case::the_first_of_two_wrong(READS, vec![value("1"), value("x"), value("y")], 4, "read b")]
#[case::first_block(TWO_BLOCKS, vec![value("1"), value("x"), value("1"), value("2")], 3, "read b")]
#[case::later_block(TWO_BLOCKS, vec![value("1"), value("2"), value("x"), value("2")], 9, "read a")]
#[case::later_block_after_a_blank(TWO_BLOCKS, vec![value("1"), value("2"), value("1"), value("x")], 11, "read b")]
#[case::near_blocks_do_not_mix(TWO_BLOCKS, vec![value("1"), value("x"), value("x"), value("2")], 3, "read b")]
#[case::single_command(SINGLE, vec![Answer::Done, value("x")], 6, "read k")]
#[case::single_command_that_should_be_silent(SINGLE, vec![error(ErrorKind::Other), value("v")], 2, "update k v")]
#[case::extra_line(ERRORS, vec![error(ErrorKind::Other), error(ErrorKind::Other), error(ErrorKind::Other), value("2")], 5, "read a")]
#[case::missing_line(ERRORS, vec![error(ErrorKind::Other), Answer::Done, error(ErrorKind::Other), value("1")], 3, "update a v")]
#[case::missing_last_line(EVENTS, vec![Answer::Done, events(&["1", "2"]), value("2"), Answer::Done], 5, "events w")]
#[case::missing_line_of_several(EVENTS, vec![Answer::Done, events(&["1"]), value("2"), events(&[])], 3, "events w")]
#[case::missing_first_line_of_several(EVENTS, vec![Answer::Done, events(&["2"]), value("2"), events(&[])], 3, "events w")]
#[case::extra_line_of_several(EVENTS, vec![Answer::Done, events(&["1", "1", "2"]), value("2"), events(&[])], 3, "events w")]
#[case::extra_line_at_the_end(EVENTS, vec![Answer::Done, events(&["1", "2"]), value("2"), events(&["2"])], 5, "events w")]
#[case::an_error_where_nothing_is_said(EVENTS, vec![error(ErrorKind::Denied), events(&["1", "2"]), value("2"), events(&[])], 2, "watch k as=w")]
#[case::named_client(CLIENTS, vec![value("x"), value("1"), value("1")], 2, "b: read a")]
#[case::first_client(CLIENTS, vec![value("1"), value("x"), value("1")], 3, "read a")]
#[case::last_client(CLIENTS, vec![value("1"), value("1"), none()], 4, "c: read a")]
fn the_first_wrong_answer_is_pointed_at(
    #[case] script: &str,
    #[case] answers: Vec<Answer>,
    #[case] line: usize,
    #[case] command: &str,
    #[values("\n", "\r\n")] eol: &str,
) {
    let run = judged(&script.replace('\n', eol), answers);
    let mismatch = run.mismatch();
    assert_eq!((mismatch.line, mismatch.command.as_str()), (line, command), "{mismatch:?}");
    let has_change = |line: &DiffLine| !matches!(line, DiffLine::Same(_));
    assert!(mismatch.diff.iter().any(has_change));
}

#[rstest]
fn right_answers_pass_whatever_the_line_ends(#[values("\n", "\r\n")] eol: &str) {
    let answers = || vec![value("1"), value("1"), value("1")];
    judged(&CLIENTS.replace('\n', eol), answers()).passes();
    judged(&format!("{}{eol}{eol}", CLIENTS.replace('\n', eol)), answers()).passes();
    judged(CLIENTS.trim_end(), answers()).passes();
}

#[test]
fn judging_twice_gives_the_same() {
    let run = judged(TWO_BLOCKS, vec![value("1"), value("x"), none(), value("2")]);
    let (scenario, transcript) = (run.scenario.clone(), run.transcript.clone());
    assert_eq!(judge(&scenario, &transcript), run.verdict);
    assert_eq!(judge(&scenario, &transcript), run.verdict);
    assert_eq!((scenario, transcript), (run.scenario, run.transcript), "nothing was touched");
}

#[test]
fn the_diff_shows_both_sides_around_the_change() {
    let run = judged(READS, vec![value("1"), value("x"), value("3")]);
    let expected = [
        DiffLine::Same(Some("---".into())),
        DiffLine::Same(Some("read a: 1".into())),
        DiffLine::Expected("read b: 2".into()),
        DiffLine::Observed("read b: x".into()),
        DiffLine::Same(Some("read a: 3".into())),
    ];
    let diff = &run.mismatch().diff;
    assert_eq!(diff[diff.len() - expected.len()..], expected);
}

#[test]
fn the_stores_words_are_told_for_errors_that_were_not_expected_only() {
    let script = "update a v\nupdate b v\n---\nupdate a: error: other\n";
    let run = judged(script, vec![error(ErrorKind::Other), error(ErrorKind::Denied)]);
    run.fails_at(3);
    assert_eq!(
        run.mismatch().notes,
        ["the store said: update b: denied: in the store's own words"]
    );
}

#[rstest]
#[case::too_few(vec![value("1"), value("2")], "fewer entries than the script has commands")]
#[case::too_many(vec![value("1"), value("2"), value("3"), value("4")], "1 more entries")]
fn a_transcript_of_another_length_is_not_judged(#[case] answers: Vec<Answer>, #[case] told: &str) {
    let scenario = scenario(READS);
    let four = format!("read a\n{READS}");
    let mut entries = entries(&four, answers);
    // The first is one too many, where there are four.
    let labels = ["read a", "read b", "read a", "read a"];
    entries.iter_mut().zip(labels).for_each(|(entry, label)| entry.label = label.into());
    let verdict = judge(&scenario, &Transcript { entries, ..Transcript::ended(End::Finished) });
    let Verdict::Errored(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains("does not fit the script") && reason.contains(told), "{reason}");
}

#[rstest]
#[case::another_command(
    "read b\nread b\nread a\n---\nok\n",
    "it has 'read b' and the script has 'read a'"
)]
#[case::another_client(
    "read a\nb: read b\nread a\n---\nok\n",
    "it has 'b: read b' and the script has 'read b'"
)]
fn a_transcript_of_another_script_is_not_judged(#[case] other: &str, #[case] told: &str) {
    let entries = entries(other, vec![value("1"), value("2"), value("3")]);
    let verdict =
        judge(&scenario(READS), &Transcript { entries, ..Transcript::ended(End::Finished) });
    let Verdict::Errored(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.contains(told), "{reason}");
}

#[rstest]
#[case::broken(End::Broken("the disk is full".into()), "the disk is full")]
#[case::lost(End::Lost("refused".into()), "interrupted: refused")]
#[case::aborted(End::Aborted, "interrupted before its end")]
fn what_kvspec_could_not_do_is_worse_than_a_wrong_answer(#[case] end: End, #[case] told: &str) {
    let entries = entries(READS, vec![value("1"), value("x"), value("3")]);
    let verdict = judge(&scenario(READS), &Transcript { entries, ..Transcript::ended(end) });
    assert_eq!(verdict, Verdict::Errored(told.into()));
}

#[test]
fn the_observed_text_is_a_script_that_passes() {
    let run =
        judged(TWO_BLOCKS, vec![none(), value("a b"), error(ErrorKind::Closed), value("\u{e9}")]);
    let text = observed_text(&run.scenario, &run.transcript).unwrap();
    let script = text.strip_prefix("# A law.\n").unwrap();
    judged(script, vec![none(), value("a b"), error(ErrorKind::Closed), value("\u{e9}")]).passes();
}

#[test]
fn an_answer_that_looks_like_another_line_is_no_way_around_the_judge() {
    let script = "read a\nread b\n---\nread a: \"1\\nread b: 2\"\nread b: 2\n";
    judged(script, vec![value("1\nread b: 2"), value("2")]).passes();
    let run =
        judged("read a\nread b\n---\nread a: 1\nread b: 2\n", vec![value("1\nread b: 2"), none()]);
    run.fails_at(2);
}

#[test]
fn a_command_that_is_silent_instead_of_refused_is_the_first_mismatch() {
    let script = "update t v ttl=2s\ncreate t w\nexpire t\n---\ncreate t: error: key exists\nt expired on time\n";
    let granted =
        Answer::Granted { asked: Duration::from_secs(2), granted: Duration::from_secs(2) };
    judged(script, vec![granted, Answer::Done, Answer::NoTtl(b"t".to_vec())]).fails_at(3);
}

#[test]
fn a_script_that_asks_for_the_end_of_a_ttl_that_nothing_has_is_to_blame() {
    let script = "update k v ttl=2s\ntxn if \"version k = 1\" then \"put k w\" else \"read k\"\nexpire k\n---\ntxn: then\nk expired on time\n";
    let granted =
        Answer::Granted { asked: Duration::from_secs(2), granted: Duration::from_secs(2) };
    let answers = vec![granted, Answer::Txn(true, Vec::new()), Answer::NoTtl(b"k".to_vec())];
    let run = judged(script, answers);
    let Verdict::Errored(reason) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert!(reason.contains("the script asks in line 4 for the expiry of a TTL"), "{reason}");
}

#[test]
fn what_is_left_behind_is_told_beside_a_wrong_answer_and_is_none_by_itself() {
    let judge_with = |answer| {
        let end = End::LeftBehind("1 key is left".into());
        let entries = entries(READS, vec![value("1"), answer, value("3")]);
        judge(&scenario(READS), &Transcript { entries, ..Transcript::ended(end) })
    };
    assert_eq!(judge_with(value("2")), Verdict::Passed);
    let Verdict::Failed(mismatch) = judge_with(value("x")) else { panic!("it is wrong") };
    assert_eq!(
        (mismatch.line, mismatch.notes),
        (4, vec!["cleaning up: 1 key is left".to_string()])
    );
}

/// The end of a key's life, last seen and found gone so many milliseconds after its request.
fn end(name: &str, seen: u64, gone: u64) -> Expiry {
    let millis = Duration::from_millis;
    Expiry {
        name: name.into(),
        granted: millis(5000),
        lag: millis(2000),
        tolerance: millis(20),
        gone: Some(millis(gone)),
        seen: Some(millis(seen)),
        request: millis(5),
        apart_from: None,
    }
}

const ENDS: &str = "update k v ttl=5s\nupdate l v ttl=5s\nread m\nexpire k l\nread m\n---
read m: 1\nk expired on time\nl expired on time\nread m: 1\n";

fn granted() -> Answer {
    let granted = Duration::from_secs(5);
    Answer::Granted { asked: granted, granted }
}

#[rstest]
#[case::nothing_is_wrong(4990, 5100, "1", "1", "passed")]
#[case::nobody_looked(1000, 5100, "1", "1", "unclear")]
#[case::nobody_looked_and_then_it_is_wrong(1000, 5100, "1", "x", "unclear")]
#[case::it_was_wrong_before(1000, 5100, "x", "1", "failed")]
#[case::it_is_wrong_afterwards(4990, 5100, "1", "x", "failed")]
#[case::it_went_too_early(4000, 4100, "1", "1", "failed")]
#[case::it_came_back(5900, 5100, "1", "1", "failed")]
fn what_nobody_saw_hides_nothing_that_was_proven_before(
    #[case] seen: u64,
    #[case] gone: u64,
    #[case] before: &str,
    #[case] after: &str,
    #[case] said: &str,
    #[values(true, false)] is_first: bool,
) {
    let (odd, right) = (|name| end(name, seen, gone), |name| end(name, 4990, 5100));
    let ends = if is_first { vec![odd("k"), right("l")] } else { vec![right("k"), odd("l")] };
    let answers = vec![granted(), granted(), value(before), Answer::Expired(ends), value(after)];
    let verdict = match judged(ENDS, answers).verdict {
        Verdict::Passed => "passed",
        Verdict::Unclear(_) => "unclear",
        Verdict::Failed(_) => "failed",
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict, said);
}

#[test]
fn a_key_that_is_proven_wrong_needs_no_other_one_to_be_seen() {
    let ends = vec![end("k", 1000, 5100), end("l", 4000, 4100)];
    let answers = vec![granted(), granted(), value("1"), Answer::Expired(ends), value("1")];
    judged(ENDS, answers).fails_at(5);
}
