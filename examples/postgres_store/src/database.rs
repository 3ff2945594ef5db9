//! The database: its pool and the runtime that this lives in, the sweeper, and the listener that wakes the watches.

use std::error::Error;
use std::future::Future;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use deadpool_postgres::{Manager, Object, Pool, Transaction};
use futures_util::{FutureExt, StreamExt, future::BoxFuture};
use kvspec::store::{ErrorKind, Result, StoreError};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_postgres::{AsyncMessage, Config, NoTls};

use crate::change::{Change, SCHEMA};
use crate::store::Client;

/// How many connections the pool has.
const CONNECTIONS: usize = 20;
/// How often the sweeper looks for leases that expired.
const SWEEP: Duration = Duration::from_secs(1);
/// How long the listener waits before it connects again.
const AGAIN: Duration = Duration::from_millis(250);

/// A PostgreSQL database that holds one store.
pub struct Database {
    pool: Pool,
    /// Changes with each commit that the server notified of.
    commits: watch::Receiver<u64>,
}

/// What the connections live in. It is never dropped, which it could not be from within a case.
static RUNTIME: LazyLock<Runtime> =
    LazyLock::new(|| Runtime::new().expect("the system has threads and timers"));

/// An error of the database, with its causes.
pub fn broken(error: impl Error + 'static) -> StoreError {
    let (mut causes, mut next) = (vec![error.to_string()], error.source());
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    StoreError::new(ErrorKind::Other, causes.join(": "))
}

impl Database {
    /// Connects to a database, and makes the tables if they are not there.
    pub fn open(address: &str) -> Result<Arc<Self>> {
        let config: Config = address.parse().map_err(broken)?;
        let manager = Manager::new(config.clone(), NoTls);
        let pool = Pool::builder(manager).max_size(CONNECTIONS).build().map_err(broken)?;
        RUNTIME.block_on(async {
            let connection = pool.get().await.map_err(broken)?;
            connection.batch_execute(SCHEMA).await.map_err(broken)
        })?;
        let (notify, commits) = watch::channel(0);
        RUNTIME.spawn(listen(config, notify));
        let database = Arc::new(Self { pool, commits });
        RUNTIME.spawn(database.clone().sweep());
        Ok(database)
    }

    /// Ends what expired, and takes what was compacted a second ago, which every watch has sent by then.
    async fn sweep(self: Arc<Self>) {
        let mut compacted = 0;
        loop {
            // What could not be done now is done in a second.
            let _ = self.change(|change| change.sweep().boxed()).await;
            let forgotten = self.change(move |change| change.forget(compacted).boxed()).await;
            compacted = forgotten.unwrap_or(compacted);
            tokio::time::sleep(SWEEP).await;
        }
    }

    /// Another client of the store.
    pub fn client(self: &Arc<Self>) -> Client {
        Client::new(self.clone())
    }

    /// Changes with each commit.
    pub fn commits(&self) -> watch::Receiver<u64> {
        self.commits.clone()
    }

    /// Runs a job in the runtime that the connections live in.
    pub async fn run<T: Send + 'static>(
        &self,
        job: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<T> {
        RUNTIME.spawn(job).await.map_err(broken)?
    }

    /// A connection of the pool, once one is free.
    pub async fn connection(&self) -> Result<Object> {
        self.pool.get().await.map_err(broken)
    }

    /// Runs a change in one SQL transaction; an error of it leaves nothing behind.
    pub async fn change<T: Send>(
        &self,
        job: impl for<'c> FnOnce(&'c mut Change<'_>) -> BoxFuture<'c, Result<T>> + Send,
    ) -> Result<T> {
        let mut connection = self.connection().await?;
        let txn: Transaction<'_> = connection.transaction().await.map_err(broken)?;
        let mut change = Change::begin(&txn).await?;
        let answer = job(&mut change).await?;
        change.finish().await?;
        txn.commit().await.map_err(broken)?;
        Ok(answer)
    }
}

/// Counts the commits that the server notifies of, as long as the store is open.
async fn listen(config: Config, notify: watch::Sender<u64>) {
    while !notify.is_closed() {
        if let Ok((client, mut connection)) = config.connect(NoTls).await {
            let mut messages =
                futures_util::stream::poll_fn(|context| connection.poll_message(context)).boxed();
            let listening = client.batch_execute("LISTEN commits").boxed();
            let mut listening = listening.fuse();
            loop {
                tokio::select! {
                    done = &mut listening => if done.is_err() { break },
                    message = messages.next() => match message {
                        Some(Ok(AsyncMessage::Notification(_))) => notify.send_modify(|count| *count += 1),
                        Some(Ok(_)) => {}
                        Some(Err(_)) | None => break,
                    },
                }
            }
        }
        // Whatever was committed meanwhile is looked for.
        notify.send_modify(|count| *count += 1);
        tokio::time::sleep(AGAIN).await;
    }
}
