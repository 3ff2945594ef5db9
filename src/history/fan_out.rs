//! Judges many watches of one prefix: each must get every write, in the order of the writes.

use super::{Calls, Race, RaceWatch};
use crate::store::{ErrorKind, WatchEvent};

pub(super) fn judge(calls: &Calls) -> Race {
    let written: Vec<_> = calls.updated().map(Vec::as_slice).collect();
    Race::of(calls.watches.iter().filter_map(|watch| judge_one(watch, &written)))
}

/// A watch that got too few events and has no end was not read to its end.
fn judge_one(watch: &RaceWatch, written: &[&[u8]]) -> Option<Option<String>> {
    let keys: Vec<_> = watch.events().map(WatchEvent::key).collect();
    let (came, all) = (keys.len(), written.len());
    if came < all {
        return watch
            .ended_with(ErrorKind::DeadlineExceeded)
            .then(|| Some(format!("a watch got {came} of {all} events")));
    }
    let is_whole = keys == written;
    Some(
        (!is_whole).then(|| "a watch got other events than the writes, or in another order".into()),
    )
}
