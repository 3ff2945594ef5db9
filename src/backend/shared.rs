//! The short way to plug in a store that runs somewhere else: all cases share it, each below a prefix of its own.

use std::future::Future;
use std::sync::Arc;

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::store::{ErrorKind, Limits, Result, Store};

/// A backend that connects clients to one running store.
///
/// Every scenario writes below a random prefix of its own, and takes away what it wrote. Nothing is started; a store that
/// cannot be reached, or refuses a plain put, read, list or deletion, fails the first test and skips the others.
/// All cases share it. Up to 256 of them run at once while it answers quickly, each with one to three clients and for a
/// moment up to eight; fewer while it does not, or has no room for more clients.
/// [`Harness::at_once`](crate::harness::Harness::at_once) sets the number.
///
/// ```
/// # use kvspec::backend::memory::MemoryStore;
/// # async fn connect(_: &str) -> kvspec::store::Result<MemoryStore> { Ok(MemoryStore::new()) }
/// use kvspec::backend::Shared;
///
/// let backend = Shared::new("redis", || connect("redis://127.0.0.1:6379"));
/// ```
///
/// # A pool of connections
///
/// Each scenario has a runtime of its own, and a connection ends with the runtime in which it was opened. A pool that is
/// made or grows in the runtime of one scenario answers "connection closed" in another. Give it a runtime that lasts, and
/// have every query run there:
///
/// ```no_run
/// # use std::time::Duration;
/// # use kvspec::store::WatchStream;
/// # type Pool = std::sync::Arc<kvspec::backend::memory::MemoryStore>;
/// # async fn connect(_: &str) -> Pool { Pool::default() }
/// # async fn select(pool: Pool, key: Vec<u8>) -> Result<Option<Vec<u8>>> { pool.read(&key).await }
/// use std::process::ExitCode;
///
/// use kvspec::async_trait;
/// use kvspec::backend::Shared;
/// use kvspec::harness::Harness;
/// use kvspec::store::{ErrorKind, Result, Store, StoreError};
/// use kvspec::tokio::runtime::{Builder, Handle};
///
/// /// One client of the store: all share the pool.
/// #[derive(Clone)]
/// struct Client {
///     pool: Pool,
///     runtime: Handle,
/// }
///
/// impl Client {
///     /// Waits for a query that runs on the pool's runtime.
///     async fn run<T: Send + 'static>(
///         &self,
///         query: impl Future<Output = Result<T>> + Send + 'static,
///     ) -> Result<T> {
///         let panicked = |error| StoreError::new(ErrorKind::Other, format!("the query: {error}"));
///         self.runtime.spawn(query).await.map_err(panicked)?
///     }
/// }
///
/// #[async_trait]
/// impl Store for Client {
///     async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
///         self.run(select(self.pool.clone(), key.to_vec())).await
///     }
///     // The other functions do the same.
/// #   fn base_prefix(&self) -> &[u8] { b"/kvspec/" }
/// #   async fn update(&self, _: &[u8], _: &[u8]) -> Result<()> { todo!() }
/// #   async fn update_with_ttl(&self, _: &[u8], _: &[u8], _: Duration) -> Result<Duration> { todo!() }
/// #   async fn delete(&self, _: &[u8]) -> Result<()> { todo!() }
/// #   async fn list(&self, _: &[u8]) -> Result<Vec<Vec<u8>>> { todo!() }
/// #   async fn watch(&self, _: &[u8]) -> Result<WatchStream> { todo!() }
/// #   async fn close(&self) -> Result<()> { todo!() }
/// }
///
/// /// A runtime on a thread of its own, which ends with the process.
/// fn runtime() -> Handle {
///     let runtime = Builder::new_current_thread().enable_all().build().expect("a runtime");
///     let handle = runtime.handle().clone();
///     std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
///     handle
/// }
///
/// fn main() -> ExitCode {
///     let runtime = runtime();
///     let (sender, receiver) = std::sync::mpsc::channel();
///     runtime.spawn(async move { sender.send(connect("postgres://127.0.0.1").await) });
///     let client = Client { pool: receiver.recv().expect("a pool"), runtime };
///     let shared = Shared::new("postgres", move || {
///         let client = client.clone();
///         async move { Ok(client) }
///     });
///     Harness::new().backend(shared).run()
/// }
/// ```
pub struct Shared<O> {
    name: String,
    limits: Limits,
    version: Option<String>,
    is_disposable: bool,
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
        let (name, limits, open) = (name.into(), Limits::default(), Arc::new(open));
        Self { name, limits, version: None, is_disposable: false, open }
    }

    /// Says what the store cannot do, or does later than etcd.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Says that no one else needs the history of the store, so that scenarios may compact it.
    ///
    /// Without it they are skipped, with that reason.
    ///
    /// ```
    /// # use kvspec::backend::memory::MemoryStore;
    /// use kvspec::backend::{Backend, Shared};
    ///
    /// let shared = Shared::new("mine", || async { Ok(MemoryStore::new()) });
    /// assert!(!shared.is_disposable() && shared.disposable().is_disposable());
    /// ```
    pub fn disposable(self) -> Self {
        Self { is_disposable: true, ..self }
    }

    /// Sets the version of the server that reports name.
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
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

    fn is_disposable(&self) -> bool {
        self.is_disposable
    }

    fn version(&self) -> Option<String> {
        self.version.clone()
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
