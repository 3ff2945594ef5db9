//! What the documentation of the traits says that the memory store does where no scenario asks.

use std::time::Duration;

use futures_util::{FutureExt, StreamExt};
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{ErrorKind, Leases, Revisions, Store};

#[tokio::test]
async fn revisions_begin_at_one_and_those_below_are_as_documented() {
    let store = MemoryStore::new();
    assert_eq!(store.revision().await, Ok(1));
    store.update(b"k", b"v").await.unwrap();
    assert_eq!(store.revision().await, Ok(2));
    assert_eq!(store.read_at(b"k", 0).await, Ok(None));
    let mut from_the_first = store.watch_from(b"k", 0).await.unwrap();
    let event = from_the_first.next().now_or_never().flatten().unwrap().unwrap().events.remove(0);
    assert_eq!(event.mod_revision(), Some(2));
    assert_eq!(store.watch_from(b"k", -1).await.err().unwrap().kind, ErrorKind::Compacted);
}

#[tokio::test]
async fn a_limit_of_zero_gives_no_key_and_the_count_of_all() {
    let store = MemoryStore::new();
    store.update(b"k", b"v").await.unwrap();
    let page = store.list_at(b"k", None, Some(0)).await.unwrap();
    assert_eq!((page.keys.len(), page.more, page.count), (0, true, 1));
}

#[tokio::test]
async fn a_lease_may_have_any_id_but_zero() {
    let store = MemoryStore::new();
    let ttl = Duration::from_secs(60);
    assert_eq!(store.lease_with_id(-5, ttl).await.unwrap().id, -5);
    assert_eq!(store.lease_with_id(-5, ttl).await.unwrap_err().kind, ErrorKind::LeaseExists);
    assert_ne!(store.lease_with_id(0, ttl).await.unwrap().id, 0);
}

#[tokio::test]
async fn compacting_what_is_compacted_or_lies_ahead_is_refused() {
    let store = MemoryStore::new();
    store.update(b"k", b"v").await.unwrap();
    let kind = |answer: kvspec::store::Result<()>| answer.map_err(|error| error.kind);
    assert_eq!(kind(store.compact(0).await), Err(ErrorKind::Compacted));
    assert_eq!(kind(store.compact(3).await), Err(ErrorKind::FutureRevision));
    assert_eq!(kind(store.compact(2).await), Ok(()));
    assert_eq!(kind(store.compact(2).await), Err(ErrorKind::Compacted));
}

#[tokio::test]
async fn a_key_with_a_time_of_its_own_has_a_lease_of_its_own() {
    let store = MemoryStore::new();
    store.update_with_ttl(b"k", b"v", Duration::from_secs(60)).await.unwrap();
    let lease = store.metadata(b"k").await.unwrap().unwrap().lease.unwrap();
    assert_eq!(store.time_to_live(lease).await.unwrap().keys, [b"k"]);
}
