//! The trait under test, the words its answers are made of, and its calls as values.
//!
//! An extension trait is a file here, its accessor in [`Store`], its calls in the table `calls`, what they answer in the
//! table `replies` unless it is there already, and a line of its name in the table of `crate::capability`.

mod call;
mod directory;
mod error;
mod event;
mod function;
mod layer;
mod lease;
mod limits;
mod revision;
mod text;
mod txn;

use std::time::Duration;

use async_trait::async_trait;

#[cfg(feature = "mutants")]
pub(crate) use self::call::answer_type;
pub use self::call::{Call, Reply};
pub use self::directory::Directories;
pub use self::error::{ErrorKind, StoreError};
pub(crate) use self::event::{MOST_UNREAD, bytes};
pub use self::event::{WatchBatch, WatchEvent, WatchStream};
#[doc(hidden)]
pub use self::function::Function;
pub use self::layer::{Extension, Layer, Layered};
pub use self::lease::{Lease, LeaseId, Leases, TimeToLive};
pub use self::limits::Limits;
pub use self::revision::{KeyMetadata, Page, Revisions};
pub use self::text::quote;
pub use self::txn::{Compare, Comparison, Op, OpAnswer, Operand, Transactions, Txn, TxnAnswer};

/// What a call of a [`Store`] gives: an answer, or the error that the store answered.
pub type Result<T> = std::result::Result<T, StoreError>;

/// Hands the table of all calls to another macro: each trait with the function by which a store shows that it has it, and
/// a line for each of its calls: the variant, the command that makes it, the method, the keys and the values that it is
/// given, its other arguments, each with its name in the command if it has one, and the answer.
macro_rules! calls {
    ($to:ident) => {
        $to! {
            Store itself {
                Update "update": update[key; value]() -> ();
                UpdateWithTtl "update": update_with_ttl[key; value](ttl "ttl": Duration as "crate::wire") -> Duration;
                Delete "delete": delete[key]() -> ();
                Read "read": read[key]() -> Option<Vec<u8>>;
                List "list": list[prefix]() -> Vec<Vec<u8>>;
                Watch "watch": watch[prefix]() -> WatchStream;
                Close "close": close[]() -> ();
            }
            Leases leases {
                Lease "lease": lease[](ttl "ttl": Duration as "crate::wire") -> Lease;
                LeaseWithId "lease": lease_with_id[](id "id": LeaseId, ttl "ttl": Duration as "crate::wire") -> Lease;
                UpdateWithLease "update": update_with_lease[key; value](lease "lease": LeaseId) -> ();
                KeepAlive "keep_alive": keep_alive[](lease: LeaseId) -> Duration;
                TimeToLive "time_to_live": time_to_live[](lease: LeaseId) -> TimeToLive;
                Revoke "revoke": revoke[](lease: LeaseId) -> ();
            }
            Revisions revisions {
                Revision "revision": revision[]() -> i64;
                Metadata "metadata": metadata[key]() -> Option<KeyMetadata>;
                ReadAt "read": read_at[key](revision "at": i64) -> Option<Vec<u8>>;
                ListAt "list": list_at[prefix](revision "at": Option<i64>, limit "limit": Option<usize>) -> Page;
                WatchFrom "watch": watch_from[prefix](revision "from": i64) -> WatchStream;
                Compact "compact": compact[](revision: i64) -> ();
            }
            Transactions transactions {
                Txn "txn": txn[](txn: Txn) -> TxnAnswer;
            }
            Directories directories {
                Mkdir "mkdir": mkdir[directory]() -> ();
                Create "create": create[key; value]() -> ();
            }
        }
    };
}

/// Hands the table of all replies to another macro: a line for each type of answer, with what writes it.
macro_rules! replies {
    ($to:ident) => {
        $to! {
            /// It was done, and there is nothing to say.
            Done(()) as text::done;
            /// The TTL that was granted, or that a lease was set back to.
            Granted(#[serde(with = "crate::wire")] Duration) as text::granted;
            /// The value of a key; `None` if there is no such key.
            Value(#[serde(with = "crate::wire")] Option<Vec<u8>>) as text::value;
            /// Keys.
            Keys(#[serde(with = "crate::wire")] Vec<Vec<u8>>) as text::keys;
            /// An open watch. Its stream is not written: one that is read back ends at once.
            Watch(#[serde(skip, default = "ended")] WatchStream) as text::watching;
            /// A lease.
            Lease(Lease) as ToString::to_string;
            /// What is left of a lease.
            TimeToLive(TimeToLive) as ToString::to_string;
            /// The store's revision.
            Revision(i64) as ToString::to_string;
            /// The counters of a key; `None` if there is no such key.
            Metadata(Option<KeyMetadata>) as text::found;
            /// A part of a list.
            Page(Page) as ToString::to_string;
            /// What a transaction did.
            Txn(TxnAnswer) as ToString::to_string;
        }
    };
}

pub(crate) use calls;
use replies;

/// One client of a coordination store: the six functions that every version of such an API keeps.
///
/// Keys and values are bytes. Keys are absolute: a store neither adds nor removes a prefix. Every function may be called
/// while any other of the same client is under way, an open watch included.
///
/// # The runtime
///
/// Each scenario has a current-thread tokio runtime of its own, with I/O and time enabled, and all its clients are opened
/// and called on that one thread. So:
///
/// - A call must not hold the thread while it waits. `tokio::task::block_in_place` and `Handle::block_on` panic here; take
///   `tokio::task::spawn_blocking` for what blocks. A call that holds the thread for three times the deadline ends the
///   scenario as *errored*.
/// - What is made in the runtime of one scenario, such as a connection or a task, ends with it. A pool that many scenarios
///   share needs a runtime of its own: see [`Shared`](crate::backend::Shared).
/// - A panic of a call is the answer of that call; a panic of a task that the store spawned is reported with the scenario.
/// - A store can ask for several threads ([`Fresh::on_threads`](crate::backend::Fresh::on_threads)): then each call is made
///   on one of them.
/// - On virtual time ([`Fresh::on_virtual_time`](crate::backend::Fresh::on_virtual_time)) the clock jumps to the next timer
///   as soon as every task waits.
#[async_trait]
pub trait Store: Send + Sync {
    /// The prefix below which this client may write; the runner puts its own random part after it. Every client of a
    /// store has the same.
    ///
    /// It must not be empty, so that kvspec never writes among keys that are not its own: a target whose prefix is empty is
    /// refused. `/kvspec/` is a good one; it is not written itself, and need not exist.
    fn base_prefix(&self) -> &[u8];

    /// Writes `value` under `key`, new or not, and makes the key permanent: a lease that it had is detached.
    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Writes `value` under `key` and lets the key be deleted once the granted TTL has passed.
    ///
    /// Returns the TTL that was granted: at least `ttl`, more where the store has a floor or counts in
    /// coarser units.
    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration>;

    /// Deletes `key`. A key that does not exist is not an error.
    async fn delete(&self, key: &[u8]) -> Result<()>;

    /// Reads the value of `key`; `None` if there is no such key, which an empty value is not.
    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>>;

    /// Lists every key that starts with `prefix`, whole, in ascending byte order. No key is not an error.
    ///
    /// The prefix is bytes: it may end in the middle of a name, and in `0xff` if the store takes such keys.
    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>>;

    /// Watches every key that starts with `prefix`, from now on.
    ///
    /// Returns once the watch is established: a write that begins afterwards is delivered.
    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream>;

    /// Closes this client and ends its watches. Afterwards every call answers [`ErrorKind::Closed`]; closing twice is
    /// no error.
    async fn close(&self) -> Result<()>;

    /// Leases that several keys can share, where the store has them.
    fn leases(&self) -> Option<&dyn Leases> {
        None
    }

    /// Revisions and history, where the store keeps them.
    fn revisions(&self) -> Option<&dyn Revisions> {
        None
    }

    /// Transactions, where the store has them.
    fn transactions(&self) -> Option<&dyn Transactions> {
        None
    }

    /// Directories, where the store has them.
    fn directories(&self) -> Option<&dyn Directories> {
        None
    }
}
