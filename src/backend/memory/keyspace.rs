//! The state behind the memory store: keys, leases, history and watchers, with the time handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::store::{ErrorKind, Lease, LeaseId, Result, StoreError, TimeToLive, WatchEvent};

/// The largest request that etcd takes by default, 1.5 MiB, less what etcd itself needs to wrap a value.
const MAX_REQUEST: usize = 1_571_864;
/// The longest time to live that etcd grants, in seconds.
const MAX_TTL: Duration = Duration::from_secs(9_000_000_000);

/// One key's present state.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub value: Vec<u8>,
    pub lease: Option<LeaseId>,
}

/// A lease and the keys attached to it.
#[derive(Debug)]
struct Grant {
    ttl: Duration,
    deadline: Duration,
    keys: BTreeSet<Vec<u8>>,
}

/// One open watch.
#[derive(Debug)]
struct Watcher {
    client: u64,
    prefix: Vec<u8>,
    events: mpsc::UnboundedSender<Result<Vec<WatchEvent>>>,
}

/// The state of one memory store. Times count from the store's own start.
#[derive(Debug)]
pub(super) struct Keyspace {
    min_ttl: Duration,
    revision: i64,
    records: BTreeMap<Vec<u8>, Record>,
    grants: BTreeMap<LeaseId, Grant>,
    last_lease: LeaseId,
    watchers: Vec<Watcher>,
}

impl Keyspace {
    pub fn new(min_ttl: Duration) -> Self {
        Self {
            min_ttl,
            revision: 1,
            records: BTreeMap::new(),
            grants: BTreeMap::new(),
            // A start that no caller would guess, so that an id made up in a script is unknown here.
            last_lease: 0x6b76_0000,
            watchers: Vec::new(),
        }
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<&Record>> {
        named(key)?;
        Ok(self.records.get(key))
    }

    pub fn list(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let from = self.records.range(prefix.to_vec()..);
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub fn put(&mut self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> Result<()> {
        named(key)?;
        if key.len() + value.len() > MAX_REQUEST {
            return Err(ErrorKind::TooLarge.into());
        }
        if let Some(id) = lease {
            self.grants.get_mut(&id).ok_or(ErrorKind::LeaseNotFound)?.keys.insert(key.to_vec());
        }
        let record = Record { value: value.to_vec(), lease };
        let before = self.records.insert(key.to_vec(), record);
        self.detach(key, before.and_then(|record| record.lease).filter(|old| Some(*old) != lease));
        self.revision += 1;
        let mod_revision = Some(self.revision);
        self.publish(&[WatchEvent::Put { key: key.into(), value: value.into(), mod_revision }]);
        Ok(())
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        named(key)?;
        self.remove(vec![key.to_vec()]);
        Ok(())
    }

    pub fn grant(&mut self, ttl: Duration, now: Duration) -> Result<Lease> {
        if ttl > MAX_TTL {
            return Err(ErrorKind::TtlTooLarge.into());
        }
        let ttl = ttl.max(self.min_ttl);
        self.last_lease += 1;
        let grant = Grant { ttl, deadline: now + ttl, keys: BTreeSet::new() };
        self.grants.insert(self.last_lease, grant);
        Ok(Lease { id: self.last_lease, ttl })
    }

    pub fn keep_alive(&mut self, lease: LeaseId, now: Duration) -> Result<Duration> {
        let grant = self.grants.get_mut(&lease).ok_or(ErrorKind::LeaseNotFound)?;
        grant.deadline = now + grant.ttl;
        Ok(grant.ttl)
    }

    pub fn time_to_live(&self, lease: LeaseId, now: Duration) -> Result<TimeToLive> {
        let grant = self.grants.get(&lease).ok_or(ErrorKind::LeaseNotFound)?;
        Ok(TimeToLive {
            granted: grant.ttl,
            remaining: grant.deadline.saturating_sub(now),
            keys: grant.keys.iter().cloned().collect(),
        })
    }

    pub fn revoke(&mut self, lease: LeaseId) -> Result<()> {
        let grant = self.grants.remove(&lease).ok_or(ErrorKind::LeaseNotFound)?;
        self.remove(grant.keys.into_iter().collect());
        Ok(())
    }

    /// Revokes what is due, and tells when to look again for `lease`; `None` once it is gone.
    pub fn expire(&mut self, now: Duration, lease: LeaseId) -> Option<Duration> {
        self.expire_all(now);
        self.grants.get(&lease).map(|grant| grant.deadline)
    }

    /// Revokes every lease that is due, each in a revision of its own, in the order of their ends.
    pub fn expire_all(&mut self, now: Duration) {
        let due = self.grants.iter().filter(|(_, grant)| grant.deadline <= now);
        let mut due: Vec<_> = due.map(|(id, grant)| (grant.deadline, *id)).collect();
        due.sort_unstable();
        for (_, id) in due {
            let grant = self.grants.remove(&id).expect("the lease was just listed");
            self.remove(grant.keys.into_iter().collect());
        }
    }

    pub fn watch(
        &mut self,
        client: u64,
        prefix: &[u8],
    ) -> mpsc::UnboundedReceiver<Result<Vec<WatchEvent>>> {
        let (events, receiver) = mpsc::unbounded_channel();
        self.watchers.push(Watcher { client, prefix: prefix.to_vec(), events });
        receiver
    }

    /// Ends the watches of one client, each with the error that says why.
    pub fn close(&mut self, client: u64) {
        self.watchers.retain(|watcher| {
            if watcher.client == client {
                let _ = watcher.events.send(Err(ErrorKind::Closed.into()));
            }
            watcher.client != client
        });
    }

    /// Deletes those of `keys` that exist, in one revision and in the order given.
    fn remove(&mut self, keys: Vec<Vec<u8>>) {
        let mod_revision = Some(self.revision + 1);
        let mut events = Vec::new();
        for key in keys {
            if let Some(record) = self.records.remove(&key) {
                self.detach(&key, record.lease);
                events.push(WatchEvent::Delete { key, mod_revision });
            }
        }
        if !events.is_empty() {
            self.revision += 1;
            self.publish(&events);
        }
    }

    fn detach(&mut self, key: &[u8], lease: Option<LeaseId>) {
        if let Some(grant) = lease.and_then(|id| self.grants.get_mut(&id)) {
            grant.keys.remove(key);
        }
    }

    fn publish(&mut self, events: &[WatchEvent]) {
        self.watchers.retain(|watcher| {
            let seen = events.iter().filter(|event| event.key().starts_with(&watcher.prefix));
            let batch: Vec<_> = seen.cloned().collect();
            batch.is_empty() || watcher.events.send(Ok(batch)).is_ok()
        });
    }
}

fn named(key: &[u8]) -> Result<()> {
    if key.is_empty() { Err(StoreError::from(ErrorKind::EmptyKey)) } else { Ok(()) }
}
