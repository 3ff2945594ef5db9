//! The short way to plug in a store that runs inside the test's own process: every case gets an empty one.

use std::error::Error;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::spread::Spread;
use super::{Backend, Clock, Ending, Instance};
use crate::store::{ErrorKind, Layered, Limits, Result, Store, StoreError};

/// A future of a store that is being made or reopened.
type Making<T> = Pin<Box<dyn Future<Output = Result<T>> + Send>>;
/// Any error of a store's constructor.
type AnyError = Box<dyn Error + Send + Sync>;

/// A backend that makes an empty store for every case, and opens clients of it.
///
/// ```
/// use kvspec::backend::Fresh;
/// use kvspec::backend::memory::MemoryStore;
///
/// let backend = Fresh::new("mine", MemoryStore::new, MemoryStore::client).on_virtual_time();
/// ```
///
/// A store whose constructor is async or can fail goes in by [`try_new`](Self::try_new). A store that keeps its data
/// says how it is opened again by [`reopen`](Self::reopen).
pub struct Fresh<T, S> {
    name: String,
    clock: Clock,
    threads: usize,
    limits: Limits,
    version: Option<String>,
    make: Arc<dyn Fn() -> Making<T> + Send + Sync>,
    open: Arc<dyn Fn(&T) -> S + Send + Sync>,
    reopen: Option<Reopen<T>>,
}

type Reopen<T> = Arc<dyn Fn(T, Ending) -> Making<T> + Send + Sync>;

impl<T: Send + 'static, S: Store> Fresh<T, S> {
    /// A backend called `name`: `make` makes an empty store, and `open` opens one more client of it.
    ///
    /// Both are called inside the runtime of the case.
    pub fn new(
        name: impl Into<String>,
        make: impl Fn() -> T + Send + Sync + 'static,
        open: impl Fn(&T) -> S + Send + Sync + 'static,
    ) -> Self {
        Self::made_by(name.into(), Arc::new(move || Box::pin(ready(Ok(make())))), Arc::new(open))
    }

    /// Like [`new`](Self::new), for a store whose constructor is async or can fail.
    ///
    /// An error of `make` ends the case as *errored*, with the error's text.
    ///
    /// ```
    /// # use kvspec::backend::memory::MemoryStore;
    /// use kvspec::backend::Fresh;
    ///
    /// async fn make() -> std::io::Result<MemoryStore> {
    ///     // Makes a folder, opens a file in it.
    ///     Ok(MemoryStore::new())
    /// }
    ///
    /// let backend = Fresh::try_new("mine", make, MemoryStore::client);
    /// ```
    pub fn try_new<F, E>(
        name: impl Into<String>,
        make: impl Fn() -> F + Send + Sync + 'static,
        open: impl Fn(&T) -> S + Send + Sync + 'static,
    ) -> Self
    where
        F: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        Self::made_by(name.into(), Arc::new(move || making(make())), Arc::new(open))
    }

    fn made_by(
        name: String,
        make: Arc<dyn Fn() -> Making<T> + Send + Sync>,
        open: Arc<dyn Fn(&T) -> S + Send + Sync>,
    ) -> Self {
        let (clock, limits) = (Clock::Wall, Limits::default());
        Self { name, clock, threads: 1, limits, version: None, make, open, reopen: None }
    }

    /// Says how a store is opened again on the data that it left, so that durability is tested too.
    ///
    /// `reopen` takes the store as `make` or the `reopen` before made it, ends it in the given way, and gives another on
    /// the same data. Before [`Ending::Clean`] every client is closed; before [`Ending::Crash`] clients are only dropped, and `reopen`
    /// must shut nothing down in order. An error of it fails the scenario.
    ///
    /// ```
    /// # use kvspec::backend::memory::MemoryStore as MyStore;
    /// use kvspec::backend::{Ending, Fresh};
    /// use kvspec::store::Result;
    ///
    /// async fn reopen(store: MyStore, ending: Ending) -> Result<MyStore> {
    ///     match ending {
    ///         Ending::Clean => { /* shut down, then open the same folder */ }
    ///         _ => { /* drop it, then open the same folder */ }
    ///     }
    ///     Ok(store)
    /// }
    ///
    /// let backend = Fresh::new("mine", MyStore::new, MyStore::client).reopen(reopen);
    /// ```
    pub fn reopen<F, E>(self, reopen: impl Fn(T, Ending) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = std::result::Result<T, E>> + Send + 'static,
        E: Into<Box<dyn Error + Send + Sync>>,
    {
        let reopen: Reopen<T> = Arc::new(move |store, ending| making(reopen(store, ending)));
        Self { reopen: Some(reopen), ..self }
    }

    /// Says that the store waits for tokio's timers and for nothing else, so that its times cost nothing.
    ///
    /// Virtual time stands still while any task of the scenario can go on. Once all wait, it jumps to the next timer: an hour
    /// passes at once. Whatever else a call waits for, such as a writer on a thread of its own or a socket,
    /// is not a timer, so the clock jumps past it to the deadline of the call, 10 s of virtual time, within a
    /// millisecond of real time; every such call then answers "no answer within 10s of virtual time". Only
    /// `tokio::task::spawn_blocking` holds the clock until it is done. A store that has such a part runs without this, on
    /// the wall clock, or does that work on a task or in `spawn_blocking`. Times must be read from `tokio::time::Instant`:
    /// `std::time::Instant` and `SystemTime` do not jump.
    pub fn on_virtual_time(self) -> Self {
        Self { clock: Clock::Virtual, ..self }
    }

    /// Gives every case so many threads and makes each call on one of them, so that data races of the store show.
    ///
    /// With one thread, which is the default, calls of different clients take turns at their `await`s: what a store does
    /// in between is never interrupted. With more, they run at the same time, and so do the tasks that the store spawns.
    /// Only the wall clock has several threads; on virtual time this changes nothing.
    ///
    /// ```
    /// # use kvspec::backend::memory::MemoryStore as MyStore;
    /// use kvspec::backend::Fresh;
    ///
    /// let backend = Fresh::new("mine", MyStore::new, MyStore::client).on_threads(4);
    /// ```
    pub fn on_threads(self, threads: usize) -> Self {
        Self { threads, ..self }
    }

    /// This backend twice: under its name on the wall clock, and as `NAME-virtual` on virtual time.
    ///
    /// ```no_run
    /// # use kvspec::backend::memory::MemoryStore as MyStore;
    /// use kvspec::backend::Fresh;
    /// use kvspec::harness::Harness;
    ///
    /// let mine = Fresh::new("mine", MyStore::new, MyStore::client);
    /// Harness::new().backends(mine.on_both_clocks()).run();
    /// ```
    pub fn on_both_clocks(self) -> [Self; 2] {
        let name = format!("{}-virtual", self.name);
        let wall = Self { clock: Clock::Wall, ..self.clone() };
        [wall, Self { name, ..self.on_virtual_time() }]
    }

    /// Says what the store cannot do, or does later than etcd.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Sets the version of the store that reports name, such as `env!("CARGO_PKG_VERSION")`.
    pub fn version(self, version: impl Into<String>) -> Self {
        Self { version: Some(version.into()), ..self }
    }
}

impl<T, S> Clone for Fresh<T, S> {
    fn clone(&self) -> Self {
        Self {
            name: self.name.clone(),
            clock: self.clock,
            threads: self.threads,
            limits: self.limits.clone(),
            version: self.version.clone(),
            make: self.make.clone(),
            open: self.open.clone(),
            reopen: self.reopen.clone(),
        }
    }
}

/// A future that gives the store or an error of the store's kind.
fn making<T, E>(
    future: impl Future<Output = std::result::Result<T, E>> + Send + 'static,
) -> Making<T>
where
    T: 'static,
    E: Into<AnyError>,
{
    Box::pin(async { future.await.map_err(|error| store_error(error.into())) })
}

/// An error of the store as it is, any other as one of no kind.
fn store_error(error: AnyError) -> StoreError {
    match error.downcast() {
        Ok(error) => *error,
        Err(error) => StoreError::new(ErrorKind::Other, error.to_string()),
    }
}

#[async_trait]
impl<T: Send + 'static, S: Store + 'static> Backend for Fresh<T, S> {
    fn name(&self) -> &str {
        &self.name
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn threads(&self) -> usize {
        self.threads
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

    fn version(&self) -> Option<String> {
        self.version.clone()
    }

    fn cannot_reopen(&self, ending: Ending) -> Option<String> {
        let reason = match (&self.reopen, ending) {
            (None, _) => "the backend has no `Fresh::reopen`, so durability is not tested",
            (Some(_), Ending::PowerLoss) => "the backend cannot lose power",
            (Some(_), Ending::Clean | Ending::Crash) => return None,
        };
        Some(reason.into())
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        let store = Mutex::new(Some((self.make)().await?));
        let is_threaded = self.threads > 1 && self.clock == Clock::Wall;
        let (open, reopen) = (self.open.clone(), self.reopen.clone());
        Ok(Box::new(Made { store, is_threaded, open, reopen }))
    }
}

/// The store of one case; none while it is reopened, and after reopening failed.
struct Made<T, S> {
    store: Mutex<Option<T>>,
    is_threaded: bool,
    open: Arc<dyn Fn(&T) -> S + Send + Sync>,
    reopen: Option<Reopen<T>>,
}

impl<T, S> Made<T, S> {
    fn with_store<R>(&self, job: impl FnOnce(&mut Option<T>) -> R) -> R {
        job(&mut self.store.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

#[async_trait]
impl<T: Send, S: Store + 'static> Instance for Made<T, S> {
    async fn open(&self) -> Result<Box<dyn Store>> {
        let store = self.with_store(|store| store.as_ref().map(|store| (self.open)(store)));
        let store = store.ok_or_else(not_open)?;
        Ok(match self.is_threaded {
            true => Box::new(Layered::new(Arc::new(Spread), store, 0)),
            false => Box::new(store),
        })
    }

    async fn reopen(&self, ending: Ending) -> Result<()> {
        let reopen = self.reopen.as_ref().ok_or(ErrorKind::Unsupported)?;
        let store = self.with_store(Option::take).ok_or_else(not_open)?;
        let reopened = reopen(store, ending).await?;
        self.with_store(|store| *store = Some(reopened));
        Ok(())
    }
}

fn not_open() -> StoreError {
    StoreError::new(ErrorKind::Other, "the store could not be reopened")
}
