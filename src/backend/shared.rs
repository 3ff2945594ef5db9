//! The short way to plug in a store that runs somewhere else: all cases share it, each below a prefix of its own.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::store::{ErrorKind, Limits, Result, Store};

/// A backend that connects clients to one running store.
///
/// ```
/// # use kvspec::backend::memory::MemoryStore;
/// # async fn connect(_: &str) -> kvspec::store::Result<MemoryStore> { Ok(MemoryStore::new()) }
/// use kvspec::backend::Shared;
///
/// let backend = Shared::new("redis", || connect("redis://127.0.0.1:6379"));
/// ```
pub struct Shared<O> {
    name: String,
    limits: Limits,
    open: Arc<O>,
}

impl<O> Shared<O> {
    /// A backend called `name`, whose clients `open` connects.
    ///
    /// It is called inside the runtime of each case, so what it gives must not outlive that runtime.
    pub fn new<F, S>(name: impl Into<String>, open: O) -> Self
    where
        O: Fn() -> F + Send + Sync,
        F: Future<Output = Result<S>> + Send,
        S: Store,
    {
        Self { name: name.into(), limits: Limits::default(), open: Arc::new(open) }
    }

    /// Says what the store cannot do, or does later than etcd.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

#[async_trait]
impl<O, F, S> Backend for Shared<O>
where
    O: Fn() -> F + Send + Sync + 'static,
    F: Future<Output = Result<S>> + Send + 'static,
    S: Store + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(Share { open: self.open.clone() }))
    }
}

/// One case's share of the store.
struct Share<O> {
    open: Arc<O>,
}

#[async_trait]
impl<O, F, S> Instance for Share<O>
where
    O: Fn() -> F + Send + Sync,
    F: Future<Output = Result<S>> + Send,
    S: Store + 'static,
{
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new((self.open)().await?))
    }

    async fn ping(&self) -> Result<()> {
        let store = (self.open)().await?;
        match store.read(store.base_prefix()).await {
            Err(error)
                if matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded) =>
            {
                Err(error)
            }
            // Any other answer, an error included, is a sign of life.
            _ => Ok(()),
        }
    }
}
