//! Watches, read and unread.

use std::time::Duration;

use futures_util::StreamExt;
use kvspec::backend::etcd::EtcdStore;
use kvspec::store::{ErrorKind, Leases, Store, WatchEvent};

use crate::{bare, etcd_or_return, events, key, open, soon};

#[tokio::test]
async fn a_watch_is_established_when_it_returns() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "established").await;
    let mut open_watches = Vec::new();
    for n in 0..200 {
        let k = key(&store, format!("{n}"));
        let mut watch = soon(store.watch(&k)).await.unwrap();
        soon(store.update(&k, b"v")).await.unwrap();
        assert_eq!(bare(&events(&mut watch, 1).await[0]), WatchEvent::put(k, "v"), "watch {n}");
        open_watches.push(watch);
    }
}

#[tokio::test]
async fn events_tell_values_revisions_and_batches() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "events").await;
    let (a, b) = (key(&store, "a"), key(&store, "b"));
    soon(store.update(&a, b"before")).await.unwrap();
    let mut watch = soon(store.watch(store.base_prefix())).await.unwrap();
    let lease = soon(store.lease(Duration::from_secs(30))).await.unwrap().id;
    soon(store.update_with_lease(&b, b"1", lease)).await.unwrap();
    soon(store.update_with_lease(&a, b"2", lease)).await.unwrap();
    let puts = events(&mut watch, 2).await;
    assert_eq!(
        puts.iter().map(bare).collect::<Vec<_>>(),
        [WatchEvent::put(b, "1"), WatchEvent::put(a, "2")]
    );
    soon(store.revoke(lease)).await.unwrap();
    let batch = soon(watch.next()).await.unwrap().unwrap();
    assert!(batch.events.len() == 2, "the keys of a lease go in one batch: {batch:?}");
    let revisions: Vec<i64> = puts.iter().chain(&batch.events).map(revision).collect();
    assert!(
        revisions[0] < revisions[1] && revisions[1] < revisions[2] && revisions[2] == revisions[3]
    );
}

fn revision(event: &WatchEvent) -> i64 {
    let (WatchEvent::Put { mod_revision, .. } | WatchEvent::Delete { mod_revision, .. }) = event;
    mod_revision.expect("a revision")
}

#[tokio::test]
async fn unread_watches_block_no_other_call_and_lose_nothing() {
    const WATCHES: usize = 8;
    const UPDATES: usize = 3000;
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "unread").await;
    let mut watches = Vec::new();
    for _ in 0..WATCHES {
        watches.push(soon(store.watch(store.base_prefix())).await.unwrap());
    }
    let k = key(&store, "k");
    let value = |n: usize| format!("{n:01024}").into_bytes();
    for n in 0..UPDATES {
        soon(store.update(&k, &value(n))).await.unwrap();
    }
    assert_eq!(soon(store.read(&k)).await, Ok(Some(value(UPDATES - 1))));
    for watch in &mut watches {
        let seen = events(watch, UPDATES).await;
        assert!(
            seen.iter()
                .enumerate()
                .all(|(n, event)| bare(event) == WatchEvent::put(k.clone(), value(n)))
        );
    }
}

#[tokio::test]
async fn a_watch_keeps_to_a_prefix_that_ends_in_0xff() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "watch-ff").await;
    watches_only(&store, &key(&store, b"p\xff"), &["p", "p\u{0}", "q"]).await;
}

#[tokio::test]
async fn a_watch_keeps_to_a_prefix_of_nothing_but_0xff() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "watch-all-ff").await;
    watches_only(&store, b"\xff\xff", &["a", "z"]).await;
    let mut all = soon(store.watch(b"")).await.unwrap();
    soon(store.update(b"\x00", b"")).await.unwrap();
    assert_eq!(bare(&events(&mut all, 1).await[0]), WatchEvent::put([0], ""));
}

/// Checks that a watch of `prefix` sees the keys with it, and not those `beside` it.
async fn watches_only(store: &EtcdStore, prefix: &[u8], beside: &[&str]) {
    let mut watch = soon(store.watch(prefix)).await.unwrap();
    let inside = [&b""[..], b"\x00", b"\xff", b"z"].map(|end| [prefix, end].concat());
    for name in beside {
        soon(store.update(&key(store, name), b"")).await.unwrap();
    }
    for key in &inside {
        soon(store.update(key, b"")).await.unwrap();
    }
    let seen: Vec<WatchEvent> = events(&mut watch, inside.len()).await.iter().map(bare).collect();
    assert_eq!(seen, inside.map(|key| WatchEvent::put(key, "")));
}

#[tokio::test]
async fn closing_a_client_ends_its_watches() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "close-watch").await;
    let mut watches =
        [soon(store.watch(b"a")).await.unwrap(), soon(store.watch(b"b")).await.unwrap()];
    soon(store.close()).await.unwrap();
    for watch in &mut watches {
        assert_eq!(
            soon(watch.next()).await.unwrap().map_err(|error| error.kind),
            Err(ErrorKind::Closed)
        );
        assert!(soon(watch.next()).await.is_none());
    }
}

#[tokio::test]
async fn dropping_a_watch_ends_it_on_the_server() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "drop").await;
    let watches = [soon(store.watch(b"a")).await.unwrap(), soon(store.watch(b"b")).await.unwrap()];
    assert_eq!(etcd.watchers(), 2);
    drop(watches);
    let ended = async {
        while etcd.watchers() > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(ended).await;
}

#[tokio::test]
async fn closing_a_client_closes_its_connection() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "disconnect").await;
    let _watch = soon(store.watch(b"a")).await.unwrap();
    assert_eq!(etcd.connections().len(), 1);
    soon(store.close()).await.unwrap();
    let gone = async {
        while !etcd.connections().is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    soon(gone).await;
}
