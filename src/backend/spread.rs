//! Makes every call of a client as a task of its own, so that calls of different clients run on different threads.

use std::panic::resume_unwind;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use crate::store::{Call, ErrorKind, Layer, Reply, Result, Store, StoreError};

/// The layer of a store whose cases have several threads.
pub(super) struct Spread;

#[async_trait]
impl<S: Store + 'static> Layer<S> for Spread {
    async fn call(&self, next: &Arc<S>, _client: usize, call: Call) -> Result<Reply> {
        let next = next.clone();
        // A set ends its tasks when it is dropped, as the caller does with a call that takes too long.
        let mut task = JoinSet::new();
        task.spawn(async move { call.perform(next.as_ref()).await });
        match task.join_next().await {
            Some(Ok(reply)) => reply,
            Some(Err(error)) if error.is_panic() => resume_unwind(error.into_panic()),
            Some(Err(_)) | None => Err(StoreError::own(ErrorKind::Canceled, "the runtime ended")),
        }
    }
}
