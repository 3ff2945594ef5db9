//! Judges compare-and-swap: in each round one client wins, and the value is the winner's.

use super::{Calls, Race, RaceCall, RaceReply, put};

/// A round begins and ends with a read. One that has no read at its end was cut short.
pub(super) fn judge(calls: &Calls) -> Race {
    Race::of(calls.by_round().values().filter_map(|round| judge_round(round)))
}

fn judge_round(round: &[&RaceCall]) -> Option<Option<String>> {
    let (RaceReply::Value(last), true) = (&round.last()?.reply, round.len() > 2) else {
        return None;
    };
    let won = |call: &&RaceCall| matches!(&call.reply, RaceReply::Txn(answer) if answer.succeeded);
    let winners: Vec<_> = round.iter().copied().filter(won).collect();
    let [winner] = winners.as_slice() else {
        return Some(Some(format!("{} clients won one round", winners.len())));
    };
    let is_winners = last.as_deref() == put(&winner.call).map(|(_, value)| value);
    Some((!is_winners).then(|| "the value is not the winner's".into()))
}
