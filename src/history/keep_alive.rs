//! Judges leases that are kept alive in the moment in which they were granted: each is a round.

use super::{Calls, Race, RaceCall, RaceReply};
use crate::store::{Call, ErrorKind};

pub(super) fn judge(calls: &Calls) -> Race {
    Race::of(calls.calls.iter().filter_map(judge_one))
}

fn judge_one(call: &RaceCall) -> Option<Option<String>> {
    match (&call.call, &call.reply) {
        (Call::KeepAlive { .. }, RaceReply::Error(error)) => (error.kind
            == ErrorKind::LeaseNotFound)
            .then(|| Some("a lease just granted was not found".into())),
        (Call::KeepAlive { .. }, RaceReply::Granted(_) | RaceReply::Done) => Some(None),
        _ => None,
    }
}
