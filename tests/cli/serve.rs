//! `kvspec serve -- CMD`: a server for the command, and the command's own end.

use std::io::{BufRead, BufReader};
use std::time::Instant;

use rstest::rstest;

use super::early::{SOON, signal};
use super::server::Etcd;
use super::{Ran, kvspec, lonely};

#[test]
fn without_a_server_nothing_is_run() {
    let ran = Ran::of(&mut lonely(["serve", "--", "/bin/echo", "ran"])).exits(2);
    ran.warns("目前找不到可实验的 Etcd 服务器").hides("ran\n");
}

#[rstest]
#[case("exit 0", 0)]
#[case("exit 7", 7)]
#[case("kill -KILL $$", 137)]
fn the_exit_code_is_the_commands(#[case] script: &str, #[case] code: i32) {
    let Some(etcd) = Etcd::shared() else { return };
    let mut serve = kvspec(["serve", "--endpoints", &etcd.endpoints(), "--", "sh", "-c"]);
    let script = format!("echo at $ETCD_ENDPOINTS; {script}");
    let ran = Ran::of(serve.arg(script)).exits(code).warns("kvspec: etcd 3.5.1, endpoints ");
    assert_eq!(ran.out, format!("at {}\n", etcd.endpoints()));
}

#[test]
fn a_command_that_is_not_there_is_named() {
    let Some(etcd) = Etcd::shared() else { return };
    let mut serve = kvspec(["serve", "--endpoints", &etcd.endpoints(), "--", "/nonexistent"]);
    Ran::of(&mut serve).exits(2).warns("/nonexistent could not be started");
}

#[rstest]
#[case::obeyed("trap 'exit 0' TERM", 143)]
#[case::ignored("trap '' TERM", 143)]
fn a_signal_is_passed_on(#[case] trap: &str, #[case] code: i32) {
    let Some(etcd) = Etcd::shared() else { return };
    let script = format!("{trap}; echo up; while :; do sleep 0.05; done");
    let mut serve = kvspec(["serve", "--endpoints", &etcd.endpoints(), "--", "sh", "-c", &script]);
    let mut child = serve.spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    assert_eq!(line, "up\n");
    let told = Instant::now();
    signal("TERM", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(code));
    assert!(told.elapsed() < SOON, "it took {:?}", told.elapsed());
    // The command held the other end, and has let go of it.
    assert_eq!(out.read_line(&mut line).unwrap(), 0);
}
