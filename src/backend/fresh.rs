//! The short way to plug in a store that runs inside the test's own process: every case gets an empty one.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, Clock, Instance};
use crate::store::{Limits, Result, Store};

/// A backend that makes an empty store for every case, and opens clients of it.
///
/// ```
/// use kvspec::backend::Fresh;
/// use kvspec::backend::memory::MemoryStore;
///
/// let backend = Fresh::new("mine", MemoryStore::new, MemoryStore::client).on_virtual_time();
/// ```
pub struct Fresh<M, O> {
    name: String,
    clock: Clock,
    limits: Limits,
    make: M,
    open: Arc<O>,
}

impl<M, O> Fresh<M, O> {
    /// A backend called `name`: `make` makes an empty store, and `open` opens one more client of it.
    ///
    /// Both are called inside the runtime of the case.
    pub fn new<T, S>(name: impl Into<String>, make: M, open: O) -> Self
    where
        M: Fn() -> T + Send + Sync,
        O: Fn(&T) -> S + Send + Sync,
        S: Store,
    {
        let (clock, limits) = (Clock::Wall, Limits::default());
        Self { name: name.into(), clock, limits, make, open: Arc::new(open) }
    }

    /// Says that the store sleeps on tokio's timers and on nothing else, so that its times cost nothing.
    pub fn on_virtual_time(self) -> Self {
        Self { clock: Clock::Virtual, ..self }
    }

    /// Says what the store cannot do, or does later than etcd.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
}

#[async_trait]
impl<M, O, T, S> Backend for Fresh<M, O>
where
    M: Fn() -> T + Send + Sync,
    O: Fn(&T) -> S + Send + Sync + 'static,
    T: Send + Sync + 'static,
    S: Store + 'static,
{
    fn name(&self) -> &str {
        &self.name
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn limits(&self) -> Limits {
        self.limits.clone()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_disposable(&self) -> bool {
        true
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(Made { store: (self.make)(), open: self.open.clone() }))
    }
}

/// The store of one case.
struct Made<T, O> {
    store: T,
    open: Arc<O>,
}

#[async_trait]
impl<T, O, S> Instance for Made<T, O>
where
    O: Fn(&T) -> S + Send + Sync,
    T: Send + Sync,
    S: Store + 'static,
{
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new((self.open)(&self.store)))
    }
}
