//! Times to live, and leases that several keys share.

use std::time::Duration;

use kvspec::store::{ErrorKind, Leases, Store};
use rstest::rstest;

use crate::{DEADLINE, etcd_or_return, key, kind, open, soon};

/// A lease that nobody was granted.
const UNKNOWN: i64 = 0x1234;

#[rstest]
#[case::ceiling(Duration::from_millis(2_001), 3)]
#[case::whole(Duration::from_secs(5), 5)]
#[case::floor(Duration::from_secs(1), 2)]
#[case::zero(Duration::ZERO, 2)]
#[tokio::test]
async fn a_ttl_is_rounded_up_and_what_was_granted_is_told(
    #[case] ttl: Duration,
    #[case] granted: u64,
) {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), &format!("granted-{}", ttl.as_millis())).await;
    let granted = Duration::from_secs(granted);
    assert_eq!(soon(store.update_with_ttl(&key(&store, "k"), b"v", ttl)).await, Ok(granted));
    assert_eq!(soon(store.lease(ttl)).await.unwrap().ttl, granted);
}

#[rstest]
#[case::for_the_server(Duration::from_secs(9_000_000_001))]
#[case::for_the_request(Duration::MAX)]
#[tokio::test]
async fn a_ttl_may_be_too_large(#[case] ttl: Duration) {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "ttl-too-large").await;
    assert_eq!(
        kind(soon(store.update_with_ttl(&key(&store, "k"), b"v", ttl)).await),
        ErrorKind::TtlTooLarge
    );
    assert_eq!(kind(soon(store.lease(ttl)).await), ErrorKind::TtlTooLarge);
}

#[tokio::test]
async fn a_key_with_a_ttl_goes_and_an_update_without_makes_it_stay() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "ttl").await;
    let (goes, stays) = (key(&store, "goes"), key(&store, "stays"));
    let mut watch = soon(store.watch(store.base_prefix())).await.unwrap();
    soon(store.update_with_ttl(&goes, b"v", Duration::from_secs(2))).await.unwrap();
    soon(store.update_with_ttl(&stays, b"v", Duration::from_secs(2))).await.unwrap();
    soon(store.update(&stays, b"w")).await.unwrap();
    let seen = crate::events(&mut watch, 4).await;
    assert_eq!(seen.last().map(crate::bare), Some(kvspec::store::WatchEvent::delete(goes)));
    assert_eq!(soon(store.list(store.base_prefix())).await, Ok(vec![stays]));
}

#[tokio::test]
async fn a_failed_write_leaves_no_lease_behind() {
    let etcd = etcd_or_return!(&[]);
    let store = open(&etcd.access(), "failed").await;
    let ttl = Duration::from_secs(3600);
    assert_eq!(kind(soon(store.update_with_ttl(b"", b"v", ttl)).await), ErrorKind::EmptyKey);
    let large = vec![b'x'; 3 * 1024 * 1024];
    assert_eq!(
        kind(soon(store.update_with_ttl(&key(&store, "k"), &large, ttl)).await),
        ErrorKind::TooLarge
    );
    let mut client = etcd.access().connect(DEADLINE).await.unwrap();
    assert_eq!(soon(client.leases()).await.unwrap().leases(), []);
    soon(store.update_with_ttl(&key(&store, "k"), b"v", ttl)).await.unwrap();
    assert_eq!(soon(client.leases()).await.unwrap().leases().len(), 1);
}

#[rstest]
#[case::never_granted(UNKNOWN)]
#[case::no_lease(0)]
#[tokio::test]
async fn an_unknown_lease_is_not_found(#[case] lease: i64) {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), &format!("unknown-{lease}")).await;
    let k = key(&store, "k");
    soon(store.update(&k, b"before")).await.unwrap();
    assert_eq!(
        kind(soon(store.update_with_lease(&k, b"after", lease)).await),
        ErrorKind::LeaseNotFound
    );
    assert_eq!(soon(store.read(&k)).await, Ok(Some(b"before".to_vec())));
    assert_eq!(kind(soon(store.keep_alive(lease)).await), ErrorKind::LeaseNotFound);
    assert_eq!(kind(soon(store.time_to_live(lease)).await), ErrorKind::LeaseNotFound);
    assert_eq!(kind(soon(store.revoke(lease)).await), ErrorKind::LeaseNotFound);
}

#[tokio::test]
async fn a_lease_is_shared_renewed_and_revoked() {
    let etcd = etcd_or_return!();
    let store = open(&etcd.access(), "shared").await;
    let lease = soon(store.lease(Duration::from_secs(30))).await.unwrap();
    let keys: Vec<Vec<u8>> = ["a", "b", "c", "d", "e"].map(|name| key(&store, name)).to_vec();
    for key in keys.iter().rev() {
        soon(store.update_with_lease(key, b"v", lease.id)).await.unwrap();
    }
    assert_eq!(soon(store.keep_alive(lease.id)).await, Ok(Duration::from_secs(30)));
    let told = soon(store.time_to_live(lease.id)).await.unwrap();
    assert_eq!((told.granted, &told.keys), (Duration::from_secs(30), &keys));
    assert!(
        told.remaining <= told.granted && told.remaining >= Duration::from_secs(20),
        "{told:?}"
    );
    soon(store.revoke(lease.id)).await.unwrap();
    assert_eq!(soon(store.list(store.base_prefix())).await, Ok(Vec::new()));
    assert_eq!(kind(soon(store.keep_alive(lease.id)).await), ErrorKind::LeaseNotFound);
    assert_eq!(kind(soon(store.revoke(lease.id)).await), ErrorKind::LeaseNotFound);
}
