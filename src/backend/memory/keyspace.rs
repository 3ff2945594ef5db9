//! The state behind the memory store: keys, leases, history and watchers, with the time handed in.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::history::{History, Record};
use super::tree::Tree;
use crate::backend::queue::Queue;
use crate::store::{
    ErrorKind, Lease, LeaseId, MOST_UNREAD, Page, Result, StoreError, TimeToLive, WatchBatch,
    WatchEvent, WatchStream,
};

/// The largest request that etcd takes by default, 1.5 MiB, less what etcd itself needs to wrap a value.
pub(super) const MAX_REQUEST: usize = 1_571_864;
/// The longest TTL that etcd grants, in seconds.
const MAX_TTL: Duration = Duration::from_secs(9_000_000_000);

/// Where the ids of leases begin: no caller would guess it, so that an id made up in a script is unknown here.
pub(super) const FIRST_LEASE: LeaseId = 0x6b76_0000;

/// A lease and the keys attached to it.
#[derive(Debug)]
pub(super) struct Grant {
    pub ttl: Duration,
    pub deadline: Duration,
    pub keys: BTreeSet<Vec<u8>>,
}

/// One open watch.
#[derive(Debug)]
struct Watcher {
    client: u64,
    prefix: Vec<u8>,
    /// The first revision whose events are wanted.
    from: i64,
    events: Queue,
}

/// The state of one memory store. Times count from the store's own start.
#[derive(Debug)]
pub(super) struct Keyspace {
    min_ttl: Duration,
    pub(super) revision: i64,
    pub(super) records: BTreeMap<Vec<u8>, Record>,
    pub(super) history: History,
    pub(super) grants: BTreeMap<LeaseId, Grant>,
    /// When each of them ends.
    pub(super) ends: BTreeSet<(Duration, LeaseId)>,
    pub(super) last_lease: LeaseId,
    watchers: Vec<Watcher>,
    /// Directories, where the store has them.
    tree: Option<Tree>,
}

impl Keyspace {
    pub fn new(min_ttl: Duration) -> Self {
        Self {
            min_ttl,
            revision: 1,
            records: BTreeMap::new(),
            history: History::default(),
            grants: BTreeMap::new(),
            ends: BTreeSet::new(),
            last_lease: FIRST_LEASE,
            watchers: Vec::new(),
            tree: None,
        }
    }

    /// Gives the store directories.
    pub fn with_tree(self) -> Self {
        Self { tree: Some(Tree::default()), ..self }
    }

    pub fn has_tree(&self) -> bool {
        self.tree.is_some()
    }

    pub fn mkdir(&mut self, path: &[u8]) -> Result<()> {
        named(path)?;
        let tree = self.tree.as_mut().ok_or(ErrorKind::Unsupported)?;
        tree.make(path, |path| self.records.contains_key(path))
    }

    pub fn create(&mut self, key: &[u8], value: &[u8]) -> Result<()> {
        named(key)?;
        let tree = self.tree.as_ref().ok_or(ErrorKind::Unsupported)?;
        if self.records.contains_key(key) || tree.is_directory(key) {
            return Err(ErrorKind::KeyExists.into());
        }
        self.put(key, value, None)
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<&Record>> {
        named(key)?;
        Ok(self.record(key))
    }

    pub fn list(&self, prefix: &[u8]) -> Vec<Vec<u8>> {
        let from = self.records.range(prefix.to_vec()..);
        from.map(|(key, _)| key).take_while(|key| key.starts_with(prefix)).cloned().collect()
    }

    pub fn put(&mut self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> Result<()> {
        self.allow(key, value, lease)?;
        let revision = self.revision + 1;
        let event = self.write(key, value, lease, revision);
        self.commit(revision, vec![event]);
        Ok(())
    }

    /// Refuses a write that the store does not take.
    pub fn allow(&self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> Result<()> {
        named(key)?;
        if key.len() + value.len() > MAX_REQUEST {
            return Err(ErrorKind::TooLarge.into());
        }
        if let Some(tree) = &self.tree {
            tree.allow_key(key, |path| self.records.contains_key(path))?;
        }
        match lease {
            Some(id) if !self.grants.contains_key(&id) => Err(ErrorKind::LeaseNotFound.into()),
            _ => Ok(()),
        }
    }

    pub fn delete(&mut self, key: &[u8]) -> Result<()> {
        named(key)?;
        if let Some(tree) = &self.tree {
            tree.allow_deletion(key)?;
        }
        self.remove(vec![key.to_vec()]);
        Ok(())
    }

    pub fn revision(&self) -> i64 {
        self.revision
    }

    pub fn record(&self, key: &[u8]) -> Option<&Record> {
        self.records.get(key)
    }

    pub fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        named(key)?;
        let record = self.history.get(key, revision, self.revision)?;
        Ok(record.map(|record| record.value.clone()))
    }

    pub fn page(&self, prefix: &[u8], revision: Option<i64>, limit: Option<usize>) -> Result<Page> {
        self.history.page(prefix, revision.unwrap_or(self.revision), limit, self.revision)
    }

    pub fn compact(&mut self, revision: i64) -> Result<()> {
        self.history.compact(revision, self.revision)
    }

    pub fn grant(&mut self, id: Option<LeaseId>, ttl: Duration, now: Duration) -> Result<Lease> {
        if ttl > MAX_TTL {
            return Err(ErrorKind::TtlTooLarge.into());
        }
        // 0 is the name of no lease: as in etcd, it leaves the choice to the store.
        let id = id.filter(|id| *id != 0).unwrap_or_else(|| {
            self.last_lease += 1;
            self.last_lease
        });
        if self.grants.contains_key(&id) {
            return Err(ErrorKind::LeaseExists.into());
        }
        let ttl = ttl.max(self.min_ttl);
        self.grants.insert(id, Grant { ttl, deadline: now + ttl, keys: BTreeSet::new() });
        self.ends.insert((now + ttl, id));
        Ok(Lease { id, ttl })
    }

    pub fn keep_alive(&mut self, lease: LeaseId, now: Duration) -> Result<Duration> {
        let grant = self.grants.get_mut(&lease).ok_or(ErrorKind::LeaseNotFound)?;
        self.ends.remove(&(grant.deadline, lease));
        grant.deadline = now + grant.ttl;
        self.ends.insert((grant.deadline, lease));
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
        self.ends.remove(&(grant.deadline, lease));
        self.remove(grant.keys.into_iter().collect());
        Ok(())
    }

    /// Revokes what is due, and reports when to look again for `lease`; `None` once it is gone.
    pub fn expire(&mut self, now: Duration, lease: LeaseId) -> Option<Duration> {
        self.expire_all(now);
        self.grants.get(&lease).map(|grant| grant.deadline)
    }

    /// Revokes every lease that is due, each in a revision of its own, in the order of their ends.
    pub fn expire_all(&mut self, now: Duration) {
        while let Some((end, id)) = self.ends.first().copied().filter(|(end, _)| *end <= now) {
            self.ends.remove(&(end, id));
            let grant = self.grants.remove(&id).expect("what ends was granted");
            self.remove(grant.keys.into_iter().collect());
        }
    }

    /// Opens a watch of what changes from now on.
    pub fn watch(&mut self, client: u64, prefix: &[u8]) -> WatchStream {
        self.watch_from(client, prefix, self.revision + 1)
            .expect("what has not happened is not compacted")
    }

    /// Opens a watch that begins with the changes of a revision, past or future.
    pub fn watch_from(&mut self, client: u64, prefix: &[u8], from: i64) -> Result<WatchStream> {
        let past = self.history.since(from, prefix)?;
        let (events, watch) = Queue::new(MOST_UNREAD, || None);
        if past.into_iter().all(|batch| events.put(batch)) {
            self.watchers.push(Watcher { client, prefix: prefix.to_vec(), from, events });
        }
        Ok(watch)
    }

    /// Ends what does not outlive the process: the watches.
    pub fn reopen(&mut self) {
        self.watchers.clear();
    }

    /// Ends the watches of one client, each with the error that says why.
    pub fn close(&mut self, client: u64) {
        self.watchers.retain(|watcher| {
            if watcher.client == client {
                watcher.events.end(ErrorKind::Closed.into());
            }
            watcher.client != client
        });
    }

    /// Deletes those of `keys` that exist, in one revision and in the order given.
    fn remove(&mut self, keys: Vec<Vec<u8>>) {
        let revision = self.revision + 1;
        let events = self.erase(keys, revision);
        self.commit(revision, events);
    }

    /// Writes a key as part of `revision`, and gives the event to commit.
    pub fn write(
        &mut self,
        key: &[u8],
        value: &[u8],
        lease: Option<LeaseId>,
        revision: i64,
    ) -> WatchEvent {
        if let Some(grant) = lease.and_then(|id| self.grants.get_mut(&id)) {
            grant.keys.insert(key.to_vec());
        }
        let before = self.records.get(key);
        let (create_revision, version) =
            before.map_or((revision, 1), |record| (record.create_revision, record.version + 1));
        if let Some(tree) = &mut self.tree {
            tree.note(key);
        }
        let left = before.and_then(|record| record.lease).filter(|old| Some(*old) != lease);
        self.detach(key, left);
        let record = Record {
            value: value.to_vec(),
            lease,
            create_revision,
            mod_revision: revision,
            version,
        };
        self.records.insert(key.to_vec(), record);
        WatchEvent::Put { key: key.into(), value: value.into(), mod_revision: Some(revision) }
    }

    /// Deletes keys as part of `revision`, and gives the events to commit.
    pub fn erase(&mut self, keys: Vec<Vec<u8>>, revision: i64) -> Vec<WatchEvent> {
        let mut events = Vec::new();
        for key in keys {
            if let Some(record) = self.records.remove(&key) {
                self.detach(&key, record.lease);
                events.push(WatchEvent::Delete { key, mod_revision: Some(revision) });
            }
        }
        events
    }

    /// Makes what was written and erased as part of `revision` known; nothing if that was nothing.
    pub fn commit(&mut self, revision: i64, events: Vec<WatchEvent>) {
        if events.is_empty() {
            return;
        }
        self.revision = revision;
        for event in &events {
            self.history.add(revision, event.clone(), self.records.get(event.key()).cloned());
        }
        self.publish(&events);
    }

    fn detach(&mut self, key: &[u8], lease: Option<LeaseId>) {
        if let Some(grant) = lease.and_then(|id| self.grants.get_mut(&id)) {
            grant.keys.remove(key);
        }
    }

    fn publish(&mut self, events: &[WatchEvent]) {
        let revision = self.revision;
        self.watchers.retain(|watcher| {
            let seen = events.iter().filter(|event| event.key().starts_with(&watcher.prefix));
            let batch: WatchBatch = seen.filter(|_| revision >= watcher.from).cloned().collect();
            batch.events.is_empty() || watcher.events.put(batch)
        });
    }
}

pub(super) fn named(key: &[u8]) -> Result<()> {
    if key.is_empty() { Err(StoreError::from(ErrorKind::EmptyKey)) } else { Ok(()) }
}
