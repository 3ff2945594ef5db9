//! Watches of a Redis: its keyspace notifications, and the value that is found when one comes.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use futures_util::{Stream, StreamExt};
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::{Msg, cmd};
use tokio::sync::mpsc;

use super::address::Address;
use super::{error, pattern};
use crate::store::{ErrorKind, Result, StoreError, WatchEvent, WatchStream};

/// The server's setting that says what it notifies of.
pub(super) const SETTING: &str = "notify-keyspace-events";

/// What a watch yields: one event, as Redis knows no batches, or why there will be no more.
type Batch = Result<Vec<WatchEvent>>;

/// Checks the value of [`SETTING`]: notifications by key (`K`) of what any command (`g`), one of strings (`$`) or time
/// (`x`) does to it; `A` stands for all classes.
pub(super) fn check_setting(flags: &str) -> Result<()> {
    let has = |flag| flags.contains(flag);
    if has('K') && (has('A') || "g$x".chars().all(has)) {
        return Ok(());
    }
    Err(StoreError::new(
        ErrorKind::Unsupported,
        format!(
            "the server does not tell what happens to its keys: its {SETTING} is '{flags}' and must be Kg$xe or more; \
             have it set by CONFIG SET {SETTING} 'Kg$xe'"
        ),
    ))
}

/// What a notification says of its key.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Written,
    Deleted,
}

/// Reads the name of an event; `None` for what changes no value, such as `expire`, which comes beside every `set` that
/// has a time to live.
fn change(event: &[u8]) -> Option<Change> {
    match event {
        b"set" | b"setrange" | b"append" | b"incrby" | b"incrbyfloat" | b"rename_to"
        | b"copy_to" | b"move_to" | b"restore" => Some(Change::Written),
        b"del" | b"expired" | b"evicted" | b"rename_from" | b"move_from" => Some(Change::Deleted),
        _ => None,
    }
}

/// One subscription on a connection of its own, before anybody reads it.
pub(super) struct Watching {
    messages: PubSubStream,
    address: String,
    /// What stands before the key in the name of a channel.
    channel: Vec<u8>,
}

impl Watching {
    /// Subscribes to every key below `prefix`, and returns once the server has confirmed it.
    pub(super) async fn open(address: &Address, prefix: &[u8]) -> Result<Self> {
        let channel = format!("__keyspace@{}__:", address.database()).into_bytes();
        let address_shown = address.to_string();
        let mut subscriber = address.subscriber().await?;
        let pattern = pattern::of_prefix(&[&channel, prefix].concat());
        let subscribed = subscriber.psubscribe(pattern).await;
        subscribed.map_err(|error| error::from_client(&error, &address_shown))?;
        Ok(Self { messages: subscriber.into_on_message(), address: address_shown, channel })
    }

    /// Delivers events until the stream is dropped or the watch is lost, `closed` included.
    ///
    /// A task takes them in as they come, read or not: the server drops a subscriber that does not keep up. Values are
    /// read through `connection`.
    pub(super) fn deliver(
        self,
        connection: MultiplexedConnection,
        closed: impl Future<Output = ()> + Send + 'static,
    ) -> WatchStream {
        let (sender, receiver) = mpsc::unbounded_channel();
        tokio::spawn(self.pump(connection, sender, closed));
        Box::pin(Events { receiver, is_lost: false })
    }

    /// Moves events into the queue. Returning drops the connection, which ends the watch on the server too.
    async fn pump(
        mut self,
        connection: MultiplexedConnection,
        queue: mpsc::UnboundedSender<Batch>,
        closed: impl Future<Output = ()>,
    ) {
        let lost = tokio::select! {
            () = queue.closed() => return,
            () = closed => ErrorKind::Closed.into(),
            lost = self.forward(connection, &queue) => lost,
        };
        let _ = queue.send(Err(lost));
    }

    /// Forwards every event until the watch is lost, and tells how.
    async fn forward(
        &mut self,
        mut connection: MultiplexedConnection,
        queue: &mpsc::UnboundedSender<Batch>,
    ) -> StoreError {
        while let Some(message) = self.messages.next().await {
            match self.event(&message, &mut connection).await {
                Ok(Some(event)) => drop(queue.send(Ok(vec![event]))),
                Ok(None) => {}
                Err(lost) => return lost,
            }
        }
        StoreError::new(
            ErrorKind::Unavailable,
            format!(
                "the connection of the watch broke, and with it what happens since is lost (server: {})",
                self.address
            ),
        )
    }

    /// Makes an event of a notification, by reading what the key holds by now.
    ///
    /// A key that was written and is gone again by then gives none: what it held is known to nobody.
    async fn event(
        &self,
        message: &Msg,
        connection: &mut MultiplexedConnection,
    ) -> Result<Option<WatchEvent>> {
        let Some(change) = change(message.get_payload_bytes()) else { return Ok(None) };
        let channel: Vec<u8> = message.get_channel().map_err(|error| self.told(&error))?;
        let Some(key) = channel.strip_prefix(self.channel.as_slice()) else { return Ok(None) };
        if change == Change::Deleted {
            return Ok(Some(WatchEvent::delete(key)));
        }
        let read = cmd("GET").arg(key).query_async(connection).await;
        let value: Option<Vec<u8>> = match read.map_err(|error| self.told(&error)) {
            // By now it holds something that is no string, and so no value of a store's.
            Err(StoreError { kind: ErrorKind::InvalidArgument, .. }) => None,
            other => other?,
        };
        Ok(value.map(|value| WatchEvent::put(key, value)))
    }

    fn told(&self, error: &redis::RedisError) -> StoreError {
        error::from_client(error, &self.address)
    }
}

/// The reading end of a watch's queue.
struct Events {
    receiver: mpsc::UnboundedReceiver<Batch>,
    is_lost: bool,
}

impl Stream for Events {
    type Item = Batch;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Batch>> {
        if self.is_lost {
            return Poll::Ready(None);
        }
        let batch = ready!(self.receiver.poll_recv(context));
        self.is_lost = !matches!(batch, Some(Ok(_)));
        Poll::Ready(batch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("AK", true)]
    #[case("AKE", true)]
    #[case("g$xK", true)]
    #[case("g$xeK", true)]
    #[case("", false)]
    #[case("AE", false)]
    #[case("gxK", false)]
    #[case("$xK", false)]
    fn notifications_must_tell_of_every_change(#[case] flags: &str, #[case] suffices: bool) {
        let checked = check_setting(flags);
        assert_eq!(checked.is_ok(), suffices, "{checked:?}");
        assert!(checked.is_ok() || checked.unwrap_err().message.contains("CONFIG SET"));
    }

    #[rstest]
    #[case("set", Some(Change::Written))]
    #[case("del", Some(Change::Deleted))]
    #[case("expired", Some(Change::Deleted))]
    #[case("evicted", Some(Change::Deleted))]
    #[case("expire", None)]
    #[case("persist", None)]
    #[case("lpush", None)]
    fn only_what_changes_a_value_is_an_event(#[case] name: &str, #[case] seen: Option<Change>) {
        assert_eq!(change(name.as_bytes()), seen);
    }
}
