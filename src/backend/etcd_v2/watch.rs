//! Watches of the v2 API.

use std::future::Future;
use std::sync::Arc;

use futures_util::StreamExt;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;

use super::answer::Answer;
use super::client::{Client, broken_off};
use super::{error, key};
use crate::store::{ErrorKind, Result, StoreError, WatchEvent, WatchStream};

/// How often in a row the server may end a stream before it has sent an event.
const TRIES: usize = 3;

/// One watch, on connections that it shares with nothing else.
///
/// The server streams what happens from the moment on that the stream is open. It hangs up on a reader that is a hundred
/// events late, and the watch then goes on from its history, which holds the last thousand events of the whole store:
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

    /// Delivers events until the stream is dropped or the watch is lost, `closed` included.
    ///
    /// A task takes them in as they come, read or not, because the server waits for no reader.
    pub fn deliver(self, closed: impl Future<Output = ()> + Send + 'static) -> WatchStream {
        let (queue, events) = mpsc::unbounded_channel();
        tokio::spawn(self.pump(queue, closed));
        UnboundedReceiverStream::new(events).boxed()
    }

    /// Moves events into the queue. Returning hangs up, which ends the watch at the server too.
    async fn pump(
        mut self,
        queue: mpsc::UnboundedSender<Result<Vec<WatchEvent>>>,
        closed: impl Future<Output = ()>,
    ) {
        let forward = async {
            loop {
                match self.next().await {
                    Ok(answer) => {
                        if let Some(event) = event(answer, &self.prefix) {
                            let _ = queue.send(Ok(vec![event]));
                        }
                    }
                    Err(lost) => return lost,
                }
            }
        };
        let lost = tokio::select! {
            () = queue.closed() => return,
            () = closed => ErrorKind::Closed.into(),
            lost = forward => lost,
        };
        let _ = queue.send(Err(lost));
    }

    /// The next thing that happened below the directory.
    async fn next(&mut self) -> Result<Answer> {
        for _ in 0..TRIES {
            let live = match &mut self.live {
                Some(live) => live,
                None => self.reopen().await?,
            };
            let opened_at = live.opened_at;
            let Some(line) = live.line().await? else {
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

    async fn reopen(&mut self) -> Result<&mut Live> {
        let (opened_at, body) = self.client.stream(&self.directory, Some(self.seen)).await?;
        Ok(self.live.insert(Live { opened_at, body, rest: Vec::new() }))
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

/// What happened as a store tells it, if it happened to a key that begins with the prefix; directories are no keys.
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
        // Reading is told to nobody, and there is nothing else.
        _ => None,
    }
}
