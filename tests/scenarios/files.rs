//! What a scenario file says at its top, and what is said of one that is wrong.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use kvspec::scenario::{self, Need, Reading, Scenario, ScenarioError};
use rstest::rstest;

fn parse(below: &str, text: &str) -> Result<Scenario, ScenarioError> {
    Scenario::parse(Path::new(below), PathBuf::from("dir").join(below), text.into())
}

#[track_caller]
fn complaint(script: &str) -> String {
    let text = format!("# A law.\n{script}");
    parse("x.kv", &text).expect_err("the script is wrong").to_string()
}

#[test]
fn the_header_says_what_the_scenario_is() {
    let text = "# A law of two: parts.\n#   clauses:  K1   L2\n# Some words of comfort.\n# source: here\n# source: and there\n# needs: binary-keys\n# exclusive: it counts every key\nwait 2s\n---\nok\n";
    let one = parse("lease/deep/x.kv", text).unwrap();
    assert_eq!(one.name, "lease/deep/x");
    assert_eq!(one.group(), "lease/deep");
    assert_eq!(one.title, "A law of two: parts.");
    assert_eq!(one.clauses, ["K1", "L2"]);
    assert_eq!(one.source, "here and there");
    assert_eq!(one.exclusive.as_deref(), Some("it counts every key"));
    assert_eq!(one.needs, [Need::Leases, Need::BinaryKeys]);
    assert_eq!(one.max_wait, Duration::from_secs(2));
    assert_eq!(one.text, text);
}

#[test]
fn a_script_whose_watches_go_unread_too_makes_two_scenarios() {
    let text = "# A law.\n# unread: too\nwatch k as=w\nevents w\n---\n(no events)\n";
    let ways: Vec<_> = parse("lease/x.kv", text).unwrap().ways().collect();
    let [read, unread] = ways.as_slice() else { panic!("{ways:?}") };
    assert_eq!((read.name.as_str(), &read.reading), ("lease/x", &Reading::Both));
    assert_eq!(unread.name, "lease/x-unread");
    assert_eq!(unread.title, "A law, on a watch that is not read meanwhile.");
    assert!(matches!(unread.reading, Reading::WhenAsked(_)));
    assert_eq!((&unread.path, &unread.text, &unread.needs), (&read.path, &read.text, &read.needs));
    for way in &ways {
        let recalled = Scenario::recall(&way.name, way.path.clone(), text.into()).unwrap();
        assert_eq!(recalled, *way, "a recorded run names its way");
    }
}

#[test]
fn a_script_about_a_watch_that_nobody_reads_is_one_scenario() {
    let text = "# A law.\n# unread: it says so\nwatch k as=w\nevents w\n---\n(no events)\n";
    let ways: Vec<_> = parse("x-unread.kv", text).unwrap().ways().collect();
    let [unread] = ways.as_slice() else { panic!("{ways:?}") };
    assert_eq!(unread.reading, Reading::WhenAsked("it says so".into()));
    assert_eq!(Scenario::recall("x-unread", unread.path.clone(), text.into()).unwrap(), *unread);
}

#[test]
fn a_law_is_all_that_a_header_must_have() {
    let one = parse("x.kv", "#A law.\nread k\n---\n(none)\n").unwrap();
    assert_eq!((one.title.as_str(), one.group()), ("A law.", ""));
    assert!(one.clauses.is_empty() && one.source.is_empty() && one.needs.is_empty());
}

#[rstest]
#[case::no_comment("read k\n---\n(none)\n", ":1: expected a comment at the top with the title")]
#[case::blank_line_first("\n# A law.\nread k\n---\n(none)\n", ":1: expected a comment at the top")]
#[case::clauses_first(
    "# clauses: K1\n# A law.\nread k\n---\n(none)\n",
    ":1: expected the title, one sentence, before 'clauses:'"
)]
#[case::an_unknown_need(
    "# A law.\n# needs: leases magic\nread k\n---\n(none)\n",
    ":2: unknown need 'magic': expected one of directories,"
)]
#[case::nothing_said("# A law.\n# clauses:\nread k\n---\n(none)\n", ":2: 'clauses:' says nothing")]
#[case::said_twice(
    "# A law.\n# clauses: K1\n# clauses: K2\nread k\n---\n(none)\n",
    ":3: 'clauses:' was said before"
)]
#[case::too_late(
    "# A law.\n\n# needs: leases\nread k\n---\n(none)\n",
    ":3: 'needs:' belongs to the comments at the very top"
)]
fn a_wrong_header_is_told_by_its_line(#[case] text: &str, #[case] told: &str) {
    let error = parse("x.kv", text).expect_err("the header is wrong").to_string();
    assert!(error.starts_with(&format!("dir/x.kv{told}")), "{error}");
}

#[rstest]
#[case::unknown_command(
    "updaet k v\n---\nok\n",
    2,
    "unknown command 'updaet' (did you mean 'update'?): expected one of close, "
)]
#[case::unlike_any(
    "frobnicate\n---\nok\n",
    2,
    "unknown command 'frobnicate': expected one of close, "
)]
#[case::in_a_later_block(
    "read k\n---\n(none)\n\n# Then:\nreda k\n---\nok\n",
    7,
    "unknown command 'reda' (did you mean 'read'?)"
)]
#[case::missing_argument(
    "update k\n---\nok\n",
    2,
    "update lacks its value; expected: update KEY VALUE [ttl=SPAN | lease=NAME]"
)]
#[case::missing_key_argument(
    "lease a\n---\nok\n",
    2,
    "lease lacks its ttl; expected: lease NAME ttl=SPAN"
)]
#[case::too_many_arguments("read k v\n---\nok\n", 2, "read takes no 'v'; expected: read KEY")]
#[case::unknown_key(
    "update k v tll=5s\n---\nok\n",
    2,
    "update takes no 'tll=5s'; expected: update KEY VALUE [ttl=SPAN"
)]
#[case::bad_span(
    "update k v ttl=5\n---\nok\n",
    2,
    "ttl: invalid duration '5': expected a whole number and ms, s, m, h or d, such as 500ms or 5s"
)]
#[case::bad_span_of_a_wait("wait soon\n---\nok\n", 2, "span: invalid duration 'soon': expected")]
#[case::bad_size(
    "fill k size=3MB\n---\nok\n",
    2,
    "size: invalid size '3MB': expected a whole number of bytes, KiB or MiB, such as 100KiB"
)]
#[case::bad_count(
    "fill k count=many\n---\nok\n",
    2,
    "count: invalid number 'many': expected a whole number"
)]
#[case::bad_flag(
    "list k count=yes\n---\nok\n",
    2,
    "count: invalid flag 'yes': expected true or false"
)]
#[case::unknown_watch(
    "watch k as=w\nevents v\n---\nok\n",
    3,
    "unknown watch 'v': expected one of w"
)]
#[case::unknown_watch_of_none(
    "next w\n---\nok\n",
    2,
    "unknown watch 'w': there is no watch before this line"
)]
#[case::unknown_lease(
    "lease a ttl=5s\nupdate k v lease=b\n---\nok\n",
    3,
    "unknown lease 'b': expected one of a"
)]
#[case::unknown_fill("join f\n---\nok\n", 2, "unknown fill 'f'")]
#[case::unknown_mark("read k at=m\n---\nok\n", 2, "unknown mark 'm'")]
#[case::tags(
    "[slow] read k\n---\nok\n",
    2,
    "'!', '( )' and '[tags]' have no meaning here: errors are answers"
)]
#[case::bang("read k\n!read k\n---\nok\n", 3, "'!', '( )' and '[tags]' have no meaning here")]
#[case::silence("(read k)\n---\nok\n", 2, "'!', '( )' and '[tags]' have no meaning here")]
#[case::ttl_and_lease(
    "lease a ttl=5s\nupdate k v ttl=1s lease=a\n---\nok\n",
    3,
    "ttl= and lease= exclude each other"
)]
#[case::ttl_and_lease_of_a_fill(
    "lease a ttl=5s\nfill k ttl=1s lease=a\n---\nok\n",
    3,
    "ttl= and lease= exclude each other"
)]
#[case::bare("update k v bare=true\n---\nok\n", 2, "bare=true is for the empty key only")]
#[case::expire_nothing("expire\n---\nok\n", 2, "expire needs keys, or lease=NAME")]
#[case::expire_both(
    "lease a ttl=5s\nupdate k v lease=a\nexpire k lease=a\n---\nok\n",
    4,
    "expire takes keys or lease=NAME, not both"
)]
#[case::expire_a_permanent_key(
    "update k v ttl=5s\nupdate k w\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire"
)]
#[case::expire_twice("update k v ttl=5s\nexpire k\nexpire k\n---\nok\n", 4, "k has no TTL here")]
#[case::expire_a_deleted_key(
    "update k v ttl=5s\ndelete k\nexpire k\n---\nok\n",
    4,
    "k has no TTL here"
)]
#[case::expire_after_a_revoke(
    "lease a ttl=5s\nupdate k v lease=a\nrevoke a\nexpire k\n---\nok\n",
    5,
    "k has no TTL here"
)]
#[case::expire_what_a_transaction_deleted(
    "update k v ttl=2s\ntxn then \"delete k\"\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire after 'txn then \"delete k\"': write it with ttl="
)]
#[case::expire_what_a_transaction_made_permanent(
    "update k v ttl=2s\ntxn then \"put k w\"\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire after 'txn then \"put k w\"'"
)]
#[case::expire_what_both_branches_delete(
    "update k v ttl=2s\ntxn if \"version k = 1\" then \"delete k\" else \"delete_prefix k\"\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire after 'txn if"
)]
#[case::expire_a_filled_key_made_permanent(
    "fill k ttl=2s\nupdate k w\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire after 'update k w'"
)]
#[case::expire_a_key_filled_without_a_ttl(
    "update k v ttl=2s\nfill k\nexpire k\n---\nok\n",
    4,
    "k has no TTL here that could expire after 'fill k'"
)]
#[case::expire_a_key_that_no_fill_wrote(
    "fill k count=3 ttl=2s\nexpire k0003\n---\nok\n",
    3,
    "k0003 has no TTL here that could expire: write it"
)]
#[case::expire_a_revoked_lease(
    "lease a ttl=2s\nrevoke a\nexpire lease=a\n---\nok\n",
    4,
    "the lease 'a' cannot expire after 'revoke a'"
)]
#[case::survive_a_mortal_key(
    "update k v ttl=5s\nsurvive k\n---\nok\n",
    3,
    "k has a TTL here and must not survive it: use expire"
)]
#[case::survive_a_permanent_key(
    "update k v\nsurvive k\n---\nok\n",
    3,
    "k never had a TTL that it could survive"
)]
#[case::one_name_for_two_leases(
    "lease a ttl=5s\nlease a ttl=6s\n---\nok\n",
    3,
    "a lease called 'a' was granted before"
)]
#[case::a_lease_named_as_none(
    "lease unknown ttl=5s\n---\nok\n",
    2,
    "invalid lease name 'unknown': it is reserved for a lease that was never granted"
)]
#[case::a_fill_that_is_never_joined(
    "read k\nfill k as=f\n---\nok\n",
    3,
    "the fill 'f' is never joined"
)]
#[case::one_name_for_two_fills(
    "fill k as=f\nfill k as=f\njoin f\n---\nok\n",
    3,
    "a fill called 'f' is under way: join it first"
)]
#[case::joined_twice("fill k as=f\njoin f\njoin f\n---\nok\n", 4, "the fill 'f' was joined before")]
#[case::a_mortal_fill_beside(
    "fill k as=f ttl=5s\njoin f\n---\nok\n",
    2,
    "as= conflicts with ttl= and lease="
)]
#[case::an_ended_watch(
    "watch k as=w\nunwatch w\nevents w\n---\nok\n",
    4,
    "the watch 'w' was ended by unwatch"
)]
#[case::no_answers(
    "update k v\n---\n\nread k\n---\n(none)\n",
    3,
    "expected the answers after '---'; a block whose commands say nothing answers ok"
)]
#[case::a_blank_at_the_end(
    "read k\n---\n(none) \n",
    4,
    "the line ends with a blank, which no answer does"
)]
#[case::no_separator(
    "read k\n",
    2,
    "no answers are expected of 'read k': expected a line '---' below it"
)]
#[case::no_separator_nor_line_end(
    "read k\n---\n(none)\n\nread k",
    6,
    "no answers are expected of 'read k'"
)]
#[case::a_separator_first("---\nok\n", 2, "expected a command before '---'")]
#[case::open_quotes("read \"k\n---\nok\n", 2, "the quotes in column 6 do not end")]
#[case::a_bad_escape(
    "read \"\\xg1\"\n---\nok\n",
    2,
    "the quotes in column 6 do not end, or have an escape that is none: expected \\n, \\r,"
)]
#[case::a_bare_star(
    "read a*\n---\nok\n",
    2,
    "'*' in column 7 is not expected there: a word with anything but letters, digits, _ - . / @ must be in quotes"
)]
#[case::an_indented_command(
    "  read k\n---\nok\n",
    2,
    "expected the command at the start of the line"
)]
#[case::a_bad_transaction("txn if \"value k\" then \"put k v\"\n---\nok\n", 2, "")]
fn a_wrong_script_is_told_by_file_line_and_what_was_expected(
    #[case] script: &str,
    #[case] line: usize,
    #[case] told: &str,
    #[values("\n", "\r\n")] eol: &str,
) {
    let error = complaint(&script.replace('\n', eol));
    assert!(error.starts_with(&format!("dir/x.kv:{line}: {told}")), "{error}");
    assert!(!error.contains('\n'), "one line: {error}");
}

#[rstest]
#[case::nothing("")]
#[case::only_comments("# More words.\n\n# And more.\n")]
fn a_script_without_commands_would_pass_anywhere_and_is_refused(#[case] script: &str) {
    let told = "dir/x.kv: the script has no command; it would pass on any store";
    assert_eq!(complaint(script), told);
}

#[rstest]
#[case::a_watch_opened_again(
    "watch k as=w\nunwatch w\nwatch k as=w\nevents w\n---\nevents w: (no events)\n"
)]
#[case::a_fill_joined_and_begun_again("fill k as=f\njoin f\nfill k as=f\njoin f\n---\nok\n")]
#[case::a_filled_key_expires("fill k count=3 ttl=5s\nexpire k0000 k0002\n---\nok\n")]
#[case::a_key_given_time_again(
    "update k v ttl=5s\nexpire k\nupdate k v ttl=5s\nexpire k\n---\nok\n"
)]
#[case::a_key_of_a_lease("lease a ttl=5s\nupdate k v lease=a\nexpire k\n---\nok\n")]
#[case::a_branch_may_leave_its_time_to_a_key(
    "update k v ttl=5s\ntxn if \"version k > 1\" then \"delete k\"\nexpire k\n---\nok\n"
)]
#[case::a_branch_may_make_a_key_permanent(
    "update k v ttl=5s\ntxn if \"version k = 1\" then \"put k w\"\nsurvive k\n---\nok\n"
)]
#[case::another_client("b: update k v ttl=5s\nexpire k\n---\nok\n")]
#[case::a_survivor("update k v ttl=5s\nupdate k v\nsurvive k\n---\nok\n")]
#[case::leases_that_never_were(
    "update k v lease=unknown\nkeep_alive negative\nrevoke zero\n---\nok\n"
)]
fn sense_is_not_taken_for_nonsense(#[case] script: &str) {
    parse("x.kv", &format!("# A law.\n{script}")).unwrap();
}

#[test]
fn a_folder_gives_its_scripts_by_their_paths_sorted() {
    let dir = tempfile::tempdir().unwrap();
    fs::create_dir_all(dir.path().join("b/c")).unwrap();
    for name in ["b/c/z.kv", "b/a.kv", "c.kv", "notes.md", "b/c/z.kv.bak"] {
        fs::write(dir.path().join(name), "# A law.\nread k\n---\n(none)\n").unwrap();
    }
    let found = scenario::from_dir(dir.path()).unwrap();
    let names: Vec<_> = found.iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["b/a", "b/c/z", "c"]);
    assert_eq!(found[1].path, dir.path().join("b/c/z.kv"));
}

#[test]
fn a_folder_that_cannot_be_used_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let told = scenario::from_dir(dir.path()).unwrap_err().to_string();
    assert!(told.ends_with("no file below this folder ends with .kv"), "{told}");
    let told = scenario::from_dir(&dir.path().join("none")).unwrap_err().to_string();
    assert!(told.contains("none: cannot be read: "), "{told}");
    fs::write(dir.path().join("x.kv"), b"# A law.\nread \"\xff\"\n---\n(none)\n").unwrap();
    let told = scenario::from_dir(dir.path()).unwrap_err().to_string();
    assert!(told.ends_with("x.kv: is not UTF-8; write other bytes as \\xff"), "{told}");
}
