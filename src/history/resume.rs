//! Judges a watch that is ended and opened again and again while others write: no event is lost, and none comes twice.

use std::collections::BTreeSet;

use super::{Calls, Race, RaceReply};
use crate::store::{ErrorKind, WatchEvent};

/// Each write is a round.
pub(super) fn judge(calls: &Calls) -> Race {
    let first = calls.calls.iter().find_map(|call| match call.reply {
        RaceReply::Revision(revision) => Some(revision + 1),
        _ => None,
    });
    let mut taken = Taken { keys: BTreeSet::new(), from: first.unwrap_or_default() };
    let trouble = calls.watches.iter().find_map(|watch| {
        let taken = watch.batches.iter().find_map(|batch| taken.take(&batch.events).err());
        let is_silent = watch.ended_with(ErrorKind::DeadlineExceeded);
        taken.or(is_silent.then_some("no more events came"))
    });
    let (rounds, good, trouble) = (calls.rounds, taken.keys.len(), trouble.map(String::from));
    Race { rounds, good, left_out: 0, trouble }
}

/// What the watches delivered so far.
struct Taken<'a> {
    keys: BTreeSet<&'a [u8]>,
    /// The revision that the next batch begins with at the least.
    from: i64,
}

impl<'a> Taken<'a> {
    fn take(&mut self, batch: &'a [WatchEvent]) -> Result<(), &'static str> {
        let from = self.from;
        for event in batch {
            let revision = event.mod_revision().ok_or("an event came without a revision")?;
            if revision < from {
                return Err("an event came whose revision is not after those that came before");
            }
            self.from = self.from.max(revision + 1);
            if !self.keys.insert(event.key()) {
                return Err("an event came twice");
            }
        }
        Ok(())
    }
}
