//! One client of an etcd: the six functions of a store.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use etcd_client::{
    Client, GetOptions, KvClient, LeaseClient, PutOptions, WatchClient, WatchOptions,
};
use tokio::sync::watch;

use super::access::Access;
use super::error;
use super::watch::Watching;
use crate::backend::watching::deliver;
use crate::store::{
    ErrorKind, LeaseId, Leases, Result, Revisions, Store, Transactions, WatchStream,
};

/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The largest answer that is taken, in bytes.
///
/// A list is asked for in one request, because only then is it the state of one moment, and a watch may be sent a
/// thousand revisions at once; gRPC's usual 4 MiB are too few for both. Some limit there must be: room is made for as
/// many bytes as an answer announces, before the first of them has come.
const MAX_ANSWER: usize = 256 * 1024 * 1024;

/// How long the revocation of a lease whose write failed may take before the lease is left to expire.
const ABANDON_TIMEOUT: Duration = Duration::from_secs(2);

/// One client of an etcd, with a connection of its own.
pub struct EtcdStore {
    base_prefix: Vec<u8>,
    address: Arc<str>,
    /// What calls go through; `None` once the client is closed, which ends calls and watches under way.
    connection: watch::Sender<Option<Connection>>,
}

/// The parts of an etcd-client that a store uses; all clones share one connection.
pub(super) struct Connection {
    kv: KvClient,
    lease: LeaseClient,
    watch: WatchClient,
}

impl EtcdStore {
    /// Opens a client that may write below `base_prefix`.
    ///
    /// Whether the server answers shows in the first call, except that a user is logged in at once.
    pub async fn connect(access: &Access, base_prefix: impl Into<Vec<u8>>) -> Result<Self> {
        let client = access.connect(CONNECT_TIMEOUT).await?;
        Ok(Self {
            base_prefix: base_prefix.into(),
            address: access.urls()?.join(", ").into(),
            connection: watch::Sender::new(Some(Connection::new(&client))),
        })
    }

    pub(super) async fn put(&self, key: &[u8], value: &[u8], options: PutOptions) -> Result<()> {
        let mut kv = self.kv_client()?;
        self.answer(kv.put(key, value, Some(options))).await?;
        Ok(())
    }

    /// Opens a watch, and returns once the server says that it is open.
    pub(super) async fn open_watch(
        &self,
        prefix: &[u8],
        options: WatchOptions,
    ) -> Result<WatchStream> {
        let mut client = self.part(|connection| connection.watch.clone())?;
        let stream = self.answer(client.watch(prefix, Some(options))).await?;
        let mut watching = Watching::new(stream, self.address.clone());
        tokio::select! {
            biased;
            () = closed(self.connection.subscribe()) => return Err(ErrorKind::Closed.into()),
            created = watching.created() => created?,
        }
        Ok(deliver(watching, closed(self.connection.subscribe())))
    }

    pub(super) fn base(&self) -> &[u8] {
        &self.base_prefix
    }

    pub(super) fn kv_client(&self) -> Result<KvClient> {
        self.part(|connection| connection.kv.clone())
    }

    pub(super) fn lease_client(&self) -> Result<LeaseClient> {
        self.part(|connection| connection.lease.clone())
    }

    /// Clones one part of the connection, for a call of its own: no call waits for another.
    fn part<T>(&self, pick: impl FnOnce(&Connection) -> T) -> Result<T> {
        self.connection.borrow().as_ref().map(pick).ok_or_else(|| ErrorKind::Closed.into())
    }

    /// Waits for `call`, but no longer than until this client is closed.
    pub(super) async fn answer<T>(
        &self,
        call: impl Future<Output = std::result::Result<T, etcd_client::Error>>,
    ) -> Result<T> {
        tokio::select! {
            biased;
            () = closed(self.connection.subscribe()) => Err(ErrorKind::Closed.into()),
            answer = call => answer.map_err(|error| error::from_client(error, &self.address)),
        }
    }
}

impl Connection {
    fn new(client: &Client) -> Self {
        Self {
            kv: client.kv_client().max_decoding_message_size(MAX_ANSWER),
            lease: client.lease_client(),
            watch: client.watch_client().max_decoding_message_size(MAX_ANSWER),
        }
    }
}

/// Ends once the client is closed, or gone.
pub(super) async fn closed(mut connection: watch::Receiver<Option<Connection>>) {
    let _ = connection.wait_for(Option::is_none).await;
}

#[async_trait]
impl Store for EtcdStore {
    fn base_prefix(&self) -> &[u8] {
        &self.base_prefix
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put(key, value, PutOptions::new()).await
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let client = self.lease_client()?;
        let lease = self.lease(ttl).await?;
        match self.put(key, value, PutOptions::new().with_lease(lease.id)).await {
            Ok(()) => Ok(lease.ttl),
            Err(error) => {
                // Not by way of `answer`: a client that was closed meanwhile still tidies up.
                abandon(client, lease.id).await;
                Err(error)
            }
        }
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        let mut kv = self.kv_client()?;
        self.answer(kv.delete(key, None)).await?;
        Ok(())
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let mut kv = self.kv_client()?;
        let mut answer = self.answer(kv.get(key, None)).await?;
        Ok(answer.take_kvs().into_iter().next().map(|kv| kv.into_key_value().1))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut kv = self.kv_client()?;
        let options = GetOptions::new().with_prefix().with_keys_only();
        let mut answer = self.answer(kv.get(prefix, Some(options))).await?;
        // The order is the server's own: sorted here, a server that lists out of order would pass.
        Ok(answer.take_kvs().into_iter().map(|kv| kv.into_key_value().0).collect())
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        self.open_watch(prefix, WatchOptions::new().with_prefix()).await
    }

    async fn close(&self) -> Result<()> {
        self.connection.send_replace(None);
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

/// Revokes a lease that was granted for a write which then failed, where that can be done soon.
async fn abandon(mut client: LeaseClient, lease: LeaseId) {
    let _ = tokio::time::timeout(ABANDON_TIMEOUT, client.revoke(lease)).await;
}
