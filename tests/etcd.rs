//! The etcd backend against a real etcd.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use kvspec::backend::etcd::{Access, EtcdStore};
use kvspec::store::{ErrorKind, Store, StoreError, WatchEvent, WatchStream};

#[path = "etcd/access.rs"]
mod access;
#[path = "etcd/calls.rs"]
mod calls;
#[path = "etcd/certificates.rs"]
mod certificates;
#[path = "etcd/leases.rs"]
mod leases;
#[path = "etcd/lost.rs"]
mod lost;
#[path = "etcd/server.rs"]
mod server;
#[path = "etcd/watches.rs"]
mod watches;

/// Longer than anything here takes on a busy machine, so that only what hangs runs into it.
const DEADLINE: Duration = Duration::from_secs(60);

/// A server that all tests share, or the end of the test where there is no etcd program.
macro_rules! etcd_or_return {
    () => {
        match $crate::server::Etcd::shared() {
            Some(etcd) => etcd,
            None => return,
        }
    };
    ($flags:expr) => {
        match $crate::server::Etcd::own($flags) {
            Some(etcd) => etcd,
            None => return,
        }
    };
}
pub(crate) use etcd_or_return;

/// A client that writes below `name`, which is the test's own.
async fn open(access: &Access, name: &str) -> EtcdStore {
    EtcdStore::connect(access, format!("/kvspec-test/{name}/")).await.expect("a client")
}

/// A key of the test's own.
fn key(store: &EtcdStore, name: impl AsRef<[u8]>) -> Vec<u8> {
    [store.base_prefix(), name.as_ref()].concat()
}

/// What `work` gives, within the deadline.
async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("an answer within the deadline")
}

/// The next events of a watch, `count` of them, whatever the batches.
async fn events(watch: &mut WatchStream, count: usize) -> Vec<WatchEvent> {
    let mut seen = Vec::new();
    while seen.len() < count {
        seen.extend(
            soon(watch.next()).await.expect("a watch that goes on").expect("events").events,
        );
    }
    seen
}

/// The same event without its revision.
fn bare(event: &WatchEvent) -> WatchEvent {
    match event.clone() {
        WatchEvent::Put { key, value, .. } => WatchEvent::put(key, value),
        WatchEvent::Delete { key, .. } => WatchEvent::delete(key),
    }
}

/// The kind of error that a call gave.
fn kind<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> ErrorKind {
    answer.expect_err("an error").kind
}
