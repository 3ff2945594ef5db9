//! A call of a store as a value, and its reply as another.

use std::time::Duration;

use futures_util::future::BoxFuture;

use super::{
    ErrorKind, KeyMetadata, Lease, LeaseId, Op, Page, Result, Store, StoreError, TimeToLive, Txn,
    TxnAnswer, WatchStream,
};

/// Hands the table of all calls to another macro: each trait with the function by which a store shows that it has it, and
/// a line for each of its calls: the variant, the method, the arguments that are bytes, the others, and the answer.
macro_rules! calls {
    ($to:ident) => {
        $to! {
            Store itself {
                Update: update[key, value]() -> ();
                UpdateWithTtl: update_with_ttl[key, value](ttl: Duration as "crate::wire") -> Duration;
                Delete: delete[key]() -> ();
                Read: read[key]() -> Option<Vec<u8>>;
                List: list[prefix]() -> Vec<Vec<u8>>;
                Watch: watch[prefix]() -> WatchStream;
                Close: close[]() -> ();
            }
            Leases leases {
                Lease: lease[](ttl: Duration as "crate::wire") -> Lease;
                LeaseWithId: lease_with_id[](id: LeaseId, ttl: Duration as "crate::wire") -> Lease;
                UpdateWithLease: update_with_lease[key, value](lease: LeaseId) -> ();
                KeepAlive: keep_alive[](lease: LeaseId) -> Duration;
                TimeToLive: time_to_live[](lease: LeaseId) -> TimeToLive;
                Revoke: revoke[](lease: LeaseId) -> ();
            }
            Revisions revisions {
                Revision: revision[]() -> i64;
                Metadata: metadata[key]() -> Option<KeyMetadata>;
                ReadAt: read_at[key](revision: i64) -> Option<Vec<u8>>;
                ListAt: list_at[prefix](revision: Option<i64>, limit: Option<usize>) -> Page;
                WatchFrom: watch_from[prefix](revision: i64) -> WatchStream;
                Compact: compact[](revision: i64) -> ();
            }
            Transactions transactions {
                Txn: txn[](txn: Txn) -> TxnAnswer;
            }
            Directories directories {
                Mkdir: mkdir[directory]() -> ();
                Create: create[key, value]() -> ();
            }
        }
    };
}

pub(super) use calls;

/// Makes the enum of the table, and what sends a call back to its method.
macro_rules! declare {
    ($($trait:ident $accessor:ident {$(
        $variant:ident: $method:ident[$($bytes:ident),*]($($arg:ident: $kind:ty $(as $with:literal)?),*) -> $answer:ty;
    )*})*) => {
        /// One call of a store: a variant for each method of [`Store`] and its extension traits, with what it is given.
        ///
        /// It prints as the command of a script that makes it, with the keys, leases and revisions of the store.
        #[derive(Debug, Clone, PartialEq, Eq)]
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[allow(missing_docs)]
        pub enum Call {$($(
            #[doc = concat!("[`", stringify!($trait), "::", stringify!($method), "`](crate::store::", stringify!($trait), "::", stringify!($method), ").")]
            $variant {
                $(#[serde(with = "crate::wire")] $bytes: Vec<u8>,)*
                $($(#[serde(with = $with)])? $arg: $kind,)*
            },
        )*)*}

        impl Call {
            /// The name of the method.
            pub fn method(&self) -> &'static str {
                match self {$($(Self::$variant { .. } => stringify!($method),)*)*}
            }

            /// Makes the call. A store that lacks the trait answers [`ErrorKind::Unsupported`].
            ///
            /// The future is boxed here, once for all callers: what awaits it is quick to compile.
            pub fn perform(self, store: &dyn Store) -> BoxFuture<'_, Result<Reply>> {
                Box::pin(async move {
                    match self {$($(
                        Self::$variant { $($bytes,)* $($arg,)* } => {
                            let store = store.$accessor().ok_or(ErrorKind::Unsupported)?;
                            store.$method($(&$bytes,)* $($arg,)*).await.map(Reply::from)
                        }
                    )*)*}
                })
            }
        }

        /// The type of what a call answers, by the name of its variant.
        #[cfg(feature = "mutants")]
        macro_rules! answer_type {
            $($(($variant) => { $answer };)*)*
        }
    };
}

calls!(declare);

impl Call {
    /// The keys, prefixes and directories that it is given.
    pub(crate) fn keys_mut(&mut self) -> Vec<&mut Vec<u8>> {
        match self {
            Self::Update { key, .. }
            | Self::UpdateWithTtl { key, .. }
            | Self::UpdateWithLease { key, .. }
            | Self::Create { key, .. }
            | Self::Delete { key }
            | Self::Read { key }
            | Self::ReadAt { key, .. }
            | Self::Metadata { key }
            | Self::List { prefix: key }
            | Self::ListAt { prefix: key, .. }
            | Self::Watch { prefix: key }
            | Self::WatchFrom { prefix: key, .. }
            | Self::Mkdir { directory: key } => vec![key],
            Self::Txn { txn: Txn { compare, then, otherwise } } => {
                let compared = compare.iter_mut().map(|compare| &mut compare.key);
                let ops = then.iter_mut().chain(otherwise).map(|op| match op {
                    Op::Put { key, .. }
                    | Op::Delete { key }
                    | Op::DeletePrefix { prefix: key }
                    | Op::Read { key }
                    | Op::List { prefix: key } => key,
                });
                compared.chain(ops).collect()
            }
            Self::Lease { .. }
            | Self::LeaseWithId { .. }
            | Self::KeepAlive { .. }
            | Self::TimeToLive { .. }
            | Self::Revoke { .. }
            | Self::Revision {}
            | Self::Compact { .. }
            | Self::Close {} => Vec::new(),
        }
    }
}

impl dyn Store + '_ {
    /// The store as the trait that every store has, in the way that it shows the others.
    fn itself(&self) -> Option<&Self> {
        Some(self)
    }
}

#[cfg(feature = "mutants")]
pub(crate) use answer_type;

/// Makes the enum of all answers, and the ways from them and back.
macro_rules! replies {
    ($($(#[$meta:meta])* $variant:ident($(#[$wire:meta])* $answer:ty);)*) => {
        /// What a call answered.
        #[derive(serde::Serialize, serde::Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Reply {$(
            $(#[$meta])*
            $variant($(#[$wire])* $answer),
        )*}

        $(
            impl From<$answer> for Reply {
                fn from(answer: $answer) -> Self {
                    Self::$variant(answer)
                }
            }

            impl TryFrom<Reply> for $answer {
                type Error = StoreError;

                fn try_from(reply: Reply) -> Result<Self> {
                    match reply {
                        Reply::$variant(answer) => Ok(answer),
                        other => Err(other.misfit(stringify!($answer))),
                    }
                }
            }
        )*
    };
}

replies! {
    /// It was done, and there is nothing to say.
    Done(());
    /// The TTL that was granted, or that a lease was set back to.
    Granted(#[serde(with = "crate::wire")] Duration);
    /// The value of a key; `None` if there is no such key.
    Value(#[serde(with = "crate::wire")] Option<Vec<u8>>);
    /// Keys.
    Keys(#[serde(with = "crate::wire")] Vec<Vec<u8>>);
    /// An open watch. Its stream is not written: one that is read back ends at once.
    Watch(#[serde(skip, default = "ended")] WatchStream);
    /// A lease.
    Lease(Lease);
    /// What is left of a lease.
    TimeToLive(TimeToLive);
    /// The store's revision.
    Revision(i64);
    /// The counters of a key; `None` if there is no such key.
    Metadata(Option<KeyMetadata>);
    /// A part of a list.
    Page(Page);
    /// What a transaction did.
    Txn(TxnAnswer);
}

impl Reply {
    /// The error of a layer that gave this reply to a call whose answer is of another type.
    fn misfit(&self, wanted: &str) -> StoreError {
        let message = format!("a layer replied '{self}', which is not of type {wanted}");
        StoreError::own(ErrorKind::Other, message)
    }
}

fn ended() -> WatchStream {
    Box::pin(futures_util::stream::empty())
}
