//! Calls that are refused at once with calls that are not: none of the latter may fail with them.

use futures_util::future::join_all;

use super::{Field, TTL};
use crate::history::RaceReply;
use crate::store::{Call, ErrorKind, LeaseId, Op, Result, StoreError, Txn};

/// A lease that no store granted, and a revision that none has.
const NO_LEASE: LeaseId = i64::MAX - 5;

/// A call that a store refuses.
#[derive(Debug, Clone, Copy)]
enum Refused {
    EmptyKey,
    UnknownLease,
    FutureRevision,
    DuplicateKey,
}

/// A write that a store does.
#[derive(Debug, Clone, Copy)]
enum Valid {
    Update,
    WithLease(LeaseId),
    Txn,
}

impl Field {
    /// In each round every other client makes a call that is refused, at once with the writes of the others, which are
    /// then read.
    pub(super) async fn refused(&self, granted: &mut Vec<LeaseId>) -> Result<()> {
        let refused = self.refused_kinds().await;
        let valid = self.valid_kinds(granted).await?;
        if refused.is_empty() {
            let message = "the store refuses neither an empty key, an unknown lease, a future revision nor a key put twice";
            return Err(StoreError::own(ErrorKind::Unsupported, message));
        }
        for round in 0..self.rounds {
            let calls = (0..self.clients.len()).map(|client| {
                let (refused, valid) =
                    (pick(&refused, round + client / 2), pick(&valid, round + client / 2));
                self.take_part(client, round, refused, valid)
            });
            join_all(calls).await;
        }
        Ok(())
    }

    /// The calls of one client in a round.
    async fn take_part(&self, client: usize, round: usize, refused: Refused, valid: Valid) {
        let key = self.numbered(client);
        if client % 2 == 1 {
            let _ = self.record(client, Some(round), refused.call(key)).await;
            return;
        }
        let write = valid.call(key.clone(), round.to_string().into_bytes());
        if self.record(client, Some(round), write).await.is_ok() {
            let _ = self.record(client, Some(round), Call::Read { key }).await;
        }
    }

    /// The calls that the store refuses when they are alone.
    async fn refused_kinds(&self) -> Vec<Refused> {
        let store = &self.clients[0];
        let offered = [
            (Refused::UnknownLease, store.leases().is_some()),
            (Refused::FutureRevision, store.revisions().is_some()),
            (Refused::DuplicateKey, store.transactions().is_some()),
        ];
        let mut kinds = Vec::new();
        for (kind, _) in offered.into_iter().filter(|(_, is_offered)| *is_offered) {
            if self.record(0, None, kind.call(self.numbered(0))).await.is_err() {
                kinds.push(kind);
            }
        }
        // An empty key that exists already is not kvspec's to write; one that was written here is taken away again.
        if let Ok(RaceReply::Value(None)) | Err(StoreError { kind: ErrorKind::EmptyKey, .. }) =
            self.record(0, None, Call::Read { key: Vec::new() }).await
        {
            match self.record(0, None, Refused::EmptyKey.call(Vec::new())).await {
                Ok(_) => drop(self.record(0, None, Call::Delete { key: Vec::new() }).await),
                Err(_) => kinds.push(Refused::EmptyKey),
            }
        }
        kinds
    }

    async fn valid_kinds(&self, granted: &mut Vec<LeaseId>) -> Result<Vec<Valid>> {
        let mut kinds = vec![Valid::Update];
        if self.clients[0].leases().is_some()
            && let RaceReply::Lease(lease) = self.record(0, None, Call::Lease { ttl: TTL }).await?
        {
            granted.push(lease.id);
            kinds.push(Valid::WithLease(lease.id));
        }
        kinds.extend(self.clients[0].transactions().map(|_| Valid::Txn));
        Ok(kinds)
    }
}

fn pick<T: Copy>(kinds: &[T], turn: usize) -> T {
    kinds[turn % kinds.len()]
}

impl Refused {
    fn call(self, key: Vec<u8>) -> Call {
        match self {
            Self::EmptyKey => Call::Update { key: Vec::new(), value: b"v".to_vec() },
            Self::UnknownLease => {
                Call::UpdateWithLease { key, value: b"v".to_vec(), lease: NO_LEASE }
            }
            Self::FutureRevision => Call::ReadAt { key, revision: NO_LEASE },
            Self::DuplicateKey => puts(key, b"v".to_vec(), 2),
        }
    }
}

impl Valid {
    fn call(self, key: Vec<u8>, value: Vec<u8>) -> Call {
        match self {
            Self::Update => Call::Update { key, value },
            Self::WithLease(lease) => Call::UpdateWithLease { key, value, lease },
            Self::Txn => puts(key, value, 1),
        }
    }
}

/// A transaction that puts a key so many times.
fn puts(key: Vec<u8>, value: Vec<u8>, times: usize) -> Call {
    let put = Op::Put { key, value, lease: None };
    Call::Txn { txn: Txn { then: vec![put; times], ..Txn::default() } }
}
