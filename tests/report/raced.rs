//! Races are judged again from a recorded run, on a store that is right and on stores that lose each race.

use std::process::{Command, Output};

use rstest::rstest;

use super::schema::checked;

/// The scenarios with races.
const RACES: [&str; 14] = [
    "core/isolation/linearizable",
    "core/isolation/refused-beside-valid",
    "core/liveness/pending-read",
    "core/ttl/renew-at-the-end",
    "core/watch/prompt",
    "core/watch/start-race",
    "core/watch/two-hundred-watchers",
    "lease/keep-alive-at-the-end",
    "lease/renew-when-granted",
    "revision/watch-compacted-unread",
    "revision/watch-resume-while-written",
    "txn/never-read-apart",
    "txn/race-for-a-key",
    "core/watch/burst",
];

fn ran(args: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    command.env_remove("GITHUB_ACTIONS").env_remove("GITHUB_STEP_SUMMARY");
    let Output { status, stdout, .. } = command.args(args).output().unwrap();
    (status.code(), String::from_utf8(stdout).unwrap())
}

#[rstest]
#[case::right("memory", "")]
#[case("mutant:reads-from-replica", "core/isolation/linearizable")]
#[case("mutant:refused-fails-others", "core/isolation/refused-beside-valid")]
#[case("mutant:pending-read-locks-txns", "core/liveness/pending-read")]
#[case("mutant:ttl-sweep-in-two-steps", "core/ttl/renew-at-the-end")]
#[case("mutant:watch-polls", "core/watch/prompt")]
#[case("mutant:lease-doomed-at-its-end", "lease/keep-alive-at-the-end")]
#[case("mutant:keep-alive-too-soon", "lease/renew-when-granted")]
#[case("mutant:compaction-takes-unread", "revision/watch-compacted-unread")]
#[case("mutant:handover-repeats", "revision/watch-resume-while-written")]
#[case("mutant:txn-reads-one-by-one", "txn/never-read-apart")]
#[case("mutant:txn-reads-then-writes", "txn/race-for-a-key")]
fn a_recorded_race_is_judged_alike(#[case] backend: &str, #[case] lost: &str) {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run.json");
    let run = run.to_str().unwrap();
    let scenarios = if lost.is_empty() { &RACES[..] } else { &[lost] };
    let (code, _) = ran(&[&["run", "--backend", backend, "--json", run][..], scenarios].concat());
    assert_eq!(code, Some(i32::from(!lost.is_empty())));
    checked(&std::fs::read(run).unwrap());
    let (code, out) = ran(&["judge", run]);
    assert_eq!(code, Some(0), "{out}");
    assert!(out.contains(" 0 changed"), "{out}");
}
