//! The v2 API of a real etcd: the backend, its servers, and the suite on them.
//!
//! Each test starts a server of its own, in a container or as a process, and is over at once where neither can be had.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use kvspec::backend::Backend;
use kvspec::backend::etcd::Access;
use kvspec::backend::etcd_v2::{EtcdV2Backend, EtcdV2Store};
use kvspec::builtin::etcd_v2_target;
use kvspec::event::RunEvent;
use kvspec::harness::is_server_required;
use kvspec::plan::{Filter, Plan};
use kvspec::runner::{Abort, Settings};
use kvspec::scenario;
use kvspec::server::etcd::{self as server, EtcdServer, ServerOptions};
use kvspec::store::{ErrorKind, Store, WatchEvent};
use kvspec::suite;
use kvspec::target::Target;
use kvspec::verdict::Verdict;
use serial_test::serial;

/// Longer than anything here takes on a busy machine, so that only what hangs runs into it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server with its v2 API on or off, or the end of the test where none can be started.
macro_rules! server_or_return {
    ($enable_v2:expr) => {
        match start($enable_v2).await {
            Some(server) => server,
            None => return,
        }
    };
}

/// A server of the tests' own, whatever endpoints the environment names: those need not serve v2.
fn options(enable_v2: bool) -> ServerOptions {
    let options = ServerOptions::from_env().expect("a sound environment");
    ServerOptions { access: Access::default(), enable_v2, ..options }
}

async fn start(enable_v2: bool) -> Option<EtcdServer> {
    match server::find(&options(enable_v2)).await {
        Ok(server) => Some(server),
        Err(none) => {
            assert!(!is_server_required(), "{none}");
            eprintln!("skipped: {none}");
            None
        }
    }
}

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("an answer within the deadline")
}

fn client(server: &EtcdServer) -> EtcdV2Store {
    EtcdV2Store::connect(server.access(), "/kvspec/test/").unwrap()
}

/// Everything that the server's tree holds, directories too, as it tells it.
async fn tree(server: &EtcdServer) -> String {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let address = server.access().endpoints[0].trim_start_matches("http://").to_owned();
    let mut stream = tokio::net::TcpStream::connect(&address).await.unwrap();
    let request = format!(
        "GET /v2/keys/kvspec?recursive=true HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer.split_once("\r\n\r\n").unwrap().1.to_owned()
}

#[test]
#[serial]
fn core_and_directories_pass_or_are_known_to_fail() {
    let options = options(true);
    let all = scenario::embedded().unwrap();
    let filter =
        Filter { patterns: vec!["core/".into(), "directory/".into()], ..Filter::default() };
    let scenarios: Vec<_> = filter.choose(all).unwrap();
    let target = etcd_v2_target(options, Abort::new());
    let mut plan = Plan::new(vec![target], &scenarios);
    plan.open();
    if let Err(none) = plan.shares[0].target.ready() {
        assert!(!is_server_required(), "{}", none.story);
        return;
    }
    let mut wrong = Vec::new();
    let run = suite::run(&plan, &Settings::default(), None, &mut |event| {
        if let RunEvent::CaseFinished { outcome } = event
            && !matches!(
                outcome.verdict,
                Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..)
            )
        {
            wrong.push((outcome.case.scenario.name.clone(), outcome.verdict.clone()));
        }
        Ok(())
    });
    let summary = run.unwrap();
    assert!(wrong.is_empty(), "{wrong:#?}");
    let passed: usize = summary.tallies.iter().map(|(_, tally)| tally.passed).sum();
    assert!(passed >= 85, "{summary:?}");
}

#[tokio::test]
#[serial]
async fn a_server_without_v2_is_told_in_plain_words() {
    const WORDS: &str =
        "the server does not serve the v2 API: /v2 answers 404; start it with --enable-v2=true";
    let server = server_or_return!(false);
    let error = soon(client(&server).read(b"/kvspec/test/k")).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unsupported, WORDS));
    let error = soon(client(&server).watch(b"/kvspec/test/")).await.err().unwrap();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Unsupported, WORDS));
    let given = ServerOptions { access: server.access().clone(), ..ServerOptions::default() };
    let story = tokio::task::spawn_blocking(move || {
        let target: Target = etcd_v2_target(given, Abort::new());
        let unavailable = target.ready().err().expect("no v2, no target");
        assert!(unavailable.is_named);
        unavailable.story.clone()
    });
    let story = story.await.unwrap();
    assert!(story.contains(WORDS), "{story}");
}

#[tokio::test]
#[serial]
async fn an_open_watch_keeps_no_call_waiting() {
    let server = server_or_return!(true);
    let store = client(&server);
    let mut watches = Vec::new();
    for _ in 0..50 {
        watches.push(soon(store.watch(b"/kvspec/test/")).await.unwrap());
    }
    for n in 0..200 {
        soon(store.update(b"/kvspec/test/k", format!("{n}").as_bytes())).await.unwrap();
    }
    for watch in &mut watches {
        for n in 0..200 {
            let batch = soon(watch.next()).await.unwrap().unwrap();
            let [WatchEvent::Put { value, .. }] = batch.events.as_slice() else {
                panic!("{batch:?}")
            };
            assert_eq!(value, format!("{n}").as_bytes());
        }
    }
    soon(store.delete(b"/kvspec/test/k")).await.unwrap();
}

#[tokio::test]
#[serial]
async fn closing_ends_watches_and_calls() {
    let server = server_or_return!(true);
    let store = client(&server);
    let mut watch = soon(store.watch(b"/kvspec/test/")).await.unwrap();
    soon(store.close()).await.unwrap();
    soon(store.close()).await.unwrap();
    let ended = soon(watch.next()).await.unwrap().unwrap_err();
    assert_eq!(ended.kind, ErrorKind::Closed);
    assert!(soon(watch.next()).await.is_none());
    let error = soon(store.update(b"/kvspec/test/k", b"v")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Closed);
}

#[tokio::test]
#[serial]
async fn a_watch_whose_server_is_gone_says_so() {
    let server = server_or_return!(true);
    let store = client(&server);
    let mut watch = soon(store.watch(b"/kvspec/test/")).await.unwrap();
    server.stop().await.unwrap();
    let ended = soon(watch.next()).await.unwrap().unwrap_err();
    assert_eq!(ended.kind, ErrorKind::Unavailable, "{ended}");
    let error = soon(store.read(b"/kvspec/test/k")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
}

#[tokio::test]
#[serial]
async fn directories_of_a_case_go_with_its_instance() {
    let server = server_or_return!(true);
    let stranger = client(&server);
    soon(stranger.update(b"/kvspec/theirs/k", b"v")).await.unwrap();
    let backend = EtcdV2Backend::new(server.access().clone());
    let instance = soon(backend.instance()).await.unwrap();
    let (a, b) = (soon(instance.open()).await.unwrap(), soon(instance.open()).await.unwrap());
    soon(a.update(b"/kvspec/run/a/b/c", b"v")).await.unwrap();
    soon(b.directories().unwrap().mkdir(b"/kvspec/run/d/e")).await.unwrap();
    soon(b.delete(b"/kvspec/run/a/b/c")).await.unwrap();
    let before = tree(&server).await;
    assert!(before.contains("/kvspec/run/a/b") && before.contains("/kvspec/run/d/e"), "{before}");
    drop((a, b));
    soon(instance.close()).await.unwrap();
    let after = tree(&server).await;
    assert!(!after.contains("/kvspec/run") && after.contains("/kvspec/theirs/k"), "{after}");
}

#[tokio::test]
#[serial]
async fn many_writers_make_many_events() {
    const KEYS: usize = 2000;
    let server = server_or_return!(true);
    let store = Arc::new(client(&server));
    let mut watch = soon(store.watch(b"/kvspec/test/many/")).await.unwrap();
    let writers: Vec<_> = (0..8)
        .map(|writer| {
            let store = store.clone();
            tokio::spawn(async move {
                for n in (writer..KEYS).step_by(8) {
                    store.update(format!("/kvspec/test/many/{n}").as_bytes(), b"v").await.unwrap();
                }
            })
        })
        .collect();
    let mut seen = BTreeSet::new();
    while seen.len() < KEYS {
        for event in soon(watch.next()).await.expect("a watch that goes on").unwrap().events {
            assert!(seen.insert(event.key().to_vec()), "{event:?} came twice");
        }
    }
    for writer in writers {
        writer.await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_reached_is_said() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let access = Access { endpoints: vec![format!("http://{free}")], ..Access::default() };
    let store = EtcdV2Store::connect(&access, "/kvspec/").unwrap();
    let error = soon(store.read(b"/kvspec/k")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(
        error.message.contains("refused") && error.message.contains(&free.to_string()),
        "{error}"
    );
    let secure = Access { endpoints: vec!["https://127.0.0.1:1".into()], ..Access::default() };
    let error = EtcdV2Store::connect(&secure, "/kvspec/").err().unwrap();
    assert!(error.kind == ErrorKind::InvalidArgument && error.message.contains("TLS"), "{error}");
}
