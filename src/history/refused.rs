//! Judges writes that are made at once with calls that a store refuses: in no round may one of them fail or be lost.

use super::{Calls, Race, RaceCall, RaceReply, put};
use crate::words::quote;

pub(super) fn judge(calls: &Calls) -> Race {
    Race::of(calls.by_round().values().map(|round| {
        // Clients of even numbers write and read, the others make the calls that are refused.
        let mut valid = round.iter().filter(|call| call.client % 2 == 0);
        valid.find_map(|call| trouble(call, round))
    }))
}

fn trouble(call: &RaceCall, round: &[&RaceCall]) -> Option<String> {
    let own = round.iter().filter(|other| other.client == call.client);
    let (key, value) = own.filter_map(|other| put(&other.call)).next()?;
    let what = if put(&call.call).is_some() { "write" } else { "read" };
    let seen = match &call.reply {
        RaceReply::Error(error) => format!("{what} of {} failed with '{error}'", quote(key)),
        RaceReply::Value(read) if read.as_deref() != Some(value) => {
            format!("write of {} was lost", quote(key))
        }
        _ => return None,
    };
    Some(format!("a {seen} at once with calls that are refused"))
}
