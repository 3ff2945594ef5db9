//! Redis, as a store of strings: PX for TTLs, SCAN for lists, keyspace notifications for watches.
//!
//! It is what a careful adapter makes of Redis with plain commands, and does not hide what Redis is not: there are no
//! leases, no revisions and no comparisons in a transaction; a notification has no value, so an event has the one
//! that is found when it is delivered; and what is notified while no one listens is lost.

use super::{Backend, Shared};

mod address;
mod error;
mod pattern;
mod store;
mod watch;

pub use address::Address;
pub use store::RedisStore;

/// A backend for the Redis of that version at `address`, which all cases share, below `/kvspec/`.
///
/// Its watches need `notify-keyspace-events` to be `Kg$x` at least; a watch on a server that is set otherwise is refused,
/// in words that say so.
pub fn backend(address: Address, version: &str) -> impl Backend + use<> {
    // No read or list finds a key whose TTL has expired. Its event comes when the server's own cycle gets to the key: a tenth
    // of a second later if few keys have a TTL, longer if many have, for which the default limits leave room.
    let open = move || {
        let address = address.clone();
        async move { RedisStore::connect(&address, *b"/kvspec/").await }
    };
    Shared::new("redis", open).version(version)
}
