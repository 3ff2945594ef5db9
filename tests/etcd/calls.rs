//! Update, delete, read and list.

use kvspec::backend::etcd::EtcdBackend;
use kvspec::backend::{Backend, Clock};
use kvspec::store::{ErrorKind, Limits, Store};
use rstest::rstest;

use crate::{etcd_or_return, key, kind, open, soon};

#[tokio::test]
async fn an_instance_opens_clients_that_see_the_same_keys() {
    let etcd = etcd_or_return!();
    let backend = EtcdBackend::new(etcd.access());
    assert_eq!(
        (backend.name(), backend.clock(), backend.limits()),
        ("etcd", Clock::Wall, Limits::default())
    );
    let instance = backend.instance().await.unwrap();
    let (a, b) = (instance.open().await.unwrap(), instance.open().await.unwrap());
    assert_eq!(a.base_prefix(), b"/kvspec/");
    soon(a.update(b"/kvspec/same", b"v")).await.unwrap();
    assert_eq!(soon(b.read(b"/kvspec/same")).await.unwrap(), Some(b"v".to_vec()));
    let other =
        EtcdBackend::new(etcd.access()).with_base_prefix("/other/").instance().await.unwrap();
    assert_eq!(other.open().await.unwrap().base_prefix(), b"/other/");
}

#[tokio::test]
async fn an_empty_value_is_not_a_missing_key() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "empty").await;
    let k = key(&store, "k");
    assert_eq!(soon(store.read(&k)).await, Ok(None));
    soon(store.update(&k, b"")).await.unwrap();
    assert_eq!(soon(store.read(&k)).await, Ok(Some(Vec::new())));
    soon(store.delete(&k)).await.unwrap();
    soon(store.delete(&k)).await.unwrap();
    assert_eq!(soon(store.read(&k)).await, Ok(None));
}

#[tokio::test]
async fn an_empty_key_is_refused() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "empty-key").await;
    assert_eq!(kind(soon(store.update(b"", b"v")).await), ErrorKind::EmptyKey);
    assert_eq!(kind(soon(store.read(b"")).await), ErrorKind::EmptyKey);
    assert_eq!(kind(soon(store.delete(b"")).await), ErrorKind::EmptyKey);
}

#[tokio::test]
async fn keys_and_values_hold_any_byte() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "binary").await;
    let all: Vec<u8> = (0..=255).collect();
    for byte in &all {
        soon(store.update(&key(&store, [*byte]), &[*byte])).await.unwrap();
    }
    soon(store.update(&key(&store, &all), &all)).await.unwrap();
    assert_eq!(soon(store.read(&key(&store, &all))).await, Ok(Some(all.clone())));
    let mut expected: Vec<Vec<u8>> = all.iter().map(|&byte| key(&store, [byte])).collect();
    expected.insert(1, key(&store, &all));
    assert_eq!(soon(store.list(store.base_prefix())).await, Ok(expected));
}

#[tokio::test]
async fn a_prefix_that_ends_in_0xff_holds_its_keys_and_no_others() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "ff").await;
    let inside =
        [&b"p\xff"[..], b"p\xff\x00", b"p\xff\xff", b"p\xff\xffz"].map(|name| key(&store, name));
    for name in [&b"p"[..], b"p\xfe", b"p\xff", b"p\xff\x00", b"p\xff\xff", b"p\xff\xffz", b"q"] {
        soon(store.update(&key(&store, name), b"")).await.unwrap();
    }
    assert_eq!(soon(store.list(&key(&store, b"p\xff"))).await, Ok(inside.to_vec()));
    assert_eq!(soon(store.list(&key(&store, b"p\xff\xff"))).await, Ok(inside[2..].to_vec()));
}

#[tokio::test]
async fn a_prefix_of_nothing_but_0xff_holds_its_keys_and_no_others() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "all-ff").await;
    for name in [&b"a"[..], b"\xfe\xff", b"\xff", b"\xff\x00", b"\xff\xff", b"\xff\xff\x01"] {
        soon(store.update(name, b"")).await.unwrap();
    }
    let all_ff = [&b"\xff"[..], b"\xff\x00", b"\xff\xff", b"\xff\xff\x01"].map(<[u8]>::to_vec);
    assert_eq!(soon(store.list(b"\xff")).await, Ok(all_ff.to_vec()));
    assert_eq!(soon(store.list(b"\xff\xff")).await, Ok(all_ff[2..].to_vec()));
    assert_eq!(soon(store.list(b"")).await.unwrap().len(), 6);
}

#[rstest]
#[case::above_the_servers_limit(1_572_864)]
#[case::above_what_grpc_takes(3 * 1024 * 1024)]
#[tokio::test]
async fn a_value_that_is_too_large_is_refused_and_the_client_goes_on(#[case] size: usize) {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), &format!("too-large-{size}")).await;
    let k = key(&store, "k");
    soon(store.update(&k, b"before")).await.unwrap();
    for _ in 0..3 {
        let error = soon(store.update(&k, &vec![b'x'; size])).await.unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge, "{error}");
    }
    assert_eq!(soon(store.read(&k)).await, Ok(Some(b"before".to_vec())));
    let largest = vec![b'y'; 1024 * 1024];
    soon(store.update(&k, &largest)).await.unwrap();
    assert_eq!(soon(store.read(&k)).await, Ok(Some(largest)));
}

#[tokio::test]
async fn a_list_may_be_longer_than_grpcs_usual_limit() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "long-list").await;
    let long = "x".repeat(8 * 1024);
    let keys: Vec<Vec<u8>> = (0..1500).map(|n| key(&store, format!("{n:04}{long}"))).collect();
    for chunk in keys.chunks(64) {
        let writes = chunk.iter().map(|key| store.update(key, b""));
        for written in soon(futures_util::future::join_all(writes)).await {
            written.unwrap();
        }
    }
    assert!(soon(store.list(store.base_prefix())).await.unwrap() == keys);
}

#[tokio::test]
async fn a_closed_client_answers_closed() {
    let etcd = etcd_or_return!();
    let (store, other) =
        (open(&etcd.access(), "closed").await, open(&etcd.access(), "closed").await);
    let k = key(&store, "k");
    soon(store.update(&k, b"v")).await.unwrap();
    soon(store.close()).await.unwrap();
    soon(store.close()).await.unwrap();
    assert_eq!(kind(soon(store.update(&k, b"w")).await), ErrorKind::Closed);
    assert_eq!(
        kind(soon(store.update_with_ttl(&k, b"w", crate::DEADLINE)).await),
        ErrorKind::Closed
    );
    assert_eq!(kind(soon(store.read(&k)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(store.list(&k)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(store.delete(&k)).await), ErrorKind::Closed);
    assert_eq!(soon(store.watch(&k)).await.err().map(|error| error.kind), Some(ErrorKind::Closed));
    let leases = store.leases().unwrap();
    assert_eq!(kind(soon(leases.lease(crate::DEADLINE)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(leases.update_with_lease(&k, b"w", 1)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(leases.keep_alive(1)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(leases.time_to_live(1)).await), ErrorKind::Closed);
    assert_eq!(kind(soon(leases.revoke(1)).await), ErrorKind::Closed);
    assert_eq!(soon(other.read(&k)).await, Ok(Some(b"v".to_vec())));
}
