//! Layers over a store: every call of every trait goes through one function, and nothing else changes.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{Call, ErrorKind, Extension, Layer, Layered, Reply, Result, Store, Txn};

/// Notes the method of every call.
#[derive(Default)]
struct Noted(Mutex<Vec<&'static str>>);

#[async_trait]
impl Layer<MemoryStore> for Noted {
    async fn call(&self, next: &Arc<MemoryStore>, client: usize, call: Call) -> Result<Reply> {
        assert_eq!(client, 3);
        self.0.lock().unwrap().push(call.method());
        call.perform(next.as_ref()).await
    }
}

fn calls() -> Vec<Call> {
    let (key, value, ttl) = (|| b"/k".to_vec(), || b"v".to_vec(), Duration::from_secs(60));
    let (prefix, limit) = (|| b"/".to_vec(), Some(1));
    vec![
        Call::Lease { ttl },
        Call::LeaseWithId { id: 7, ttl },
        Call::UpdateWithLease { key: key(), value: value(), lease: 7 },
        Call::KeepAlive { lease: 7 },
        Call::TimeToLive { lease: 7 },
        Call::Revoke { lease: 7 },
        Call::Update { key: key(), value: value() },
        Call::UpdateWithTtl { key: key(), value: value(), ttl },
        Call::Read { key: key() },
        Call::List { prefix: prefix() },
        Call::Watch { prefix: prefix() },
        Call::Revision {},
        Call::Metadata { key: key() },
        Call::ReadAt { key: key(), revision: 4 },
        Call::ListAt { prefix: prefix(), revision: None, limit },
        Call::WatchFrom { prefix: prefix(), revision: 4 },
        Call::Compact { revision: 3 },
        Call::Txn { txn: Txn::default() },
        Call::Mkdir { directory: b"/d".to_vec() },
        Call::Create { key: b"/d/k".to_vec(), value: value() },
        Call::Delete { key: key() },
        Call::Close {},
    ]
}

#[tokio::test]
async fn every_call_goes_through_the_layer_and_is_answered_as_without_it() {
    let noted = Arc::new(Noted::default());
    let store = Layered::new(noted.clone(), MemoryStore::with_directories(), 3);
    let plain = MemoryStore::with_directories();
    for call in calls() {
        let reply = call.clone().perform(&store).await.map(|reply| reply.to_string());
        let without = call.clone().perform(&plain).await.map(|reply| reply.to_string());
        assert_eq!(reply, without, "{call}");
        assert!(reply.is_ok(), "{call}: {reply:?}");
    }
    let methods: Vec<_> = calls().iter().map(Call::method).collect();
    assert_eq!(*noted.0.lock().unwrap(), methods);
}

/// Shows nothing but leases, and answers reads with what no read answers.
struct Odd;

#[async_trait]
impl Layer<MemoryStore> for Odd {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        if let Call::Read { .. } = call { Ok(7.into()) } else { call.perform(next.as_ref()).await }
    }

    fn base_prefix<'a>(&'a self, _: &'a MemoryStore) -> &'a [u8] {
        b"/odd/"
    }

    fn shows(&self, extension: Extension) -> bool {
        extension == Extension::Leases
    }
}

#[tokio::test]
async fn a_layer_hides_extension_traits_and_changes_the_prefix() {
    let store = Layered::new(Arc::new(Odd), MemoryStore::new(), 0);
    assert!(store.leases().is_some() && store.revisions().is_none());
    assert_eq!(store.base_prefix(), b"/odd/");
    let refused = Call::Revision {}.perform(&store).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    // The memory store has no directories, whatever the layer shows.
    assert!(
        Layered::new(Arc::new(Noted::default()), MemoryStore::new(), 3).directories().is_none()
    );
}

#[tokio::test]
async fn a_reply_of_another_type_is_an_error_that_names_it() {
    let error = Layered::new(Arc::new(Odd), MemoryStore::new(), 0).read(b"k").await.unwrap_err();
    let message = "kvspec: a layer replied '7', which is not of type Option<Vec<u8>>";
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::Other, message));
}
