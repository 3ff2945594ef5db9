//! What the memory store remembers of its past: every change, until it is compacted away.

use std::collections::BTreeMap;

use crate::store::{ErrorKind, LeaseId, Page, Result, WatchEvent};

/// What a key is from one write to the next.
#[derive(Debug, Clone)]
pub(super) struct Record {
    pub value: Vec<u8>,
    pub lease: Option<LeaseId>,
    pub create_revision: i64,
    pub mod_revision: i64,
    pub version: i64,
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
    pub fn since(&self, revision: i64, prefix: &[u8]) -> Result<Vec<Vec<WatchEvent>>> {
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

fn at(versions: &[Version], revision: i64) -> Option<&Record> {
    versions.iter().rev().find(|version| version.revision <= revision)?.record.as_ref()
}
