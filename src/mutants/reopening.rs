//! Stores that have lost something when they are reopened.

use super::fault::*;
use crate::backend::Ending;
use crate::backend::memory::{
    Damage::{self, Lease},
    LeaseDamage,
};

mutants! {
    fn all(next, client);

    "reopen-unflushed", F1, "The last change is lost when the store is closed in order."
        .with_damage(Damage::LastChange, &[Ending::Clean])

    "reopen-deleted-back", F1, "Deleted keys are back after reopening."
        .with_damage(Damage::Deletions, ALWAYS)

    "reopen-empty-gone", F1, "Keys with an empty value are gone after reopening."
        .with_damage(Damage::EmptyValues, ALWAYS)

    "crash-loses-last", F2, "The last acknowledged change is lost in a crash."
        .with_damage(Damage::LastChange, &[Ending::Crash])

    "crash-deleted-back", F2, "Deleted keys are back after a crash."
        .with_damage(Damage::Deletions, &[Ending::Crash])

    "reopen-versions-again", F3, "Every key counts as written once after reopening."
        .with_damage(Damage::Versions, ALWAYS)

    "reopen-created-again", F3, "Every key counts as created by its last write after reopening."
        .with_damage(Damage::CreateRevisions, ALWAYS)

    "reopen-revision-of-keys", F3,
    "The revision after reopening is the newest of a living key, so those of deletions come twice."
        .with_damage(Damage::Revision, ALWAYS)

    "reopen-without-past", F4, "The past is gone after reopening, and reads of it find nothing."
        .with_damage(Damage::Past, ALWAYS)

    "reopen-uncompacted", F4, "A compacted revision is not refused after reopening."
        .with_damage(Damage::CompactedRevision, ALWAYS)

    "reopen-no-resume", F5, "A watch from before the reopening silently begins after it."
        .with_damage(Damage::Past, ALWAYS)

    "reopen-leases-gone", F6, "Leases are gone after reopening, and their keys are permanent."
        .with_damage(Lease(LeaseDamage::Gone), ALWAYS)

    "reopen-lease-keys-gone", F6, "Leases and their keys are gone after reopening."
        .with_damage(Lease(LeaseDamage::GoneWithKeys), ALWAYS)

    "reopen-leases-without-keys", F6, "Leases have no keys after reopening."
        .with_damage(Lease(LeaseDamage::Keys), ALWAYS)

    "reopen-lease-endless", F6, "Leases never end after reopening."
        .with_damage(Lease(LeaseDamage::EndlessTime), ALWAYS)

    "reopen-lease-granted-less", F6,
    "Leases are renewed for less than they were granted after reopening."
        .with_damage(Lease(LeaseDamage::GrantedTime), ALWAYS)

    "reopen-lease-ids-again", F7, "The ids of leases are given from the start after reopening."
        .with_damage(Lease(LeaseDamage::Ids), ALWAYS)

    "crash-halves-txn", F8, "Half of the last transaction is lost in a crash."
        .with_damage(Damage::HalfOfLastChange, &[Ending::Crash])

    "reopen-ttl-shorter", F9, "TTLs continue with a quarter of their remainder after reopening."
        .with_damage(Lease(LeaseDamage::TimeLeft), ALWAYS)

    "reopen-ttl-endless", F9, "TTLs never expire after reopening."
        .with_damage(Lease(LeaseDamage::EndlessTime), ALWAYS)

    "power-loss-loses-last", F10, "The last acknowledged change is lost in a loss of power."
        .with_damage(Damage::LastChange, &[Ending::PowerLoss])
}

const ALWAYS: &[Ending] = &[Ending::Clean, Ending::Crash, Ending::PowerLoss];
