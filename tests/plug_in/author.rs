//! What an author's `tests/conformance.rs` is, for a store that has the core functions and a fault.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kvspec::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Fresh, Shared};
use kvspec::harness::Harness;
use kvspec::store::{Call, ErrorKind, Extension, Layer, Layered, Reply, Result, StoreError};
use tokio::runtime::Handle;

pub fn main(fault: &str) -> ExitCode {
    let harness = Harness::new();
    let harness = match std::env::var_os("KVSPEC_TEST_KNOWN") {
        Some(list) => harness.known_failures(list),
        None => harness,
    };
    let store = move |fault: &str, store: &MemoryStore| {
        Layered::new(Arc::new(Mine { fault: fault.into() }), store.client(), 0)
    };
    let name = fault.to_string();
    if fault.starts_with("shared") {
        let all = MemoryStore::new();
        return harness
            .backend(Shared::new("mine", move || {
                let client = match name.as_str() {
                    "shared-refused" => Err(ErrorKind::Unavailable.into()),
                    name => Ok(store(name, &all)),
                };
                async { client }
            }))
            .run();
    }
    let make = {
        let fault = name.clone();
        move || {
            assert!(fault != "make", "no folder for the data");
            MemoryStore::new()
        }
    };
    let fresh = Fresh::new("mine", make, move |all| {
        assert!(name != "open", "no more clients");
        store(&name, all)
    });
    harness.backend(fresh.on_virtual_time()).run()
}

/// A fault of the memory store, of which no more than the core functions is shown.
struct Mine {
    fault: String,
}

#[async_trait]
impl Layer<MemoryStore> for Mine {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        match (self.fault.as_str(), &call) {
            ("todo", Call::Update { .. }) => todo!(),
            ("task", Call::Update { .. }) => {
                tokio::spawn(async { panic!("the index is broken") });
                tokio::task::yield_now().await;
            }
            ("thread", Call::Update { .. }) => return on_a_thread(next.client(), call).await,
            ("blocking", Call::Update { .. }) => Handle::current().block_on(async {}),
            ("shared-table", Call::Read { .. }) => {
                let message = "relation \"kv\" does not exist";
                return Err(StoreError::new(ErrorKind::Other, message));
            }
            ("stale", Call::Read { .. }) => return Ok(Reply::Value(None)),
            ("task", Call::Read { key }) if key.ends_with(b"key1") => {
                return Ok(Reply::Value(None));
            }
            _ => {}
        }
        call.perform(next.as_ref()).await
    }

    fn base_prefix<'a>(&'a self, _: &'a MemoryStore) -> &'a [u8] {
        if matches!(self.fault.as_str(), "prefix" | "shared-prefix") { b"" } else { b"/mine/" }
    }

    fn shows(&self, _: Extension) -> bool {
        false
    }
}

/// A store whose writer is a plain thread, which virtual time does not wait for.
async fn on_a_thread(store: MemoryStore, call: Call) -> Result<Reply> {
    let (sender, receiver) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        let _ = sender.send((store, call));
    });
    let (store, call) = receiver.await.expect("the thread sends");
    call.perform(&store).await
}
