//! The store: a database in a folder, the watches and deadlines of the running process, and its clients.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::Ending;
use kvspec::store::{
    ErrorKind, KeyMetadata, Lease, LeaseId, Leases, Page, Result, Revisions, Store, TimeToLive,
    Transactions, Txn, TxnAnswer, WatchBatch, WatchEvent, WatchStream,
};
use redb::{Database, WriteTransaction};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::time::Instant;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::change::{Change, broken};

/// How long the store waits until it tries again to end a lease that the disk did not let it end.
const AGAIN: Duration = Duration::from_millis(200);

/// One client of the store.
pub struct Durable {
    shared: Arc<Shared>,
    is_closed: Arc<AtomicBool>,
}

/// What all clients share.
struct Shared {
    live: Mutex<Live>,
    file: PathBuf,
    folder: Arc<TempDir>,
}

/// What is done one after the other, and what does not outlive the process.
struct Live {
    /// None once the store was ended.
    database: Option<Database>,
    deadlines: BTreeMap<LeaseId, Instant>,
    watchers: Vec<Watcher>,
}

struct Watcher {
    prefix: Vec<u8>,
    /// The first revision whose events are wanted.
    from: i64,
    events: UnboundedSender<Result<WatchBatch>>,
    /// Of the client that it belongs to.
    is_closed: Arc<AtomicBool>,
}

impl Durable {
    /// An empty store in a temporary folder, which goes with it.
    pub async fn create() -> Result<Self> {
        // A folder in memory keeps what a case needs kept, and costs no waiting for a disk that other cases use too.
        let memory = tempfile::tempdir_in("/dev/shm");
        let folder = memory.or_else(|_| tempfile::tempdir()).map_err(broken)?;
        Self::open(folder.path().join("data"), Arc::new(folder))
    }

    /// Opens a database file. Every lease has its full time again, since nobody knows how long the store was down.
    fn open(file: PathBuf, folder: Arc<TempDir>) -> Result<Self> {
        let database = Some(Database::create(&file).map_err(broken)?);
        let live = Live { database, deadlines: BTreeMap::new(), watchers: Vec::new() };
        let shared = Arc::new(Shared { live: Mutex::new(live), file, folder });
        let leases = shared.live().look(|change| change.leases())?;
        leases.into_iter().for_each(|lease| shared.begin(lease));
        Ok(Self { shared, is_closed: Arc::default() })
    }

    /// Another client of the same store.
    pub fn client(&self) -> Self {
        Self { shared: self.shared.clone(), is_closed: Arc::default() }
    }

    /// Ends the store and opens it on the data that it left.
    pub async fn reopen(self, ending: Ending) -> Result<Self> {
        let (folder, mut file) = (self.shared.folder.clone(), self.shared.file.clone());
        let mut live = self.shared.live();
        if ending != Ending::Clean {
            // The process cannot be killed, so the files are taken as they are at this moment.
            let left = tempfile::tempdir_in(folder.path()).map_err(broken)?.keep().join("data");
            fs::copy(&file, &left).map_err(broken)?;
            file = left;
        }
        // A task that is just looking whether a lease is due may hold the rest for a moment longer.
        drop(live.database.take());
        Self::open(file, folder)
    }

    /// Does a job on a thread that may wait for the disk: that of the runtime has others to serve.
    async fn run<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Arc<Shared>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        if self.is_closed.load(Ordering::Acquire) {
            return Err(ErrorKind::Closed.into());
        }
        let shared = self.shared.clone();
        tokio::task::spawn_blocking(move || job(&shared)).await.map_err(broken)?
    }

    async fn change<T: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Change) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(|shared| shared.live().change(job)).await
    }

    async fn look<T: Send + 'static>(
        &self,
        job: impl FnOnce(&Change) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(|shared| shared.live().look(job)).await
    }

    /// Does a job with a lease that has not ended, and with the time that it has left.
    async fn living<T: Send + 'static>(
        &self,
        lease: LeaseId,
        job: impl FnOnce(&mut Live, Duration) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(move |shared| {
            let mut live = shared.live();
            let left = live.left(lease)?;
            job(&mut live, left)
        })
        .await
    }

    /// Grants a lease, and writes a key with it in the same step.
    async fn grant(
        &self,
        id: Option<LeaseId>,
        ttl: Duration,
        key: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<Lease> {
        self.run(move |shared| {
            let lease = shared.live().change(|change| {
                let lease = change.grant(id, ttl)?;
                let written = key.map(|(key, value)| change.put(&key, &value, Some(lease.id)));
                written.transpose().map(|_| lease)
            })?;
            shared.begin(lease);
            Ok(lease)
        })
        .await
    }

    async fn listen(&self, prefix: &[u8], from: Option<i64>) -> Result<WatchStream> {
        let (events, receiver) = unbounded_channel();
        let (prefix, is_closed) = (prefix.to_vec(), self.is_closed.clone());
        self.run(move |shared| {
            let mut live = shared.live();
            // Nothing can be written between what is replayed and what comes live: the lock is held.
            let (from, past) = live.look(|change| {
                let from = from.unwrap_or(change.before + 1);
                Ok((from, change.events(&prefix, from)?))
            })?;
            past.into_iter().for_each(|batch| drop(events.send(Ok(batch))));
            live.watchers.push(Watcher { prefix, from, events, is_closed });
            Ok(())
        })
        .await?;
        Ok(Box::pin(UnboundedReceiverStream::new(receiver)))
    }
}

impl Shared {
    fn live(&self) -> MutexGuard<'_, Live> {
        self.live.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the time of a lease begin, and waits for its end, however often it is renewed.
    fn begin(self: &Arc<Self>, lease: Lease) {
        self.live().deadlines.insert(lease.id, Instant::now() + lease.ttl);
        let weak = Arc::downgrade(self);
        let look = move || weak.upgrade().and_then(|shared| shared.end_if_due(lease.id));
        tokio::spawn(async move {
            while let Ok(Some(next)) = tokio::task::spawn_blocking(look.clone()).await {
                tokio::time::sleep_until(next).await;
            }
        });
    }

    /// Ends a lease that is due; when to look again, if it lives.
    fn end_if_due(&self, lease: LeaseId) -> Option<Instant> {
        let mut live = self.live();
        let (now, deadline) = (Instant::now(), *live.deadlines.get(&lease)?);
        if deadline > now {
            return Some(deadline);
        }
        live.end(lease).is_err().then(|| now + AGAIN)
    }
}

impl Live {
    fn begin(&self) -> Result<WriteTransaction> {
        let database = self.database.as_ref().ok_or_else(|| broken("the store was ended"))?;
        database.begin_write().map_err(broken)
    }

    /// Makes a change, waits until it is on the disk, and then tells whoever watches.
    fn change<T>(&mut self, job: impl FnOnce(&mut Change) -> Result<T>) -> Result<T> {
        let txn = self.begin()?;
        let mut change = Change::begin(&txn)?;
        let answer = job(&mut change)?;
        let told = change.finish()?;
        txn.commit().map_err(broken)?;
        self.tell(&told);
        Ok(answer)
    }

    /// Looks at what is there, and changes nothing.
    fn look<T>(&self, job: impl FnOnce(&Change) -> Result<T>) -> Result<T> {
        let txn = self.begin()?;
        job(&Change::begin(&txn)?)
    }

    fn tell(&mut self, told: &[WatchEvent]) {
        self.watchers.retain(|watcher| {
            let wanted = |event: &&WatchEvent| {
                event.key().starts_with(&watcher.prefix)
                    && event.mod_revision() >= Some(watcher.from)
            };
            let batch: WatchBatch = told.iter().filter(wanted).cloned().collect();
            batch.events.is_empty() || watcher.events.send(Ok(batch)).is_ok()
        });
    }

    fn end(&mut self, lease: LeaseId) -> Result<()> {
        self.change(|change| change.revoke(lease))?;
        self.deadlines.remove(&lease);
        Ok(())
    }

    /// How much time a lease has; one whose time is over is not found, though its keys may be there for a moment.
    fn left(&self, lease: LeaseId) -> Result<Duration> {
        let deadline = self.deadlines.get(&lease).ok_or(ErrorKind::LeaseNotFound)?;
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(ErrorKind::LeaseNotFound.into()) } else { Ok(left) }
    }
}

#[async_trait]
impl Store for Durable {
    fn base_prefix(&self) -> &[u8] {
        b"/durable/"
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.change(move |change| change.put(&key, &value, None)).await
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let lease = self.grant(None, ttl, Some((key.to_vec(), value.to_vec()))).await?;
        Ok(lease.ttl)
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        let key = key.to_vec();
        self.change(|change| change.delete(vec![key])).await.map(drop)
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let key = key.to_vec();
        Ok(self.look(move |change| change.get(&key)).await?.map(|record| record.value))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let prefix = prefix.to_vec();
        self.look(move |change| change.list(&prefix)).await
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        self.listen(prefix, None).await
    }

    async fn close(&self) -> Result<()> {
        let mut live = self.shared.live();
        self.is_closed.store(true, Ordering::Release);
        let is_mine = |watcher: &mut Watcher| Arc::ptr_eq(&watcher.is_closed, &self.is_closed);
        let closed = |watcher: Watcher| drop(watcher.events.send(Err(ErrorKind::Closed.into())));
        live.watchers.extract_if(.., is_mine).for_each(closed);
        Ok(())
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }

    fn revisions(&self) -> Option<&dyn Revisions> {
        Some(self)
    }

    fn transactions(&self) -> Option<&dyn Transactions> {
        Some(self)
    }
}

#[async_trait]
impl Leases for Durable {
    async fn lease(&self, ttl: Duration) -> Result<Lease> {
        self.grant(None, ttl, None).await
    }

    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        self.grant(Some(id), ttl, None).await
    }

    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
        let (key, value) = (key.to_vec(), value.to_vec());
        let put = move |change: &mut Change| change.put(&key, &value, Some(lease));
        self.living(lease, |live, _| live.change(put)).await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration> {
        self.living(lease, move |live, _| {
            let ttl = live.look(|change| change.granted(lease))?;
            live.deadlines.insert(lease, Instant::now() + ttl);
            Ok(ttl)
        })
        .await
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive> {
        self.living(lease, move |live, left| {
            live.look(|change| {
                Ok(TimeToLive::new(change.granted(lease)?, left, change.keys_of(lease)?))
            })
        })
        .await
    }

    async fn revoke(&self, lease: LeaseId) -> Result<()> {
        self.run(move |shared| shared.live().end(lease)).await
    }
}

#[async_trait]
impl Revisions for Durable {
    async fn revision(&self) -> Result<i64> {
        self.look(|change| Ok(change.before)).await
    }

    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>> {
        let key = key.to_vec();
        Ok(self.look(move |change| change.get(&key)).await?.map(|record| record.meta))
    }

    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        let key = key.to_vec();
        let record = self.look(move |change| change.get_at(&key, revision)).await?;
        Ok(record.map(|record| record.value))
    }

    async fn list_at(&self, prefix: &[u8], at: Option<i64>, limit: Option<usize>) -> Result<Page> {
        let prefix = prefix.to_vec();
        self.look(move |change| change.page(&prefix, at, limit)).await
    }

    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        self.listen(prefix, Some(revision)).await
    }

    async fn compact(&self, revision: i64) -> Result<()> {
        self.change(move |change| change.compact(revision)).await
    }
}

#[async_trait]
impl Transactions for Durable {
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer> {
        self.change(move |change| change.txn(&txn)).await
    }
}
