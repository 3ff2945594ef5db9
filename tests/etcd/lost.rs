//! Servers that are gone, or silent.

use std::time::{Duration, Instant};

use futures_util::StreamExt;
use kvspec::backend::etcd::{Access, EtcdStore};
use kvspec::store::{ErrorKind, Leases, Store, WatchEvent};

use crate::{etcd_or_return, key, kind, open, soon};

/// Less than it takes to notice a server that is silent, which one that is gone is not: its machine refuses the connection.
const AT_ONCE: Duration = Duration::from_secs(10);

#[tokio::test]
async fn with_no_server_every_call_says_so() {
    // Port 1 is one that nobody listens on.
    let access = Access { endpoints: vec!["127.0.0.1:1".into()], ..Access::default() };
    let store = EtcdStore::connect(&access, "/").await.unwrap();
    let error = soon(store.read(b"k")).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Unavailable);
    assert!(error.message.contains("refused") && error.message.contains("127.0.0.1:1"), "{error}");
}

#[tokio::test]
async fn a_killed_server_shows_in_every_call_and_watch() {
    let mut etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "killed").await;
    let k = key(&store, "k");
    let lease = soon(store.lease(Duration::from_secs(60))).await.unwrap().id;
    let mut watch = soon(store.watch(&k)).await.unwrap();
    etcd.kill();
    let since = Instant::now();
    let lost = soon(watch.next()).await.unwrap().unwrap_err();
    assert_eq!(lost.kind, ErrorKind::Unavailable, "{lost}");
    assert!(soon(watch.next()).await.is_none());
    for _ in 0..3 {
        assert_eq!(kind(soon(store.update(&k, b"v")).await), ErrorKind::Unavailable);
        assert_eq!(
            kind(soon(store.update_with_ttl(&k, b"v", AT_ONCE)).await),
            ErrorKind::Unavailable
        );
        assert_eq!(kind(soon(store.read(&k)).await), ErrorKind::Unavailable);
        assert_eq!(kind(soon(store.list(&k)).await), ErrorKind::Unavailable);
        assert_eq!(kind(soon(store.delete(&k)).await), ErrorKind::Unavailable);
        assert_eq!(
            soon(store.watch(&k)).await.err().map(|error| error.kind),
            Some(ErrorKind::Unavailable)
        );
        assert_eq!(kind(soon(store.keep_alive(lease)).await), ErrorKind::Unavailable);
        assert_eq!(kind(soon(store.time_to_live(lease)).await), ErrorKind::Unavailable);
        assert_eq!(kind(soon(store.revoke(lease)).await), ErrorKind::Unavailable);
    }
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}

#[tokio::test]
async fn a_client_goes_on_when_the_server_is_back() {
    let mut etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "back").await;
    let k = key(&store, "k");
    soon(store.update(&k, b"before")).await.unwrap();
    etcd.kill();
    assert_eq!(kind(soon(store.read(&k)).await), ErrorKind::Unavailable);
    etcd.restart();
    assert_eq!(soon(store.read(&k)).await, Ok(Some(b"before".to_vec())));
    let mut watch = soon(store.watch(&k)).await.unwrap();
    soon(store.update(&k, b"after")).await.unwrap();
    assert_eq!(crate::bare(&crate::events(&mut watch, 1).await[0]), WatchEvent::put(k, "after"));
}

#[tokio::test]
async fn a_silent_server_is_noticed_by_pings() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "silent").await;
    let idle = open(&etcd.access(), "silent").await;
    soon(idle.read(b"k")).await.unwrap();
    let mut watch = soon(store.watch(b"k")).await.unwrap();
    etcd.pause();
    let (read, event) = soon(futures_util::future::join(idle.read(b"k"), watch.next())).await;
    assert_eq!(kind(read), ErrorKind::Unavailable);
    assert_eq!(event.unwrap().unwrap_err().kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn closing_ends_calls_under_way() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "under-way").await;
    soon(store.read(b"k")).await.unwrap();
    etcd.pause();
    let since = Instant::now();
    let (read, watch, closed) = soon(futures_util::future::join3(
        store.read(b"k"),
        async { store.watch(b"k").await.map(drop) },
        store.close(),
    ))
    .await;
    assert_eq!((kind(read), kind(watch), closed), (ErrorKind::Closed, ErrorKind::Closed, Ok(())));
    assert!(since.elapsed() < AT_ONCE, "{:?}", since.elapsed());
}

#[tokio::test]
#[ignore = "takes a minute"]
async fn an_idle_connection_is_kept() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "idle").await;
    soon(store.read(b"k")).await.unwrap();
    let before = etcd.connections();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(etcd.connections(), before);
    soon(store.read(b"k")).await.unwrap();
    assert_eq!(etcd.connections(), before);
}
