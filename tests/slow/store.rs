//! An honest store that is slow in the ways that stores on databases are: few lanes, dear calls, a sweeper, a full house.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{
    Call, ErrorKind, Layer, Layered, Lease, LeaseId, Leases, Reply, Result, StoreError, TimeToLive,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::time::Instant;

/// How a server is slow.
#[derive(Debug, Clone, Copy)]
pub struct Slowness {
    /// How long each call holds its lane.
    pub call: Duration,
    /// How many calls are served at once.
    pub lanes: usize,
    /// How often what is due is taken away; what is due in between stays.
    pub sweep: Duration,
    /// The shortest time to live that is granted.
    pub floor: Duration,
    /// How many clients may be open at once.
    pub clients: usize,
}

impl Slowness {
    /// Every call takes `millis` of the one lane that there is.
    pub const fn lane(millis: u64) -> Self {
        Self {
            call: Duration::from_millis(millis),
            lanes: 1,
            sweep: Duration::from_millis(100),
            floor: Duration::from_secs(1),
            clients: usize::MAX,
        }
    }
}

/// A server with a thread of its own.
pub struct Server {
    slowness: Slowness,
    store: MemoryStore,
    lanes: Semaphore,
    open: AtomicUsize,
    terms: Mutex<BTreeMap<LeaseId, Term>>,
}

/// The time to live of a lease, which the server itself keeps.
#[derive(Debug, Clone, Copy)]
struct Term {
    granted: Duration,
    due: Instant,
}

/// The runtime that servers live in: one thread, as long as the process.
fn home() -> &'static Handle {
    static HOME: OnceLock<Handle> = OnceLock::new();
    HOME.get_or_init(|| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.expect("a runtime starts");
        let handle = runtime.handle().clone();
        std::thread::spawn(move || runtime.block_on(std::future::pending::<()>()));
        handle
    })
}

/// The term of every lease below the server, which the server ends by itself before that.
const LONG: Duration = Duration::from_secs(24 * 60 * 60);

impl Server {
    /// Starts a server, whose sweeper goes with it.
    pub fn start(slowness: Slowness) -> Arc<Self> {
        let _home = home().enter();
        let server = Arc::new(Self {
            slowness,
            store: MemoryStore::new(),
            lanes: Semaphore::new(slowness.lanes),
            open: AtomicUsize::new(0),
            terms: Mutex::default(),
        });
        let weak = Arc::downgrade(&server);
        home().spawn(async move {
            loop {
                tokio::time::sleep(slowness.sweep).await;
                let Some(server) = weak.upgrade() else { return };
                server.sweep().await;
            }
        });
        server
    }

    /// Opens a client.
    pub fn connect(self: &Arc<Self>) -> Result<Client> {
        if self.open.fetch_add(1, Ordering::Relaxed) >= self.slowness.clients {
            self.open.fetch_sub(1, Ordering::Relaxed);
            return Err(StoreError::new(ErrorKind::Unavailable, "sorry, too many clients already"));
        }
        Ok(Layered::new(Arc::new(Lanes { server: self.clone() }), self.store.client(), 0))
    }

    async fn sweep(&self) {
        let now = Instant::now();
        let due: Vec<_> = {
            let mut terms = self.terms.lock().expect("no call panics with the terms");
            let due = terms.iter().filter(|(_, term)| term.due <= now).map(|(id, _)| *id).collect();
            terms.retain(|_, term| term.due > now);
            due
        };
        for id in due {
            let _ = self.store.revoke(id).await;
        }
    }

    fn term(&self, lease: LeaseId) -> Result<Term> {
        let terms = self.terms.lock().expect("no call panics with the terms");
        terms.get(&lease).copied().ok_or(ErrorKind::LeaseNotFound.into())
    }

    fn keep(&self, id: LeaseId, ttl: Duration) -> Lease {
        let granted = ttl.max(self.slowness.floor);
        let term = Term { granted, due: Instant::now() + granted };
        self.terms.lock().expect("no call panics with the terms").insert(id, term);
        Lease::new(id, granted)
    }
}

/// One client of a slow server.
pub type Client = Layered<MemoryStore>;

/// The lanes of a server, as a client sees them.
struct Lanes {
    server: Arc<Server>,
}

impl Drop for Lanes {
    fn drop(&mut self) {
        self.server.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Layer<MemoryStore> for Lanes {
    /// Makes a call in the server's own thread, when a lane is free, and for as long as a call takes.
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        if let Call::Close {} = call {
            return call.perform(next.as_ref()).await;
        }
        let (server, store) = (self.server.clone(), next.clone());
        let served = home().spawn(async move {
            let _lane = server.lanes.acquire().await.expect("nobody closes the lanes");
            tokio::time::sleep(server.slowness.call).await;
            server.answer(&store, call).await
        });
        served.await.map_err(|error| StoreError::new(ErrorKind::Other, error.to_string()))?
    }
}

/// What the store below is asked for: no more than it can grant, and no less than it will be kept for.
fn below(ttl: Duration) -> Duration {
    ttl.max(LONG)
}

impl Server {
    /// Answers a call by the store below, whose leases the server ends by itself.
    async fn answer(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::UpdateWithTtl { key, value, ttl } => {
                let lease = store.lease(below(ttl)).await?;
                if let Err(error) = store.update_with_lease(&key, &value, lease.id).await {
                    store.revoke(lease.id).await?;
                    return Err(error);
                }
                Ok(self.keep(lease.id, ttl).ttl.into())
            }
            Call::Lease { ttl } => {
                let lease = store.lease(below(ttl)).await?;
                Ok(self.keep(lease.id, ttl).into())
            }
            Call::LeaseWithId { id, ttl } => {
                let lease = store.lease_with_id(id, below(ttl)).await?;
                Ok(self.keep(lease.id, ttl).into())
            }
            Call::KeepAlive { lease } => {
                store.keep_alive(lease).await?;
                let granted = self.term(lease)?.granted;
                Ok(self.keep(lease, granted).ttl.into())
            }
            Call::TimeToLive { lease } => {
                let left = store.time_to_live(lease).await?;
                let Term { granted, due } = self.term(lease)?;
                let remaining = due.saturating_duration_since(Instant::now());
                Ok(TimeToLive::new(granted, remaining, left.keys).into())
            }
            Call::Revoke { lease } => {
                store.revoke(lease).await?;
                self.terms.lock().expect("no call panics with the terms").remove(&lease);
                Ok(().into())
            }
            call => call.perform(store).await,
        }
    }
}
