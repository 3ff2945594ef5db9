//! Runs on etcd: to the end, to an early end by a signal or a lost server, and what they leave in the store.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rstest::rstest;
use serial_test::serial;

use super::server::{Etcd, not_tested};
use super::{Ran, kvspec, scripts};

/// Five times the two seconds within which Ctrl-C must be over, as other tests keep the machine busy, and far less than the
/// scripts here last.
pub const SOON: Duration = Duration::from_secs(10);

/// Long enough to be interrupted in any part of it.
const LONG: &str = "\
# Nothing of it is left, whenever it ends.
fill many count=20
update k v
expire k
---
k expired on time
";

fn long_scripts() -> tempfile::TempDir {
    let wait = LONG.replace("update k v", "update k v ttl=30s");
    scripts(&[("a.kv", &wait), ("b.kv", &wait)])
}

/// Sends a signal to a process that this test started.
pub fn signal(name: &str, pid: u32) {
    // The shell's own `kill`: a small system has no program of that name.
    let sent = Command::new("sh").args(["-c", &format!("kill -{name} {pid}")]).status();
    assert!(sent.is_ok_and(|status| status.success()), "no SIG{name} could be sent to {pid}");
}

/// Starts a run of the long scripts, and waits until each has written all its keys.
fn started(etcd: &Etcd, folder: &tempfile::TempDir) -> Child {
    let mut run = kvspec(["run", "--backend", "etcd", "--endpoints", &etcd.endpoints()]);
    let child = run.arg("--scenarios").arg(folder.path()).spawn().unwrap();
    let begun = Instant::now();
    while etcd.dump(b"/kvspec/run-").len() < 42 {
        assert!(begun.elapsed() < Duration::from_secs(30), "the scripts are not under way");
        std::thread::sleep(Duration::from_millis(20));
    }
    child
}

#[rstest]
#[case("INT", 130)]
#[case("TERM", 143)]
#[serial(etcd)]
fn a_signal_ends_a_run_soon_and_cleanly(#[case] name: &str, #[case] code: i32) {
    let Some(etcd) = Etcd::own() else { return };
    let folder = long_scripts();
    let child = started(&etcd, &folder);
    let told = Instant::now();
    signal(name, child.id());
    let ran =
        Ran::from(child.wait_with_output().unwrap()).exits(code).says("0 passed, 2 unfinished in ");
    assert!(told.elapsed() < SOON, "it took {:?}", told.elapsed());
    assert_eq!(etcd.dump(b"/kvspec/"), Vec::<String>::new());
    ran.says("the run ended early: interrupted").hides("rerun:");
}

#[test]
#[serial(etcd)]
fn a_lost_server_is_told_once() {
    let Some(etcd) = Etcd::own() else { return };
    let folder = long_scripts();
    let child = started(&etcd, &folder);
    etcd.kill();
    let killed = Instant::now();
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(2);
    assert!(killed.elapsed() < Duration::from_secs(30), "it took {:?}", killed.elapsed());
    assert_eq!(ran.out.matches("was lost").count(), 1, "{ran:#?}");
    ran.says("the run ended early: etcd was lost").says(&etcd.endpoints()).hides("rerun:");
}

#[test]
#[serial(etcd)]
fn the_keys_of_others_stay_as_they_are() {
    const THEIRS: &[&[u8]] = &[
        b"key1",
        b"key5",
        b"/kvspec",
        b"/kvspec/mine",
        b"/kvspec/run-0/key1",
        b"/kvspec0",
        b"\xff\xfe",
    ];
    let Some(etcd) = Etcd::own() else { return };
    etcd.put(THEIRS);
    let before = etcd.dump(b"");
    let folder =
        scripts(&[("wrong.kv", "# Fails.\nupdate key1 v\nread key1\n---\nread key1: w\n")]);
    let run = || kvspec(["run", "--backend", "etcd", "--endpoints", &etcd.endpoints()]);
    let passed = Ran::of(run().args(["core/add", "core/delete", "core/cleanup/many"])).exits(0);
    Ran::of(run().arg("--scenarios").arg(folder.path())).exits(1);
    let after = etcd.dump(b"");
    etcd.delete(THEIRS);
    assert_eq!(before, after);
    passed.says("etcd: etcd 3.5.1, endpoints ").says("  etcd     core/add/two-keys\n");
}

#[test]
#[serial(etcd)]
fn a_server_of_its_own_goes_with_the_run() {
    let mut run = kvspec(["run", "--backend", "etcd", "--server", "process", "core/add/two-keys"]);
    let temporary = tempfile::tempdir().unwrap();
    let child = run.env("TMPDIR", temporary.path()).stdout(Stdio::piped()).spawn().unwrap();
    let pid = child.id();
    let ran = Ran::from(child.wait_with_output().unwrap()).exits(0);
    if ran.out.contains("no etcd server was found") {
        return not_tested(&ran.err);
    }
    ran.says("etcd: etcd 3.5.1, process ").says("PASSED: 1 passed in ");
    assert_eq!(std::fs::read_dir(temporary.path()).unwrap().count(), 0);
    assert_eq!(etcd_processes(pid), Vec::<String>::new());
}

/// The command lines of the etcds that the kvspec of that process id started.
fn etcd_processes(pid: u32) -> Vec<String> {
    let lines = std::fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| std::fs::read_to_string(entry.ok()?.path().join("cmdline")).ok());
    lines.filter(|line| line.contains(&format!("kvspec-etcd-{pid}-"))).collect()
}
