//! What a store that keeps its data badly has lost when it is reopened, for stores that are broken on purpose.

use std::time::Duration;

use super::keyspace::{FIRST_LEASE, Keyspace};

/// One way in which data can be wrong after a store is reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Damage {
    /// The last change is gone.
    LastChange,
    /// The last half of the last revision's changes is gone.
    HalfOfLastChange,
    /// Keys that were deleted are back.
    Deletions,
    /// Keys with an empty value are gone.
    EmptyValues,
    /// Every key counts as written once.
    Versions,
    /// Every key counts as created by its last write.
    CreateRevisions,
    /// The revision is the newest that a living key has.
    Revision,
    /// Nothing of the past is known, and nothing is refused.
    Past,
    /// What was compacted is not refused.
    CompactedRevision,
    /// Something about leases.
    Lease(LeaseDamage),
}

/// One way in which leases, and with them TTLs, can be wrong after a store is reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseDamage {
    /// Leases are gone, and their keys are permanent.
    Gone,
    /// Leases are gone with their keys.
    GoneWithKeys,
    /// Leases have no keys, and those are permanent.
    Keys,
    /// Leases have a quarter of the time that was left.
    TimeLeft,
    /// Leases never end.
    EndlessTime,
    /// Leases are granted half of the time that was left.
    GrantedTime,
    /// Ids of leases are given from the start.
    Ids,
}

impl Keyspace {
    /// Loses what the damage says.
    pub fn suffer(&mut self, damage: Damage, now: Duration) {
        match damage {
            Damage::LastChange => {
                self.revision -= 1;
                self.history.rewind(self.revision);
                self.records = self.history.present();
            }
            Damage::HalfOfLastChange => self.halve_last_change(),
            Damage::Deletions => self.records.extend(self.history.deleted()),
            Damage::EmptyValues => self.records.retain(|_, record| !record.value.is_empty()),
            Damage::Versions => self.records.values_mut().for_each(|record| record.version = 1),
            Damage::CreateRevisions => {
                let records = self.records.values_mut();
                records.for_each(|record| record.create_revision = record.mod_revision);
            }
            Damage::Revision => {
                let newest = self.records.values().map(|record| record.mod_revision).max();
                self.revision = newest.unwrap_or(1);
            }
            Damage::Past => self.history.forget(),
            Damage::CompactedRevision => self.history.forget_compaction(),
            Damage::Lease(damage) => self.suffer_in_leases(damage, now),
        }
    }

    fn suffer_in_leases(&mut self, damage: LeaseDamage, now: Duration) {
        match damage {
            LeaseDamage::Gone => self.grants.clear(),
            LeaseDamage::GoneWithKeys => {
                self.grants.clear();
                self.records.retain(|_, record| record.lease.is_none());
            }
            LeaseDamage::Ids => self.last_lease = FIRST_LEASE,
            LeaseDamage::Keys => self.grants.values_mut().for_each(|grant| grant.keys.clear()),
            LeaseDamage::TimeLeft => self.change_times(now, |left| left / 4),
            LeaseDamage::EndlessTime => self.change_times(now, |_| Duration::from_secs(1 << 32)),
            LeaseDamage::GrantedTime => {
                let grants = self.grants.values_mut();
                grants.for_each(|grant| grant.ttl = grant.deadline.saturating_sub(now) / 2);
            }
        }
        self.ends = self.grants.iter().map(|(id, grant)| (grant.deadline, *id)).collect();
    }

    fn change_times(&mut self, now: Duration, left: fn(Duration) -> Duration) {
        for grant in self.grants.values_mut() {
            grant.deadline = now + left(grant.deadline.saturating_sub(now));
        }
    }

    /// Undoes the last half of what the last revision changed.
    fn halve_last_change(&mut self) {
        let changed = self.history.changed_at(self.revision);
        for key in &changed[changed.len().div_ceil(2)..] {
            match self.history.before(key, self.revision) {
                Some(record) => drop(self.records.insert(key.clone(), record)),
                None => drop(self.records.remove(key)),
            }
        }
    }
}
