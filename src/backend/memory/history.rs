//! What the memory store remembers of its past: every change, until it is compacted away.

use std::collections::BTreeMap;

use crate::store::{ErrorKind, KeyMetadata, LeaseId, Page, Result, WatchBatch, WatchEvent};

/// What a key is from one write to the next.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub value: Vec<u8>,
    pub lease: Option<LeaseId>,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
}

impl Record {
    pub fn metadata(&self) -> KeyMetadata {
        KeyMetadata::new(self.create_revision, self.mod_revision, self.version)
            .with_lease(self.lease)
    }
}

/// The versions of every key and the events that made them, from the compacted revision on.
#[derive(Debug, Default)]
pub(super) struct History {
    compacted: i64,
    versions: BTreeMap<Vec<u8>, Vec<Version>>,
    events: Vec<(i64, WatchEvent)>,
}

/// What a key was from one revision on; `None` is a deletion.
#[derive(Debug)]
struct Version {
    revision: i64,
    record: Option<Record>,
}

impl History {
    pub fn add(&mut self, revision: i64, event: WatchEvent, record: Option<Record>) {
        let versions = self.versions.entry(event.key().to_vec()).or_default();
        versions.push(Version { revision, record });
        self.events.push((revision, event));
    }

    /// Refuses a revision that is not known any more, or not yet.
    fn known(&self, revision: i64, now: i64) -> Result<()> {
        match revision {
            future if future > now => Err(ErrorKind::FutureRevision.into()),
            past if past < self.compacted => Err(ErrorKind::Compacted.into()),
            _ => Ok(()),
        }
    }

    pub fn get(&self, key: &[u8], revision: i64, now: i64) -> Result<Option<&Record>> {
        self.known(revision, now)?;
        Ok(self.versions.get(key).and_then(|versions| at(versions, revision)))
    }

    pub fn page(
        &self,
        prefix: &[u8],
        revision: i64,
        limit: Option<usize>,
        now: i64,
    ) -> Result<Page> {
        self.known(revision, now)?;
        let from =
            self.versions.range(prefix.to_vec()..).take_while(|(key, _)| key.starts_with(prefix));
        let mut keys: Vec<_> = from
            .filter(|(_, versions)| at(versions, revision).is_some())
            .map(|(key, _)| key.clone())
            .collect();
        let count = keys.len();
        keys.truncate(limit.unwrap_or(usize::MAX));
        Ok(Page { more: keys.len() < count, keys, count })
    }

    /// The events since `revision`, one batch a revision.
    pub fn since(&self, revision: i64, prefix: &[u8]) -> Result<Vec<WatchBatch>> {
        if revision < self.compacted {
            return Err(ErrorKind::Compacted.into());
        }
        let wanted =
            |(at, event): &&(i64, WatchEvent)| *at >= revision && event.key().starts_with(prefix);
        let events: Vec<_> = self.events.iter().filter(wanted).collect();
        let batches = events.chunk_by(|one, next| one.0 == next.0);
        Ok(batches.map(|batch| batch.iter().map(|(_, event)| event.clone()).collect()).collect())
    }

    pub fn compact(&mut self, revision: i64, now: i64) -> Result<()> {
        match revision {
            future if future > now => return Err(ErrorKind::FutureRevision.into()),
            past if past <= self.compacted => return Err(ErrorKind::Compacted.into()),
            _ => self.compacted = revision,
        }
        self.events.retain(|(at, _)| *at >= revision);
        for versions in self.versions.values_mut() {
            let kept =
                versions.iter().rposition(|version| version.revision <= revision).unwrap_or(0);
            versions.drain(..kept);
        }
        self.versions.retain(|_, versions| {
            !matches!(versions.as_slice(), [only] if only.record.is_none() && only.revision < revision)
        });
        Ok(())
    }
}

/// What is forgotten or undone when a store is reopened that keeps its data badly.
#[cfg(feature = "mutants")]
impl History {
    /// Undoes everything after a revision.
    pub fn rewind(&mut self, revision: i64) {
        self.events.retain(|(at, _)| *at <= revision);
        for versions in self.versions.values_mut() {
            versions.retain(|version| version.revision <= revision);
        }
        self.versions.retain(|_, versions| !versions.is_empty());
    }

    /// Forgets all events, and all but the last version of every key.
    pub fn forget(&mut self) {
        self.events.clear();
        for versions in self.versions.values_mut() {
            versions.drain(..versions.len() - 1);
        }
    }

    pub fn forget_compaction(&mut self) {
        self.compacted = 0;
    }

    /// The keys that are there now.
    pub fn present(&self) -> BTreeMap<Vec<u8>, Record> {
        let records = self
            .versions
            .iter()
            .filter_map(|(key, versions)| Some((key.clone(), versions.last()?.record.clone()?)));
        records.collect()
    }

    /// The keys that were deleted, as they were before that.
    pub fn deleted(&self) -> BTreeMap<Vec<u8>, Record> {
        let records = self.versions.iter().filter_map(|(key, versions)| {
            let [.., before, Version { record: None, .. }] = versions.as_slice() else {
                return None;
            };
            Some((key.clone(), before.record.clone()?))
        });
        records.collect()
    }

    /// The keys that a revision changed, in order.
    pub fn changed_at(&self, revision: i64) -> Vec<Vec<u8>> {
        let events = self.events.iter().filter(|(at, _)| *at == revision);
        events.map(|(_, event)| event.key().to_vec()).collect()
    }

    /// A key as it was before a revision.
    pub fn before(&self, key: &[u8], revision: i64) -> Option<Record> {
        self.versions.get(key).and_then(|versions| at(versions, revision - 1)).cloned()
    }
}

fn at(versions: &[Version], revision: i64) -> Option<&Record> {
    versions.iter().rev().find(|version| version.revision <= revision)?.record.as_ref()
}
