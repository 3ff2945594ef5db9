//! The tables on disk, and what one write transaction does to them.

use std::collections::BTreeMap;
use std::time::Duration;

use kvspec::store::{
    ErrorKind, KeyMetadata, Lease, LeaseId, Page, Result, StoreError, WatchBatch, WatchEvent,
};
use redb::{ReadableTable, Table, TableDefinition, WriteTransaction};

/// A key's create revision, mod revision, version, lease (0 is none) and value.
type Row<'v> = (i64, i64, i64, LeaseId, &'v [u8]);

/// The living keys.
const KEYS: TableDefinition<&[u8], Row<'static>> = TableDefinition::new("keys");
/// What every key was from one revision on; `None` is a deletion.
const PAST: TableDefinition<(&[u8], i64), Option<Row<'static>>> = TableDefinition::new("past");
/// What each revision changed, in order: a key and its value; `None` is a deletion.
const EVENTS: TableDefinition<(i64, u32), (&[u8], Option<&[u8]>)> = TableDefinition::new("events");
/// The leases and the milliseconds that each was granted.
const LEASES: TableDefinition<LeaseId, u64> = TableDefinition::new("leases");
/// The revision, the compacted revision, and the last id of a lease.
const NUMBERS: TableDefinition<&str, i64> = TableDefinition::new("numbers");

/// The largest value, and the longest time to live, that the store takes.
pub const MAX_VALUE: usize = 1536 * 1024;
const MAX_TTL: Duration = Duration::from_secs(365 * 24 * 60 * 60);
/// The shortest time to live that it grants.
const MIN_TTL: Duration = Duration::from_secs(1);

/// One write transaction: everything that it does happens at one revision.
pub struct Change<'t> {
    keys: Table<'t, &'static [u8], Row<'static>>,
    past: Table<'t, (&'static [u8], i64), Option<Row<'static>>>,
    events: Table<'t, (i64, u32), (&'static [u8], Option<&'static [u8]>)>,
    leases: Table<'t, LeaseId, u64>,
    numbers: Table<'t, &'static str, i64>,
    /// The revision before this change.
    pub before: i64,
    compacted: i64,
    /// What watchers are told once it is on the disk.
    pub told: Vec<WatchEvent>,
}

/// What a key is.
pub struct Record {
    pub meta: KeyMetadata,
    pub value: Vec<u8>,
}

/// An error of the database.
pub fn broken(error: impl std::fmt::Display) -> StoreError {
    StoreError::new(ErrorKind::Other, error.to_string())
}

fn record((create_revision, mod_revision, version, lease, value): Row<'_>) -> Record {
    let lease = (lease != 0).then_some(lease);
    let meta = KeyMetadata::new(create_revision, mod_revision, version).with_lease(lease);
    Record { meta, value: value.to_vec() }
}

/// Refuses an empty key.
pub fn named(key: &[u8]) -> Result<()> {
    if key.is_empty() { Err(ErrorKind::EmptyKey.into()) } else { Ok(()) }
}

/// Refuses a key and value that cannot be written.
pub fn fitting(key: &[u8], value: &[u8]) -> Result<()> {
    named(key)?;
    if key.len() + value.len() > MAX_VALUE { Err(ErrorKind::TooLarge.into()) } else { Ok(()) }
}

impl<'t> Change<'t> {
    /// Opens the tables, and makes those that are not there yet.
    pub fn begin(txn: &'t WriteTransaction) -> Result<Self> {
        let numbers = txn.open_table(NUMBERS).map_err(broken)?;
        let before = number(&numbers, "revision")?.unwrap_or(1);
        Ok(Self {
            compacted: number(&numbers, "compacted")?.unwrap_or(0),
            keys: txn.open_table(KEYS).map_err(broken)?,
            past: txn.open_table(PAST).map_err(broken)?,
            events: txn.open_table(EVENTS).map_err(broken)?,
            leases: txn.open_table(LEASES).map_err(broken)?,
            numbers,
            before,
            told: Vec::new(),
        })
    }

    /// Writes down the revision, and gives what watchers are told.
    pub fn finish(mut self) -> Result<Vec<WatchEvent>> {
        let revision = self.before + i64::from(!self.told.is_empty());
        self.numbers.insert("revision", revision).map_err(broken)?;
        Ok(self.told)
    }

    pub fn get(&self, key: &[u8]) -> Result<Option<Record>> {
        named(key)?;
        Ok(self.keys.get(key).map_err(broken)?.map(|row| record(row.value())))
    }

    pub fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let rows = self.keys.range(prefix..).map_err(broken)?;
        let keys = rows.map(|entry| Ok(entry.map_err(broken)?.0.value().to_vec()));
        keys.take_while(|key| key.as_ref().map_or(true, |key| key.starts_with(prefix))).collect()
    }

    /// Writes a key, attached to a lease or to none.
    pub fn put(&mut self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> Result<()> {
        fitting(key, value)?;
        if let Some(lease) = lease {
            self.granted(lease)?;
        }
        let (revision, old) = (self.before + 1, self.get(key)?.map(|record| record.meta));
        let created = old.map_or(revision, |old| old.create_revision);
        let version = old.map_or(0, |old| old.version) + 1;
        let row = (created, revision, version, lease.unwrap_or(0), value);
        self.keys.insert(key, row).map_err(broken)?;
        self.past.insert((key, revision), Some(row)).map_err(broken)?;
        self.tell(key, Some(value))
    }

    /// Deletes those of the keys that are there, and says how many they were.
    pub fn delete(&mut self, keys: Vec<Vec<u8>>) -> Result<usize> {
        let (revision, told) = (self.before + 1, self.told.len());
        for key in keys.iter().map(Vec::as_slice) {
            named(key)?;
            if self.keys.remove(key).map_err(broken)?.is_some() {
                self.past.insert((key, revision), None).map_err(broken)?;
                self.tell(key, None)?;
            }
        }
        Ok(self.told.len() - told)
    }

    fn tell(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let place = (self.before + 1, self.told.len() as u32);
        self.events.insert(place, (key, value)).map_err(broken)?;
        self.told.push(event(key, value, place.0));
        Ok(())
    }

    /// Grants a lease under this id, or under one that was never given.
    pub fn grant(&mut self, id: Option<LeaseId>, ttl: Duration) -> Result<Lease> {
        if ttl > MAX_TTL {
            return Err(ErrorKind::TtlTooLarge.into());
        }
        let id = id.map_or_else(|| self.next_id(), Ok)?;
        let ttl = ttl.max(MIN_TTL);
        let taken = self.leases.insert(id, ttl.as_millis() as u64).map_err(broken)?.is_some();
        if taken { Err(ErrorKind::LeaseExists.into()) } else { Ok(Lease::new(id, ttl)) }
    }

    fn next_id(&mut self) -> Result<LeaseId> {
        let mut id = number(&self.numbers, "lease")?.unwrap_or(0x6475_7261_0000) + 1;
        while self.leases.get(id).map_err(broken)?.is_some() {
            id += 1;
        }
        self.numbers.insert("lease", id).map_err(broken)?;
        Ok(id)
    }

    /// The time that a lease was granted.
    pub fn granted(&self, lease: LeaseId) -> Result<Duration> {
        let millis = self.leases.get(lease).map_err(broken)?.map(|millis| millis.value());
        millis.map(Duration::from_millis).ok_or_else(|| ErrorKind::LeaseNotFound.into())
    }

    /// Ends a lease, and deletes its keys.
    pub fn revoke(&mut self, lease: LeaseId) -> Result<()> {
        let keys = self.keys_of(lease)?;
        self.delete(keys)?;
        let ended = self.leases.remove(lease).map_err(broken)?;
        ended.map(drop).ok_or_else(|| ErrorKind::LeaseNotFound.into())
    }

    pub fn keys_of(&self, lease: LeaseId) -> Result<Vec<Vec<u8>>> {
        let mut keys = Vec::new();
        for entry in self.keys.iter().map_err(broken)? {
            let (key, row) = entry.map_err(broken)?;
            keys.extend((row.value().3 == lease).then(|| key.value().to_vec()));
        }
        Ok(keys)
    }

    /// All leases, with the time that each was granted.
    pub fn leases(&self) -> Result<Vec<Lease>> {
        let leases = self.leases.iter().map_err(broken)?.map(|entry| {
            let (id, millis) = entry.map_err(broken)?;
            Ok(Lease::new(id.value(), Duration::from_millis(millis.value())))
        });
        leases.collect()
    }

    /// Refuses a revision that is not known any more, or not yet.
    fn known(&self, revision: i64) -> Result<()> {
        match revision {
            future if future > self.before => Err(ErrorKind::FutureRevision.into()),
            past if past < self.compacted => Err(ErrorKind::Compacted.into()),
            _ => Ok(()),
        }
    }

    /// A key as it was at a revision.
    pub fn get_at(&self, key: &[u8], revision: i64) -> Result<Option<Record>> {
        named(key)?;
        self.known(revision)?;
        let mut versions = self.past.range((key, 0)..=(key, revision)).map_err(broken)?;
        let last = versions.next_back().transpose().map_err(broken)?;
        Ok(last.and_then(|(_, row)| row.value().map(record)))
    }

    pub fn page(&self, prefix: &[u8], revision: Option<i64>, limit: Option<usize>) -> Result<Page> {
        let at = |revision| self.list_at(prefix, revision);
        let mut keys = revision.map_or_else(|| self.list(prefix), at)?;
        let count = keys.len();
        keys.truncate(limit.unwrap_or(count));
        Ok(Page::new(keys, count))
    }

    fn list_at(&self, prefix: &[u8], revision: i64) -> Result<Vec<Vec<u8>>> {
        self.known(revision)?;
        let mut keys: Vec<Vec<u8>> = Vec::new();
        for entry in self.past.range((prefix, 0)..).map_err(broken)? {
            let (place, row) = entry.map_err(broken)?;
            let (key, at) = place.value();
            if !key.starts_with(prefix) {
                break;
            }
            if at <= revision {
                keys.pop_if(|last| last == key);
                keys.extend(row.value().map(|_| key.to_vec()));
            }
        }
        Ok(keys)
    }

    /// The events from a revision on, those of one revision together.
    pub fn events(&self, prefix: &[u8], from: i64) -> Result<Vec<WatchBatch>> {
        if from < self.compacted {
            return Err(ErrorKind::Compacted.into());
        }
        let mut events = Vec::new();
        for entry in self.events.range((from, 0)..).map_err(broken)? {
            let (place, change) = entry.map_err(broken)?;
            let (revision, (key, value)) = (place.value().0, change.value());
            events.extend(key.starts_with(prefix).then(|| event(key, value, revision)));
        }
        let batches = events.chunk_by(|one, next| one.mod_revision() == next.mod_revision());
        Ok(batches.map(|batch| batch.to_vec().into()).collect())
    }

    /// Forgets what was before a revision.
    pub fn compact(&mut self, revision: i64) -> Result<()> {
        self.known(revision)?;
        if revision == self.compacted {
            return Err(ErrorKind::Compacted.into());
        }
        self.numbers.insert("compacted", revision).map_err(broken)?;
        self.events.retain(|(at, _), _| at >= revision).map_err(broken)?;
        let mut newest = BTreeMap::new();
        for entry in self.past.iter().map_err(broken)? {
            let (place, _) = entry.map_err(broken)?;
            let (key, at) = place.value();
            if at <= revision {
                newest.insert(key.to_vec(), at);
            }
        }
        let is_kept = |key: &[u8], at| at > revision || newest.get(key) == Some(&at);
        self.past.retain(|(key, at), _| is_kept(key, at)).map_err(broken)
    }
}

fn event(key: &[u8], value: Option<&[u8]>, revision: i64) -> WatchEvent {
    let event = value.map_or(WatchEvent::delete(key), |value| WatchEvent::put(key, value));
    event.at(revision)
}

fn number(numbers: &Table<'_, &'static str, i64>, name: &str) -> Result<Option<i64>> {
    Ok(numbers.get(name).map_err(broken)?.map(|number| number.value()))
}
