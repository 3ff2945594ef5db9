//! Calls that are made while watches have a read pending: none may wait for it.

use std::time::Duration;

use super::record::RaceFeed;
use super::{Field, TTL};
use crate::history::RaceReply;
use crate::history::pending::Tries;
use crate::session::clients::{self, Clients};
use crate::store::{Call, ErrorKind, LeaseId, Op, Reply, Result, StoreError, Txn};

/// What calls are made with.
struct Caller<'a> {
    clients: &'a Clients<'a>,
    /// The leases that the case was granted.
    granted: &'a mut Vec<LeaseId>,
}

impl Field {
    /// Makes every kind of call with no watch open, and then in each round while watches have a read pending; one that
    /// waits is made again with none open, until it has waited too often.
    pub(super) async fn pending(
        &self,
        clients: &Clients<'_>,
        granted: &mut Vec<LeaseId>,
    ) -> Result<()> {
        let mut caller = Caller { clients, granted };
        let mut calls = Vec::new();
        // The second client calls at the same time as the one that watches; one more is opened for each call to come.
        for client in [0, self.client(1)] {
            let kinds = self.kinds(client, &mut caller).await?;
            calls.extend(kinds.into_iter().map(|call| (client, call)));
        }
        calls.push((self.clients.len(), Call::Close {}));
        for (client, call) in &calls {
            self.unwatched(&mut caller, *client, call).await?;
        }
        for round in 0..self.rounds {
            if !self.pending_round(round, &mut caller, &calls).await? {
                break;
            }
        }
        Ok(())
    }

    /// Makes each call while watches are read; whether none waited too often.
    async fn pending_round(
        &self,
        round: usize,
        caller: &mut Caller<'_>,
        calls: &[(usize, Call)],
    ) -> Result<bool> {
        let mut watches = self.idle_watches(round).await?;
        for (client, call) in calls {
            while !self.answers(caller, *client, Some(round), call, self.tries().limit()).await? {
                end(std::mem::take(&mut watches)).await;
                self.unwatched(caller, *client, call).await?;
                let tries = self.tries();
                if tries.stuck.is_some() {
                    return Ok(false);
                }
                watches = self.idle_watches(round).await?;
                if tries.waited == 0 {
                    break;
                }
            }
        }
        end(watches).await;
        Ok(true)
    }

    /// What the calls so far show.
    fn tries(&self) -> Tries {
        Tries::of(&self.record.seen().calls, self.bounds.deadline)
    }

    /// Opens watches of the first client below which nothing is written, and has them read.
    async fn idle_watches(&self, round: usize) -> Result<Vec<RaceFeed>> {
        let prefix = [&self.key, b"idle/".as_slice()].concat();
        let call = Call::Watch { prefix: prefix.clone() };
        let mut watches = vec![self.open_watch(0, Some(round), call, self.is_unread).await?];
        if let Some(now) = self.revision().await? {
            let call = Call::WatchFrom { prefix, revision: now + 1 };
            watches.push(self.open_watch(0, Some(round), call, self.is_unread).await?);
        }
        Ok(watches)
    }

    /// The store's revision, if it has revisions.
    async fn revision(&self) -> Result<Option<i64>> {
        if self.clients[0].revisions().is_none() {
            return Ok(None);
        }
        Ok(match self.record(0, None, Call::Revision {}).await? {
            RaceReply::Revision(revision) => Some(revision),
            _ => None,
        })
    }

    /// Makes a call with no watch open.
    async fn unwatched(&self, caller: &mut Caller<'_>, client: usize, call: &Call) -> Result<()> {
        let deadline = self.bounds.deadline;
        match self.answers(caller, client, None, call, deadline).await? {
            true => Ok(()),
            false => Err(ErrorKind::DeadlineExceeded.into()),
        }
    }

    /// Makes a call, whatever it answers of leases, which other races judge; whether it was answered by `limit`.
    async fn answers(
        &self,
        caller: &mut Caller<'_>,
        client: usize,
        round: Option<usize>,
        call: &Call,
        limit: Duration,
    ) -> Result<bool> {
        let call = match (call, caller.granted.last()) {
            (Call::Revoke { .. }, Some(last)) => Call::Revoke { lease: *last },
            (call, _) => call.clone(),
        };
        let perform = async {
            let made = async {
                match self.clients.get(client) {
                    Some(store) => call.clone().perform(store.as_ref()).await,
                    None => caller.clients.fresh().await?.close().await.map(Reply::from),
                }
            };
            let late = || {
                let message = format!("{} did not end within {limit:?}", call.method());
                Err(StoreError::own(ErrorKind::DeadlineExceeded, message))
            };
            clients::within(limit, made).await.unwrap_or_else(late)
        };
        match self.record_as(client, round, call.clone(), perform).await {
            Ok(RaceReply::Lease(lease)) => caller.granted.push(lease.id),
            Err(error) if error.kind == ErrorKind::DeadlineExceeded => return Ok(false),
            Err(error)
                if !matches!(error.kind, ErrorKind::LeaseNotFound | ErrorKind::LeaseExists) =>
            {
                return Err(error);
            }
            Ok(_) | Err(_) => {}
        }
        Ok(true)
    }

    /// Every kind of call that a client offers.
    async fn kinds(&self, client: usize, caller: &mut Caller<'_>) -> Result<Vec<Call>> {
        let (store, key) = (&self.clients[client], || self.numbered(client));
        let (value, prefix) = (|| b"v".to_vec(), || self.key.clone());
        let mut kinds = vec![
            Call::Update { key: key(), value: value() },
            Call::UpdateWithTtl { key: key(), value: value(), ttl: TTL },
            Call::Read { key: key() },
            Call::List { prefix: prefix() },
            Call::Delete { key: key() },
            Call::Watch { prefix: key() },
        ];
        if store.leases().is_some()
            && let RaceReply::Lease(lease) =
                self.record(client, None, Call::Lease { ttl: TTL }).await?
        {
            let lease = lease.id;
            caller.granted.push(lease);
            kinds.extend([
                Call::Lease { ttl: TTL },
                Call::Revoke { lease },
                Call::UpdateWithLease { key: key(), value: value(), lease },
                Call::KeepAlive { lease },
                Call::TimeToLive { lease },
            ]);
        }
        if let Some(revision) = self.revision().await? {
            kinds.extend([
                Call::Revision {},
                Call::Metadata { key: key() },
                Call::ReadAt { key: key(), revision },
                Call::ListAt { prefix: prefix(), revision: None, limit: None },
                Call::WatchFrom { prefix: key(), revision },
            ]);
        }
        kinds.extend(store.transactions().map(|_| {
            let put = Op::Put { key: key(), value: value(), lease: None };
            Call::Txn { txn: Txn { then: vec![put], ..Txn::default() } }
        }));
        Ok(kinds)
    }
}

async fn end(watches: Vec<RaceFeed>) {
    for watch in watches {
        watch.end().await;
    }
}
