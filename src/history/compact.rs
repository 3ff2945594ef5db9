//! Judges watches that no one reads while the history that they are to deliver is compacted: none loses an event in silence.

use super::{Calls, Race, RaceWatch, updated};
use crate::store::{ErrorKind, WatchEvent};

pub(super) fn judge(calls: &Calls) -> Race {
    let rounds = calls.by_round();
    let written = |watch: &RaceWatch| {
        let round = watch.opening.round.and_then(|round| rounds.get(&round));
        let keys = round.into_iter().flatten().filter_map(|call| updated(call));
        keys.map(Vec::as_slice).collect::<Vec<_>>()
    };
    Race::of(calls.watches.iter().filter_map(|watch| judge_one(watch, &written(watch))))
}

/// A watch that got too few events and has no end was not read to its end.
fn judge_one(watch: &RaceWatch, written: &[&[u8]]) -> Option<Option<String>> {
    let came: Vec<_> = watch.events().map(WatchEvent::key).collect();
    let is_lost = watch.ended_with(ErrorKind::Compacted);
    if came.len() < written.len() && !is_lost && !watch.ended_with(ErrorKind::DeadlineExceeded) {
        return None;
    }
    let is_right = written.starts_with(&came) && (is_lost || came.len() == written.len());
    Some((!is_right).then(|| {
        let (count, all) = (came.len(), written.len());
        format!("{count} of {all} events came, and no error said that the others were compacted")
    }))
}
