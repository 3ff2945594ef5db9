//! Judges reads of two keys that are always written together: each read is a round, and must see both alike.

use super::{Calls, Race, RaceCall, RaceReply};
use crate::store::{Call, Op, OpAnswer, TxnAnswer};

pub(super) fn judge(calls: &Calls) -> Race {
    Race::of(calls.calls.iter().filter_map(read).map(|answer| {
        let is_alike =
            matches!(answer.answers.as_slice(), [OpAnswer::Value(a), OpAnswer::Value(b)] if a == b);
        (!is_alike).then(|| "two keys that are written together were read apart".into())
    }))
}

/// What a transaction that only reads was answered.
fn read(call: &RaceCall) -> Option<&TxnAnswer> {
    let is_read = |op: &Op| matches!(op, Op::Read { .. });
    match (&call.call, &call.reply) {
        (Call::Txn { txn }, RaceReply::Txn(answer)) if txn.then.iter().all(is_read) => Some(answer),
        _ => None,
    }
}
