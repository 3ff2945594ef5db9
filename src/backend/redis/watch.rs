//! Watches of a Redis: its keyspace notifications, and the value that is found when one comes.

use futures_util::StreamExt;
use redis::aio::{MultiplexedConnection, PubSubStream};
use redis::{Msg, cmd};

use super::address::Address;
use super::{error, pattern};
use crate::backend::watching::Source;
use crate::store::{ErrorKind, Result, StoreError, WatchBatch, WatchEvent};

/// The server's setting that says what it notifies of.
pub(super) const SETTING: &str = "notify-keyspace-events";

/// Checks the value of [`SETTING`]: notifications by key (`K`) of what any command (`g`), one of strings (`$`) or time
/// (`x`) does to it; `A` means all classes.
pub(super) fn check_setting(flags: &str) -> Result<()> {
    let has = |flag| flags.contains(flag);
    if has('K') && (has('A') || "g$x".chars().all(has)) {
        return Ok(());
    }
    Err(StoreError::new(
        ErrorKind::Unsupported,
        format!(
            "keyspace notifications are off: its {SETTING} is '{flags}' and must be Kg$xe or more; \
             run CONFIG SET {SETTING} 'Kg$xe'"
        ),
    ))
}

/// What a notification says of its key.
#[derive(Debug, PartialEq, Eq)]
enum Change {
    Written,
    Deleted,
}

/// Reads the name of an event; `None` for what changes no value, such as `expire`, which comes next to every `set` that
/// has a TTL.
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
    /// By which values are read.
    connection: MultiplexedConnection,
    address: String,
    /// What stands before the key in the name of a channel.
    channel: Vec<u8>,
}

impl Watching {
    /// Subscribes to every key below `prefix`, and returns once the server has confirmed it.
    pub(super) async fn open(
        address: &Address,
        connection: MultiplexedConnection,
        prefix: &[u8],
    ) -> Result<Self> {
        let channel = format!("__keyspace@{}__:", address.database()).into_bytes();
        let address_shown = address.to_string();
        let mut subscriber = address.subscriber().await?;
        let pattern = pattern::of_prefix(&[&channel, prefix].concat());
        let subscribed = subscriber.psubscribe(pattern).await;
        subscribed.map_err(|error| error::from_client(&error, &address_shown))?;
        let messages = subscriber.into_on_message();
        Ok(Self { messages, connection, address: address_shown, channel })
    }

    /// Makes an event of a notification, by reading what the key holds by now.
    ///
    /// A key that was written and is gone again by then gives none: what it held is known to no one.
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

impl Source for Watching {
    async fn next(&mut self) -> Result<Option<WatchBatch>> {
        let Some(message) = self.messages.next().await else {
            let message = format!(
                "the connection of the watch broke, and with it what happens since is lost (server: {})",
                self.address
            );
            return Err(StoreError::new(ErrorKind::Unavailable, message));
        };
        let mut connection = self.connection.clone();
        let event = self.event(&message, &mut connection).await?;
        Ok(event.map(WatchBatch::from))
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
