//! One client of a v2 API: the six functions of a store, and directories.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tokio::sync::watch;

use super::answer::Answer;
use super::client::{Client, Form};
use super::key;
use super::traces::Traces;
use super::watch::Watching;
use crate::backend::etcd::Access;
use crate::backend::watching::deliver;
use crate::store::{Directories, ErrorKind, Result, Store, StoreError, WatchStream};

/// The last moment that v2 can keep as the end of a key: it counts nanoseconds since 1970 in 63 bits.
const LAST: Duration = Duration::from_nanos(i64::MAX as u64);

/// How often a directory is tried to be made that others make and remove at the same time.
const TRIES: usize = 8;

/// One client of an etcd's v2 API.
pub struct EtcdV2Store {
    base_prefix: Vec<u8>,
    client: Arc<Client>,
    /// Where what is written is noted, so that the directories it makes can be removed.
    traces: Option<Arc<Traces>>,
    /// Whether the client is closed, which ends calls and watches under way.
    closed: watch::Sender<bool>,
}

impl EtcdV2Store {
    /// A client that may write below `base_prefix`; whether the server answers shows in the first call.
    pub fn connect(access: &Access, base_prefix: impl Into<Vec<u8>>) -> Result<Self> {
        Ok(Self {
            base_prefix: base_prefix.into(),
            client: Arc::new(Client::new(access)?),
            traces: None,
            closed: watch::Sender::new(false),
        })
    }

    /// Has the directories that this client makes noted in `traces`.
    pub(super) fn leaving(self, traces: Arc<Traces>) -> Self {
        Self { traces: Some(traces), ..self }
    }

    /// Waits for `call`, but no longer than until this client is closed.
    async fn answer<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = closed(self.closed.subscribe()) => Err(ErrorKind::Closed.into()),
            answer = call => answer,
        }
    }

    async fn put(&self, key: &[u8], form: Form<'_>) -> Result<Answer> {
        let path = key::path(key)?;
        if let Some(traces) = &self.traces {
            traces.note(path);
        }
        self.answer(self.client.put(path, form)).await
    }

    /// Whether there is a directory at `path`; `None` if there is nothing.
    async fn is_directory(&self, path: &str) -> Result<Option<bool>> {
        found(self.answer(self.client.get(path, "")).await).map(|found| found.map(|it| it.node.dir))
    }
}

/// Ends once the client is closed, or gone.
async fn closed(mut is_closed: watch::Receiver<bool>) {
    let _ = is_closed.wait_for(|is_closed| *is_closed).await;
}

/// An answer, or `None` if there is nothing at the path: also below a key, where nothing can be.
fn found(answer: Result<Answer>) -> Result<Option<Answer>> {
    match answer {
        Ok(answer) => Ok(Some(answer)),
        Err(StoreError { kind: ErrorKind::KeyNotFound | ErrorKind::NotADirectory, .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The whole seconds to ask for: v2 takes 0 for a key that is over already, and wraps what it cannot count.
fn whole_seconds(ttl: Duration) -> Result<u64> {
    let seconds = ttl.as_secs().saturating_add(u64::from(ttl.subsec_nanos() > 0));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    match now.checked_add(Duration::from_secs(seconds)) {
        Some(end) if end < LAST => Ok(seconds.max(1)),
        _ => Err(StoreError::new(
            ErrorKind::TtlTooLarge,
            format!("v2 keeps no end of a key beyond the year 2262, and {seconds} s are"),
        )),
    }
}

#[async_trait]
impl Store for EtcdV2Store {
    fn base_prefix(&self) -> &[u8] {
        &self.base_prefix
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.put(key, &[("value", key::text(value, "value")?)]).await.map(drop)
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let seconds = whole_seconds(ttl)?;
        let form = [("value", key::text(value, "value")?), ("ttl", &seconds.to_string())];
        match self.put(key, &form).await?.node.ttl {
            // What the server reports is what is left by now, which after a second is one less than was granted.
            Some(left) => Ok(Duration::from_secs(left.max(seconds))),
            None => Err(StoreError::new(
                ErrorKind::Other,
                format!("{seconds} s were asked for, and the server wrote the key without an end"),
            )),
        }
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        let path = key::path(key)?;
        found(self.answer(self.client.delete(path, "")).await).map(drop)
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let path = key::path(key)?;
        let found = found(self.answer(self.client.get(path, "")).await)?;
        let file = found.map(|answer| answer.node).filter(|node| !node.dir);
        Ok(file.map(|node| node.value.unwrap_or_default().into_bytes()))
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let directory = key::directory(prefix);
        let found = found(self.answer(self.client.get(directory, "&recursive=true")).await)?;
        let mut keys = Vec::new();
        if let Some(answer) = found {
            answer.node.keys(prefix, &mut keys);
        }
        // v2 can sort each directory by itself, which is not the order of whole keys: `a-b` comes before `a/x`.
        keys.sort_unstable();
        Ok(keys)
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        let opening = Watching::open(self.client.clone(), prefix);
        let watching = self.answer(opening).await?;
        Ok(deliver(watching, closed(self.closed.subscribe())))
    }

    async fn close(&self) -> Result<()> {
        self.closed.send_replace(true);
        Ok(())
    }

    fn directories(&self) -> Option<&dyn Directories> {
        Some(self)
    }
}

#[async_trait]
impl Directories for EtcdV2Store {
    async fn mkdir(&self, directory: &[u8]) -> Result<()> {
        let path = key::path(directory)?;
        if let Some(traces) = &self.traces {
            traces.note_directory(path);
        }
        for _ in 0..TRIES {
            // The same code means a directory and a key that is there.
            match self.put(directory, &[("dir", "true"), ("prevExist", "false")]).await {
                Err(StoreError { kind: ErrorKind::KeyExists, .. }) => {}
                made => return made.map(drop),
            }
            match self.is_directory(path).await? {
                Some(true) => return Ok(()),
                Some(false) => {
                    let message = format!("Not a directory ({path})");
                    return Err(StoreError::new(ErrorKind::NotADirectory, message));
                }
                // Removed in between.
                None => {}
            }
        }
        let message = format!("{path} was made and removed by others {TRIES} times");
        Err(StoreError::new(ErrorKind::Other, message))
    }

    async fn create(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let form = [("value", key::text(value, "value")?), ("prevExist", "false")];
        self.put(key, &form).await.map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Duration::ZERO, 1)]
    #[case(Duration::from_millis(1), 1)]
    #[case(Duration::from_secs(2), 2)]
    #[case(Duration::from_millis(2001), 3)]
    fn times_are_asked_for_in_whole_seconds(#[case] ttl: Duration, #[case] seconds: u64) {
        assert_eq!(whole_seconds(ttl), Ok(seconds));
    }

    #[rstest]
    #[case(Duration::from_secs(9_000_000_001))]
    #[case(Duration::from_secs(u64::MAX))]
    #[case(Duration::MAX)]
    fn what_the_server_would_wrap_is_refused(#[case] ttl: Duration) {
        assert_eq!(whole_seconds(ttl).unwrap_err().kind, ErrorKind::TtlTooLarge);
    }
}
