//! Takes away what a case wrote, and nothing else.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{StreamExt, stream};

use super::Noted;
use super::clients::{self, Clients};
use crate::store::{
    Compare, Comparison, ErrorKind, LeaseId, Op, Operand, Result, Store, StoreError, Txn,
};
use crate::words::quote;

/// How many deletions are under way at once.
const DELETERS: usize = 32;

/// How many deletions one transaction makes: fewer than etcd allows. Of fewer keys each is deleted by itself.
const TOGETHER: usize = 100;
const FEW: usize = 8;

/// How long the keys live that are attached to a lease because they cannot be deleted.
const SHORT: Duration = Duration::from_secs(1);

/// How many of the keys that are left are named.
const SHOWN: usize = 3;

/// What a case may have left in the store.
#[derive(Debug, Default)]
pub(crate) struct Traces {
    pub keys: BTreeSet<Vec<u8>>,
    pub leases: Vec<LeaseId>,
    /// Keys that races wrote.
    pub noted: Vec<Noted>,
    /// How many keys and leases were taken away so far, whatever the store said to it.
    pub taken: Arc<AtomicUsize>,
}

impl Traces {
    /// Deletes the keys and ends the leases, then makes sure that the prefix is empty; says what could not be done by
    /// the time that `limit` is over.
    pub async fn remove(
        &self,
        clients: &Clients<'_>,
        limit: impl Future<Output = ()>,
    ) -> std::result::Result<(), String> {
        let prefix = quote(&clients.prefix);
        let removal = async {
            let store = clients.cleaner().await?;
            let left = self.remove_with(store.as_ref(), &clients.prefix).await;
            clients::close(store.as_ref()).await;
            left
        };
        tokio::select! {
            left = removal => match left {
                Ok(left) if left.keys.is_empty() => Ok(()),
                Ok(left) => Err(left.told(&prefix)),
                Err(error) => Err(format!("cleaning up failed, keys may be left below {prefix}: {error}")),
            },
            () = limit => Err(format!("cleaning up did not end in time, keys may be left below {prefix}")),
        }
    }

    /// Goes on after an error, so that one key or lease that cannot be taken away does not keep the others.
    async fn remove_with(&self, store: &dyn Store, prefix: &[u8]) -> Result<Left> {
        let mut failed = Ok(());
        if let Some(leases) = store.leases() {
            for lease in &self.leases {
                failed = failed.and(gone(leases.revoke(*lease).await));
                self.taken.fetch_add(1, Ordering::Relaxed);
            }
        }
        // A key that a store lists and the script did not write would be its own error, so it is not deleted here.
        let single = self.not_together(store, prefix).await;
        let deleted = self.each(single.iter().copied(), |key| store.delete(key)).await;
        let refused = deleted.iter().find_map(|deleted| deleted.as_ref().err().cloned());
        let mut keys = store.list(prefix).await?;
        for (key, deleted) in single.into_iter().zip(deleted) {
            // Below the prefix the list reports; a store that errs about a key that is gone is judged by the scripts.
            if !key.starts_with(prefix) {
                failed = failed.and(deleted);
            }
        }
        keys.retain(|key| key.starts_with(prefix));
        if refused.is_some() && !keys.is_empty() {
            let own: Vec<_> = keys.iter().filter(|key| self.keys.contains(*key)).collect();
            if self.by_txns(store, &own).await.is_err() {
                let _ = self.by_lease(store, &own).await;
            }
            keys = store.list(prefix).await?;
            keys.retain(|key| key.starts_with(prefix));
        }
        if keys.is_empty() {
            failed?;
        }
        Ok(Left { keys, refused })
    }

    /// Deletes many keys by a few transactions, which spares a slow store most of the calls, and gives those keys that are
    /// to be deleted by themselves.
    async fn not_together(&self, store: &dyn Store, prefix: &[u8]) -> BTreeSet<&Vec<u8>> {
        let all: Vec<_> = self.keys.iter().collect();
        let Some(transactions) = store.transactions().filter(|_| all.len() >= FEW) else {
            return all.into_iter().collect();
        };
        for keys in all.chunks(TOGETHER) {
            let then = keys.iter().map(|key| Op::Delete { key: (*key).clone() }).collect();
            if transactions.txn(Txn { then, ..Txn::default() }).await.is_err() {
                return all.into_iter().collect();
            }
            self.taken.fetch_add(keys.len(), Ordering::Relaxed);
        }
        // What a transaction did not do is done without one.
        match store.list(prefix).await {
            Ok(left) => {
                let is_left = |key: &&Vec<u8>| !key.starts_with(prefix) || left.contains(key);
                all.into_iter().filter(is_left).collect()
            }
            Err(_) => all.into_iter().collect(),
        }
    }

    /// Does something to each key, some at once.
    async fn each<'k, T, F: Future<Output = Result<T>>>(
        &self,
        keys: impl Iterator<Item = &'k Vec<u8>>,
        act: impl Fn(&'k [u8]) -> F,
    ) -> Vec<Result<T>> {
        let acts = keys.map(|key| {
            let act = act(key);
            async {
                let done = act.await;
                self.taken.fetch_add(1, Ordering::Relaxed);
                done
            }
        });
        stream::iter(acts).buffered(DELETERS).collect().await
    }

    /// Deletes keys as Kubernetes does, which may be the only way that a store has: if they are as they were.
    async fn by_txns(&self, store: &dyn Store, keys: &[&Vec<u8>]) -> Result<()> {
        let revisions = store.revisions().ok_or(ErrorKind::Unsupported)?;
        let transactions = store.transactions().ok_or(ErrorKind::Unsupported)?;
        let delete = async |key: &[u8]| {
            let Some(metadata) = revisions.metadata(key).await? else { return Ok(()) };
            let is_same = Compare {
                key: key.into(),
                comparison: Comparison::Equal,
                operand: Operand::ModRevision(metadata.mod_revision),
            };
            let (then, otherwise) =
                (vec![Op::Delete { key: key.into() }], vec![Op::Read { key: key.into() }]);
            transactions.txn(Txn { compare: vec![is_same], then, otherwise }).await.map(drop)
        };
        // One that is refused shows that the others would be.
        if let Some(first) = keys.first() {
            delete(first).await?;
        }
        let deleted = self.each(keys.iter().copied(), delete).await;
        deleted.into_iter().collect()
    }

    /// Attaches keys to a lease, and ends it.
    async fn by_lease(&self, store: &dyn Store, keys: &[&Vec<u8>]) -> Result<()> {
        let leases = store.leases().ok_or(ErrorKind::Unsupported)?;
        let lease = leases.lease(SHORT).await?.id;
        let keys = keys.iter().copied();
        let attached = self.each(keys, |key| leases.update_with_lease(key, b"", lease)).await;
        let revoked = leases.revoke(lease).await;
        attached.into_iter().collect::<Result<Vec<_>>>().and(revoked)
    }
}

/// Why a case did not leave a store as it found it.
#[derive(Debug)]
pub(crate) enum Unclean {
    /// Keys or leases could not be taken away.
    Left(String),
    /// The store panicked.
    Panicked(String),
}

/// What could not be taken away.
struct Left {
    keys: Vec<Vec<u8>>,
    /// The first error that a deletion was answered with.
    refused: Option<StoreError>,
}

impl Left {
    fn told(&self, prefix: &str) -> String {
        let named: Vec<_> = self.keys.iter().take(SHOWN).map(|key| quote(key)).collect();
        let what = match self.keys.len() {
            1 => "1 key is".into(),
            count => format!("{count} keys are"),
        };
        let more = if self.keys.len() > SHOWN { " …" } else { "" };
        let why = match &self.refused {
            Some(error) => format!(", for their deletion was refused: {error}"),
            None => " though each was deleted".into(),
        };
        format!("{what} left below {prefix}{why}: {}{more}", named.join(" "))
    }
}

fn gone(revoked: Result<()>) -> Result<()> {
    match revoked {
        Err(StoreError { kind: ErrorKind::LeaseNotFound, .. }) => Ok(()),
        other => other,
    }
}
