//! Watches of the v2 API.

use std::sync::Arc;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::time::timeout;

use super::answer::Answer;
use super::client::{Client, broken_off};
use super::{error, key};
use crate::backend::watching::Source;
use crate::store::{ErrorKind, Result, StoreError, WatchBatch, WatchEvent};

/// How long a stream is silent before the watch looks whether there is more.
const SILENCE: Duration = Duration::from_secs(1);

/// How often in a row the server may end a stream before it has sent an event.
const TRIES: usize = 3;

/// One watch, on connections that it shares with nothing else.
///
/// The server streams what happens from the moment on that the stream is open. It forgets a reader that is a hundred
/// events late: it hangs up, or falls silent without a word (`watcher.notify` removes the watcher and does not close its
/// channel). The watch then goes on from the server's history, which holds the last thousand events of the whole store:
/// what is older is lost, and the watch ends and says so.
pub(super) struct Watching {
    client: Arc<Client>,
    directory: String,
    prefix: Vec<u8>,
    /// The index up to which all events have come.
    seen: u64,
    live: Option<Live>,
}

/// A stream of events that the server has open.
struct Live {
    /// How far the history had come when it was opened.
    opened_at: u64,
    body: Incoming,
    /// What has come of a line that is not whole yet.
    rest: Vec<u8>,
}

impl Watching {
    /// Opens a watch from now on, and returns once the server has it open.
    pub async fn open(client: Arc<Client>, prefix: &[u8]) -> Result<Self> {
        let directory = key::directory(prefix).to_owned();
        let (opened_at, body) = client.stream(&directory, None).await?;
        let live = Some(Live { opened_at, body, rest: Vec::new() });
        Ok(Self { client, directory, prefix: prefix.to_vec(), seen: opened_at, live })
    }

    /// The next thing that happened below the directory.
    async fn answer(&mut self) -> Result<Answer> {
        for _ in 0..TRIES {
            let live = match &mut self.live {
                Some(live) => live,
                None => self.reopen().await?,
            };
            let opened_at = live.opened_at;
            let Some(line) = self.line().await? else {
                self.live = None;
                continue;
            };
            let answer: Answer =
                serde_json::from_slice(&line).map_err(|error| error::unreadable(&error))?;
            self.seen = answer.node.modified_index;
            if self.seen <= opened_at {
                // It came from the history, and after such a one the server sends no more on this stream.
                self.live = None;
            }
            return Ok(answer);
        }
        let message = format!("the server ended the watch {TRIES} times before an event came");
        Err(StoreError::new(ErrorKind::Unavailable, message))
    }

    /// The next line of the open stream; `None` if the server ended it, or fell silent though there is more.
    async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        // What is newer may just be on its way, so the stream gets as long again to deliver it.
        let mut was_behind = false;
        loop {
            let Some(live) = &mut self.live else { return Ok(None) };
            match timeout(SILENCE, live.line()).await {
                Ok(line) => return line,
                Err(_) if was_behind => return Ok(None),
                Err(_) => was_behind = self.is_behind().await,
            }
        }
    }

    /// Whether a key that is watched was written after the last event that came.
    async fn is_behind(&self) -> bool {
        let found = self.client.get(&self.directory, "&recursive=true").await;
        // Nothing is there, or the server is gone, which ends the stream too.
        found.is_ok_and(|found| found.node.latest(&self.prefix) > self.seen)
    }

    async fn reopen(&mut self) -> Result<&mut Live> {
        let (opened_at, body) = self.client.stream(&self.directory, Some(self.seen)).await?;
        Ok(self.live.insert(Live { opened_at, body, rest: Vec::new() }))
    }
}

impl Source for Watching {
    async fn next(&mut self) -> Result<Option<WatchBatch>> {
        let answer = self.answer().await?;
        Ok(event(answer, &self.prefix).map(WatchBatch::from))
    }
}

impl Live {
    /// The next line; `None` where the server ended the stream.
    async fn line(&mut self) -> Result<Option<Vec<u8>>> {
        loop {
            if let Some(end) = self.rest.iter().position(|byte| *byte == b'\n') {
                let tail = self.rest.split_off(end + 1);
                return Ok(Some(std::mem::replace(&mut self.rest, tail)));
            }
            match self.body.frame().await {
                Some(Ok(frame)) => self.rest.extend(frame.into_data().unwrap_or_default()),
                Some(Err(error)) => return Err(broken_off(&error)),
                None => return Ok(None),
            }
        }
    }
}

/// What happened as a store reports it, if it happened to a key that begins with the prefix; directories are not keys.
fn event(Answer { action, node }: Answer, prefix: &[u8]) -> Option<WatchEvent> {
    if node.dir || !node.key.as_bytes().starts_with(prefix) {
        return None;
    }
    let (key, mod_revision) = (node.key.into_bytes(), i64::try_from(node.modified_index).ok());
    match action.as_str() {
        "delete" | "expire" | "compareAndDelete" => Some(WatchEvent::Delete { key, mod_revision }),
        "set" | "create" | "update" | "compareAndSwap" => {
            let value = node.value.unwrap_or_default().into_bytes();
            Some(WatchEvent::Put { key, value, mod_revision })
        }
        // Reading is not reported, and there is nothing else.
        _ => None,
    }
}
