//! The clients of the store: reads are single statements, writes are changes, watches read what was committed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt};
use kvspec::store::{
    ErrorKind, KeyMetadata, Lease, LeaseId, Leases, Page, Result, Revisions, Store, TimeToLive,
    WatchBatch, WatchEvent, WatchStream,
};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio::sync::watch;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use tokio_stream::wrappers::UnboundedReceiverStream;

use crate::change::{Change, named};
use crate::database::{Database, broken};

type Batch = Result<WatchBatch>;

/// The keys as they were at a revision `$2`, of those that start with `$1`.
const AT: &str = "SELECT key FROM (SELECT DISTINCT ON (key) key, value FROM past \
    WHERE key >= $1 AND substr(key, 1, length($1::bytea)) = $1 AND revision <= $2 ORDER BY key, revision DESC) newest \
    WHERE value IS NOT NULL ORDER BY key";

/// One client of the store.
pub struct Client {
    database: Arc<Database>,
    /// Ends the watches, and is asked by every call.
    closed: watch::Sender<bool>,
}

impl Client {
    pub(crate) fn new(database: Arc<Database>) -> Self {
        Self { database, closed: watch::Sender::new(false) }
    }

    fn open(&self) -> Result<Arc<Database>> {
        if *self.closed.borrow() {
            Err(ErrorKind::Closed.into())
        } else {
            Ok(self.database.clone())
        }
    }

    async fn change<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut Change<'_>) -> BoxFuture<'c, Result<T>> + Send + 'static,
    ) -> Result<T> {
        let database = self.open()?;
        self.database.run(async move { database.change(job).await }).await
    }

    async fn query(
        &self,
        statement: &'static str,
        parameters: Vec<Box<dyn ToSql + Send + Sync>>,
    ) -> Result<Vec<Row>> {
        let database = self.open()?;
        let query = async move {
            let parameters: Vec<&(dyn ToSql + Sync)> =
                parameters.iter().map(|one| &**one as &(dyn ToSql + Sync)).collect();
            database.connection().await?.query(statement, &parameters).await.map_err(broken)
        };
        self.database.run(query).await
    }

    async fn query_one(
        &self,
        statement: &'static str,
        parameters: Vec<Box<dyn ToSql + Send + Sync>>,
    ) -> Result<Option<Row>> {
        Ok(self.query(statement, parameters).await?.pop())
    }

    /// The present revision, and the one below which nothing is known any more.
    async fn numbers(&self) -> Result<(i64, i64)> {
        let row = self.query_one("SELECT revision, compacted FROM numbers", vec![]).await?;
        row.map(|row| (row.get(0), row.get(1))).ok_or_else(|| ErrorKind::Other.into())
    }

    /// Refuses a revision that is not known any more, or not yet.
    async fn known(&self, revision: i64) -> Result<()> {
        let (present, compacted) = self.numbers().await?;
        match revision {
            future if future > present => Err(ErrorKind::FutureRevision.into()),
            past if past < compacted => Err(ErrorKind::Compacted.into()),
            _ => Ok(()),
        }
    }

    async fn listen(&self, prefix: &[u8], from: Option<i64>) -> Result<WatchStream> {
        let (present, compacted) = self.numbers().await?;
        let from = from.unwrap_or(present + 1);
        if from < compacted {
            return Err(ErrorKind::Compacted.into());
        }
        let (events, receiver) = unbounded_channel();
        let watching = Watching { prefix: prefix.to_vec(), from, events };
        let (database, closed) = (self.open()?, self.closed.subscribe());
        self.database.run(async { Ok(drop(tokio::spawn(watching.run(database, closed)))) }).await?;
        Ok(Box::pin(UnboundedReceiverStream::new(receiver)))
    }
}

/// A watch, and what it has yet to send.
struct Watching {
    prefix: Vec<u8>,
    from: i64,
    events: UnboundedSender<Batch>,
}

impl Watching {
    async fn run(mut self, database: Arc<Database>, mut closed: watch::Receiver<bool>) {
        let mut commits = database.commits();
        let ended = loop {
            commits.mark_unchanged();
            tokio::select! {
                sent = self.send(&database) => if let Err(error) = sent { break error },
                _ = closed.wait_for(|closed| *closed) => break ErrorKind::Closed.into(),
            }
            tokio::select! {
                _ = commits.changed() => {}
                _ = self.events.closed() => return,
                _ = closed.wait_for(|closed| *closed) => break ErrorKind::Closed.into(),
            }
        };
        let _ = self.events.send(Err(ended));
    }

    /// Sends what was committed since the last time.
    async fn send(&mut self, database: &Database) -> Result<()> {
        let new = "SELECT numbers.revision, numbers.forgotten, past.revision, key, value FROM numbers \
            LEFT JOIN past ON past.revision >= $1 AND substr(key, 1, length($2::bytea)) = $2 \
            ORDER BY past.revision, place";
        let parameters: [&(dyn ToSql + Sync); 2] = [&self.from, &self.prefix];
        let rows = database.connection().await?.query(new, &parameters).await.map_err(broken)?;
        let Some(first) = rows.first() else { return Ok(()) };
        if first.get::<_, i64>(1) > self.from {
            return Err(ErrorKind::Compacted.into());
        }
        self.from = self.from.max(first.get::<_, i64>(0) + 1);
        let events: Vec<_> = rows.iter().filter_map(event).collect();
        for batch in events.chunk_by(|one, next| one.mod_revision() == next.mod_revision()) {
            let _ = self.events.send(Ok(batch.to_vec().into()));
        }
        Ok(())
    }
}

fn event(row: &Row) -> Option<WatchEvent> {
    let (revision, key) = (row.get::<_, Option<i64>>(2)?, row.get::<_, &[u8]>(3));
    let put = row.get::<_, Option<&[u8]>>(4).map(|value| WatchEvent::put(key, value));
    Some(put.unwrap_or_else(|| WatchEvent::delete(key)).at(revision))
}

#[async_trait]
impl Store for Client {
    fn base_prefix(&self) -> &[u8] {
        b"/postgres/"
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.change(|change| async move { change.put(&key, &value, None).await }.boxed()).await
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.change(move |change| {
            async move {
                let lease = change.grant(None, ttl).await?;
                change.put(&key, &value, Some(lease.id)).await.map(|()| lease.ttl)
            }
            .boxed()
        })
        .await
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        let key = key.to_vec();
        self.change(|change| async move { change.delete(&key).await }.boxed()).await
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        named(key)?;
        let read = "SELECT value FROM living WHERE key = $1";
        Ok(self.query_one(read, vec![Box::new(key.to_vec())]).await?.map(|row| row.get(0)))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let list = "SELECT key FROM living WHERE key >= $1 AND substr(key, 1, length($1::bytea)) = $1 \
            ORDER BY key";
        let rows = self.query(list, vec![Box::new(prefix.to_vec())]).await?;
        Ok(rows.iter().map(|row| row.get(0)).collect())
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        self.listen(prefix, None).await
    }

    async fn close(&self) -> Result<()> {
        self.closed.send_replace(true);
        Ok(())
    }

    fn leases(&self) -> Option<&dyn Leases> {
        Some(self)
    }

    fn revisions(&self) -> Option<&dyn Revisions> {
        Some(self)
    }
}

#[async_trait]
impl Leases for Client {
    async fn lease(&self, ttl: Duration) -> Result<Lease> {
        self.change(move |change| change.grant(None, ttl).boxed()).await
    }

    async fn lease_with_id(&self, id: LeaseId, ttl: Duration) -> Result<Lease> {
        self.change(move |change| change.grant(Some(id), ttl).boxed()).await
    }

    async fn update_with_lease(&self, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
        let (key, value) = (key.to_vec(), value.to_vec());
        self.change(move |change| {
            async move { change.put(&key, &value, Some(lease)).await }.boxed()
        })
        .await
    }

    async fn keep_alive(&self, lease: LeaseId) -> Result<Duration> {
        let renew = "UPDATE leases SET ends = clock_timestamp() + ttl * interval '1 millisecond' \
            WHERE id = $1 RETURNING ttl";
        let renewed = self.query_one(renew, vec![Box::new(lease)]).await?;
        let ttl = renewed.ok_or(ErrorKind::LeaseNotFound)?.get::<_, i64>(0);
        Ok(Duration::from_millis(ttl as u64))
    }

    async fn time_to_live(&self, lease: LeaseId) -> Result<TimeToLive> {
        let ask = "SELECT ttl, (1000 * extract(epoch FROM ends - clock_timestamp()))::bigint, \
            ARRAY(SELECT key FROM living WHERE lease = id ORDER BY key) \
            FROM leases WHERE id = $1";
        let row = self.query_one(ask, vec![Box::new(lease)]).await?;
        let row = row.ok_or(ErrorKind::LeaseNotFound)?;
        let millis = |of| Duration::from_millis(row.get::<_, i64>(of).max(0) as u64);
        Ok(TimeToLive::new(millis(0), millis(1), row.get(2)))
    }

    async fn revoke(&self, lease: LeaseId) -> Result<()> {
        self.change(move |change| change.revoke(lease).boxed()).await
    }
}

#[async_trait]
impl Revisions for Client {
    async fn revision(&self) -> Result<i64> {
        Ok(self.numbers().await?.0)
    }

    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>> {
        named(key)?;
        let ask = "SELECT created, modified, version, lease FROM living WHERE key = $1";
        let row = self.query_one(ask, vec![Box::new(key.to_vec())]).await?;
        Ok(row.map(|row| {
            let lease = Some(row.get(3)).filter(|lease| *lease != 0);
            KeyMetadata::new(row.get(0), row.get(1), row.get(2)).with_lease(lease)
        }))
    }

    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        named(key)?;
        self.known(revision).await?;
        let read = "SELECT value FROM past WHERE key = $1 AND revision <= $2 \
            ORDER BY revision DESC LIMIT 1";
        let row = self.query_one(read, vec![Box::new(key.to_vec()), Box::new(revision)]).await?;
        Ok(row.and_then(|row| row.get(0)))
    }

    async fn list_at(&self, prefix: &[u8], at: Option<i64>, limit: Option<usize>) -> Result<Page> {
        let at = match at {
            Some(revision) => self.known(revision).await.map(|_| revision)?,
            None => i64::MAX,
        };
        let rows = self.query(AT, vec![Box::new(prefix.to_vec()), Box::new(at)]).await?;
        let keys = rows.iter().take(limit.unwrap_or(rows.len())).map(|row| row.get(0)).collect();
        Ok(Page::new(keys, rows.len()))
    }

    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        self.listen(prefix, Some(revision)).await
    }

    async fn compact(&self, revision: i64) -> Result<()> {
        self.change(move |change| change.compact(revision).boxed()).await
    }
}
