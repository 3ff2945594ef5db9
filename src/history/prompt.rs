//! Judges how soon after its write an event comes.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Calls, Race, RaceCall, RaceReply, updated};
use crate::store::Call;
use crate::words::seconds;

/// How many events must come late before the store is called late: one or two may be the machine's doing.
const LATE: usize = 3;

/// A round counts only if a read right after it takes no longer than this part of the time that an event may take.
const CONTROL: u32 = 4;

/// How one write was delivered.
enum Delivery {
    InTime,
    /// So long after it was acknowledged.
    Late(Duration),
    /// The store, or this machine, was too slow with everything.
    LeftOut,
}

pub(super) fn judge(calls: &Calls) -> Race {
    let batches = calls.watches.iter().flat_map(|watch| &watch.batches);
    let events = batches.flat_map(|batch| batch.events.iter().map(|event| (event.key(), batch.at)));
    let mut came = BTreeMap::new();
    for (key, at) in events {
        came.entry(key).or_insert(at);
    }
    let mut race = Race { rounds: calls.rounds, ..Race::default() };
    let mut late = Vec::new();
    for round in calls.by_round().values() {
        match deliver(round, &came, calls.bounds.event_lag) {
            Some(Delivery::InTime) => race.good += 1,
            Some(Delivery::Late(lag)) => late.push(lag),
            Some(Delivery::LeftOut) => {
                (race.good, race.left_out) = (race.good + 1, race.left_out + 1);
            }
            None => {}
        }
    }
    match late.iter().max() {
        Some(longest) if late.len() >= LATE => {
            race.trouble = Some(describe(late.len(), calls.bounds.event_lag, *longest));
        }
        _ => race.good += late.len(),
    }
    race
}

/// How the write of a round was delivered; `None` if its event was not read.
fn deliver(
    round: &[&RaceCall],
    came: &BTreeMap<&[u8], Duration>,
    event_lag: Duration,
) -> Option<Delivery> {
    let write = round.iter().find(|call| updated(call).is_some())?;
    let written = write.returned.filter(|_| write.reply == RaceReply::Done)?;
    let lag = came.get(updated(write)?.as_slice())?.saturating_sub(written);
    if lag <= event_lag {
        return Some(Delivery::InTime);
    }
    let control = round.iter().find(|call| matches!(call.call, Call::Read { .. }));
    let is_quick = control.is_some_and(|control| {
        let slow = event_lag / CONTROL;
        // Its own time is measured too: a machine that stood still makes everything late.
        let has_overslept = control.began.saturating_sub(written) > event_lag + slow;
        !has_overslept && control.took().is_some_and(|took| took <= slow)
    });
    Some(if is_quick { Delivery::Late(lag) } else { Delivery::LeftOut })
}

fn describe(late: usize, event_lag: Duration, longest: Duration) -> String {
    format!(
        "{late} events came later after the write was acknowledged than the {} of Limits::event_lag, the latest {} \
         after it",
        seconds(event_lag),
        seconds(longest)
    )
}
