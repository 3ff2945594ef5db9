//! Judges watches that are written to in the moment in which they are open: each must get that write first.

use super::{Calls, Race, RaceWatch, put};
use crate::store::{ErrorKind, WatchEvent};

pub(super) fn judge(calls: &Calls) -> Race {
    let rounds = calls.by_round();
    let written = |watch: &RaceWatch| put(&rounds.get(&watch.opening.round?)?.first()?.call);
    Race::of(calls.watches.iter().filter_map(|watch| {
        let Some(first) = watch.batches.first() else {
            let is_silent = watch.ended_with(ErrorKind::DeadlineExceeded);
            return is_silent
                .then(|| Some("the write after the watch was open was not delivered".into()));
        };
        let is_write = matches!(first.events.as_slice(), [WatchEvent::Put { key, value, .. }]
            if written(watch) == Some((key, value)));
        Some((!is_write).then(|| "another event came first".into()))
    }))
}
