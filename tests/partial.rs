//! Servers that have a part of etcd's API, or have it wrong, by their reports: each is read as its author would.

mod support;

use std::process::{Command, Stdio};

use rstest::rstest;
use support::{Faults, Served};

/// What a run said of a server.
struct Report {
    code: i32,
    text: String,
}

impl Report {
    fn of(faults: &str, extra: &[&str]) -> Self {
        let server = Served::memory(faults.parse::<Faults>().expect("faults"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
        for name in ["CI", "GITHUB_ACTIONS", "ETCD_ENDPOINTS", "ETCDCTL_USER", "FORCE_COLOR"] {
            command.env_remove(name);
        }
        command.args(["run", "--backend", "etcd", "--endpoints", &server.endpoint()]);
        let output = command.args(extra).stdin(Stdio::null()).output().expect("kvspec starts");
        let text = [output.stdout, output.stderr].concat();
        let text = String::from_utf8(text).expect("the report is UTF-8");
        Self { code: output.status.code().expect("it exits"), text }
    }

    /// The lines about what did not pass, up to the summary.
    fn failures(&self) -> Vec<&str> {
        let is_told = |line: &&str| !line.starts_with("pass ") && !line.starts_with("skip ");
        let lines = self.text.lines().take_while(|line| !line.starts_with("passed of run"));
        lines.filter(is_told).skip(1).filter(|line| !line.is_empty()).collect()
    }

    /// How many cases have that verdict, of those whose names begin so.
    fn count(&self, word: &str, name: &str) -> usize {
        let is_one = |line: &&str| line.starts_with(word) && line.contains(&format!("  {name}"));
        self.text.lines().filter(is_one).count()
    }

    /// The first of the causes that the end of the run shows.
    fn first_cause(&self) -> &str {
        let mut lines = self.text.lines().skip_while(|line| !line.starts_with("causes on "));
        lines.nth(1).unwrap_or_default()
    }

    #[track_caller]
    fn says(&self, words: &str) {
        assert!(self.text.contains(words), "no '{words}' in\n{}", self.text);
    }
}

/// The scenarios that take no time, and those about one function each.
const QUICK: &[&str] = &[
    "calls/",
    "core/add",
    "core/delete",
    "core/list",
    "core/read",
    "core/watch/two-updates",
    "lease/revoke",
    "lease/chosen-id",
    "revision/counters",
    "revision/list-limit",
    "revision/read-the-past",
    "revision/watch-from-the-past",
    "txn/",
];

#[rstest]
#[case::no_delete("no=DeleteRange", 1, "delete: unsupported: unknown method DeleteRange;")]
#[case::no_leases("no=leases", 1, "lease, update_with_ttl, lease_with_id,")]
#[case::three_txns("three-txns", 1, "txn that compares leases: other: unsupported transaction;")]
#[case::no_event_revisions(
    "no-event-revisions",
    1,
    "revisions in events: each event says mod_revision 0;"
)]
#[case::refused("refuses=DeleteRange", 1, "delete: other: DeleteRange is refused here;")]
#[case::no_revisions("no-revisions", 2, "revision: other: an answer without a header;")]
fn what_is_missing_is_said_once(#[case] faults: &str, #[case] at_most: usize, #[case] said: &str) {
    let report = Report::of(faults, QUICK);
    report.says(said);
    let count = report.count("FAIL ", "calls/");
    assert!((1..=at_most).contains(&count), "{count} in\n{}", report.text);
    assert_eq!(report.count("FAIL ", ""), count, "{}", report.text);
    assert!(report.failures().len() <= 15, "{}", report.text);
    assert_eq!(
        (report.count("ERROR ", ""), report.count("UNCLEAR ", "")),
        (0, 0),
        "{}",
        report.text
    );
    assert_eq!(report.code, 1, "{}", report.text);
}

#[test]
fn a_whole_server_passes() {
    let report = Report::of("", QUICK);
    assert_eq!((report.code, report.failures().len()), (0, 0), "{}", report.text);
}

#[test]
fn what_is_forgiven_is_green_and_accuses_if_it_is_there_after_all() {
    let forgiven = Report::of("no=DeleteRange", &[QUICK, &["--without", "delete"]].concat());
    assert_eq!(forgiven.code, 0, "{}", forgiven.text);
    assert_eq!(forgiven.count("known ", "calls/delete"), 1, "{}", forgiven.text);
    let there = Report::of("", &["calls/delete", "--without", "delete"]);
    assert_eq!(there.code, 1, "{}", there.text);
    assert_eq!(there.count("STALE ", "calls/delete"), 1, "{}", there.text);
}

#[test]
fn an_unknown_call_is_refused_with_those_that_there_are() {
    let report = Report::of("", &["--without", "deletes"]);
    assert_eq!(report.code, 2, "{}", report.text);
    report.says("--without: unknown call 'deletes': expected one of compact, delete,");
}

#[test]
fn a_scenario_that_is_run_by_itself_is_judged_by_itself() {
    let report = Report::of("no=DeleteRange", &["--exact", "core/delete/keeps-others"]);
    assert_eq!(report.code, 1, "{}", report.text);
    report.says("unknown method DeleteRange");
}

#[test]
fn an_empty_value_that_comes_as_a_deletion_is_the_watch_s_fault_alone() {
    let report = Report::of("empty-is-deleted", &["calls/", "core/watch/empty-value"]);
    assert_eq!((report.code, report.count("FAIL ", "")), (1, 1), "{}", report.text);
    report.says("clause W10");
}

#[rstest]
// These write several keys in turn, whatever runs at the same time.
#[case::lost("loses-writes", &["core/add", "watch/busy-order", "watch/no-replay", "watch/order-across", "watch/two-clients"], "writes that were acknowledged are not there")]
#[case::outside("outside-keys", &["core/list"], "answers have keys from outside the prefix")]
fn the_gravest_cause_comes_first(
    #[case] faults: &str,
    #[case] names: &[&str],
    #[case] cause: &str,
) {
    let report = Report::of(faults, names);
    assert!(report.first_cause().contains(cause), "{}", report.text);
}

#[test]
fn a_lost_write_is_not_the_watch_s_fault() {
    let report = Report::of("loses-writes", &["--exact", "core/watch/order-across-keys"]);
    assert_eq!(report.code, 1, "{}", report.text);
    report.says("a write was acknowledged and lost: the store does not have it");
    report.says("clause K1");
}

#[test]
fn a_key_of_another_client_is_explained_where_it_shows() {
    let report = Report::of("outside-keys", &["--exact", "calls/list"]);
    report.says("'outside:' marks a key that does not begin with the prefix");
}

#[test]
fn watches_that_deliver_nothing_are_one_failure() {
    let report = Report::of("silent-watches", QUICK);
    assert_eq!(report.count("FAIL ", ""), 1, "{}", report.text);
    report.says("watch, watch_from: it opens, and delivers nothing: deadline exceeded");
}
