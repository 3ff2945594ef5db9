//! Redis, as a store of strings: PX for times to live, SCAN for lists, keyspace notifications for watches.
//!
//! It is what a careful adapter makes of Redis with plain commands, and does not hide what Redis is not: there are no
//! leases, no revisions and no comparisons in a transaction; a notification bears no value, so an event bears the one
//! that is found when it is delivered; and what is notified while nobody listens is lost.

use async_trait::async_trait;

use super::{Backend, Instance};
use crate::store::{Limits, Result, Store};

mod address;
mod error;
mod pattern;
mod store;
mod watch;

pub use address::Address;
pub use store::RedisStore;

/// Opens clients of one Redis, which all cases share.
#[derive(Debug, Clone)]
pub struct RedisBackend {
    address: Address,
    base_prefix: Vec<u8>,
}

impl RedisBackend {
    /// A backend for the Redis at `url`, such as `redis://user:password@127.0.0.1:6379/0`, below `/kvspec/`.
    ///
    /// Its watches need `notify-keyspace-events` to be `Kg$x` at least; a watch on a server that is set otherwise is
    /// refused, in words that say so.
    pub fn new(url: &str) -> Result<Self> {
        Ok(Self::at(Address::parse(url)?))
    }

    /// A backend for the Redis at `address`.
    pub fn at(address: Address) -> Self {
        Self { address, base_prefix: b"/kvspec/".to_vec() }
    }

    /// Has everything written below `prefix` instead.
    pub fn with_base_prefix(self, prefix: impl Into<Vec<u8>>) -> Self {
        Self { base_prefix: prefix.into(), ..self }
    }
}

#[async_trait]
impl Backend for RedisBackend {
    fn name(&self) -> &str {
        "redis"
    }

    fn limits(&self) -> Limits {
        // No read or list finds a key whose time is over. Its event comes when the server's own cycle gets to the key:
        // a tenth of a second later where few keys have a time to live, longer where many have, for which the default
        // leaves room.
        Limits::default()
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Instance for RedisBackend {
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(RedisStore::connect(&self.address, self.base_prefix.as_slice()).await?))
    }

    async fn ping(&self) -> Result<()> {
        // A connection of its own: that of the call without an answer may be what is broken.
        let store = RedisStore::connect(&self.address, self.base_prefix.as_slice()).await?;
        store.read(&self.base_prefix).await.map(drop)
    }
}
