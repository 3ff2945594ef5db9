//! A fault: a layer over the memory store that takes some calls over; and what the lists of mutants are written with.

pub(super) use std::collections::{BTreeMap, BTreeSet};
pub(super) use std::sync::{Arc, Mutex};
pub(super) use std::time::Duration;

pub(super) use futures_util::{StreamExt, stream};

use std::pin::Pin;

use futures_util::future::BoxFuture;

pub(super) use super::Mutant;
pub(super) use crate::backend::memory::MemoryStore;
use crate::store::Layer;
pub(super) use crate::store::{
    Call, Directories, ErrorKind, KeyMetadata, Lease, LeaseId, Leases, Page, Reply, Result,
    Revisions, Store, TimeToLive, Transactions, Txn, TxnAnswer, WatchBatch, WatchEvent,
    WatchStream, answer_type,
};

/// What becomes of a call.
pub(super) type Answer<'a> = BoxFuture<'a, Result<Reply>>;

/// A layer of one function, and what it remembers of the calls of all clients.
pub(super) struct Fault<T> {
    pub memory: T,
    pub act: for<'a> fn(&'a T, &'a Arc<MemoryStore>, usize, Call) -> Answer<'a>,
}

/// Written out as `async_trait` would, save that the future of the function is handed on: one that awaited it would be
/// boxed again.
impl<T: Send + Sync> Layer<MemoryStore> for Fault<T> {
    fn call<'this, 'next, 'answer>(
        &'this self,
        next: &'next Arc<MemoryStore>,
        client: usize,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply>> + Send + 'answer>>
    where
        'this: 'answer,
        'next: 'answer,
        Self: 'answer,
    {
        (self.act)(&self.memory, next, client, call)
    }
}

/// Boxes what a fault does in place of a call.
pub(super) fn boxed<'a, T: Into<Reply>>(
    answer: impl Future<Output = Result<T>> + Send + 'a,
) -> Answer<'a> {
    Box::pin(async move { answer.await.map(Into::into) })
}

/// Does something to the store after a time, whatever has happened since.
pub(super) fn later<F>(
    next: &Arc<MemoryStore>,
    after: Duration,
    act: impl FnOnce(Arc<MemoryStore>) -> F + Send + 'static,
) where
    F: Future<Output = Result<()>> + Send,
{
    let next = next.clone();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        act(next).await
    });
}

/// Whether a call was refused with this kind.
pub(super) fn refuses<T>(answer: &Result<T>, kind: ErrorKind) -> bool {
    answer.as_ref().is_err_and(|error| error.kind == kind)
}

/// Something for each key.
pub(super) type Keys<T> = Mutex<BTreeMap<Vec<u8>, T>>;

/// Writes the function that gives a list of mutants.
///
/// A mutant is its name, the clause that it breaks, and a sentence; where it needs them, what it remembers,
/// `[name: Type, …]`, and what [`Mutant`] else says of it, `.with_…()`; and the calls that it takes over, by their
/// variants of [`Call`], with what it does then. `any(call)` is every call, whose answer is a [`Reply`]. All other calls
/// go to the store below, which is at hand under the first name at the top; the client's number has the second.
macro_rules! mutants {
    (fn $list:ident($next:ident, $client:ident); $(
        $name:literal, $clause:ident, $sentence:literal
        $([$($remembered:ident: $kind:ty),+])?
        $(.$with:ident($($with_what:expr),*))*
        $($call:ident $fields:tt $(if $guard:expr)? => $act:expr;)*
    )*) => {
        pub(super) fn $list() -> Vec<Mutant> {
            vec![$({
                type Memory = ($($($kind,)+)?);
                #[allow(unused_variables, unreachable_patterns)]
                fn act<'a>(
                    memory: &'a Memory,
                    $next: &'a Arc<MemoryStore>,
                    $client: usize,
                    call: Call,
                ) -> $crate::mutants::fault::Answer<'a> {
                    $(let ($($remembered,)+) = memory;)?
                    match call {
                        $($crate::mutants::fault::call!($call $fields) $(if $guard)? => {
                            $crate::mutants::fault::boxed::<$crate::mutants::fault::answered!($call)>(
                                async move { $act },
                            )
                        })*
                        call => call.perform($next.as_ref()),
                    }
                }
                Mutant::new($name, stringify!($clause), $sentence, || {
                    Arc::new($crate::mutants::fault::Fault { memory: Memory::default(), act })
                })$(.$with($($with_what),*))*
            }),*]
        }
    };
}

/// The pattern of a call that is taken over.
macro_rules! call {
    (any($call:ident)) => { $call };
    ($call:ident $fields:tt) => { Call::$call $fields };
}

/// The type of what is answered in its place.
macro_rules! answered {
    (any) => {
        Reply
    };
    ($call:ident) => {
        answer_type!($call)
    };
}

pub(super) use {answered, call, mutants};
