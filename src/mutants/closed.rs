//! Stores whose closed clients still do one of the calls that not every store has.

use super::fault::*;

pub(super) fn all() -> Vec<Mutant> {
    let directories = of_directories().into_iter().map(Mutant::with_directories);
    plain().into_iter().chain(directories).collect()
}

mutants! {
    fn plain(next, client);

    "closed-grants-lease", A3, "A closed client is granted leases."
        any(call) => open(next, call, "lease").await;
    "closed-grants-chosen-id", A3, "A closed client is granted leases of a chosen id."
        any(call) => open(next, call, "lease_with_id").await;
    "closed-attaches-key", A3, "A closed client writes keys that have a lease."
        any(call) => open(next, call, "update_with_lease").await;
    "closed-keeps-alive", A3, "A closed client keeps leases alive."
        any(call) => open(next, call, "keep_alive").await;
    "closed-says-time-left", A3, "A closed client says how much of a lease is left."
        any(call) => open(next, call, "time_to_live").await;
    "closed-revokes", A3, "A closed client revokes leases."
        any(call) => open(next, call, "revoke").await;
    "closed-says-revision", A3, "A closed client says the store's revision."
        any(call) => open(next, call, "revision").await;
    "closed-says-counters", A3, "A closed client says the counters of a key."
        any(call) => open(next, call, "metadata").await;
    "closed-reads-past", A3, "A closed client reads at a revision."
        any(call) => open(next, call, "read_at").await;
    "closed-lists-past", A3, "A closed client lists at a revision."
        any(call) => open(next, call, "list_at").await;
    "closed-watches-past", A3, "A closed client opens watches from a revision."
        any(call) => open(next, call, "watch_from").await;
    "closed-compacts", A3, "A closed client compacts the store."
        any(call) => open(next, call, "compact").await;
    "closed-does-txns", A3, "A closed client does transactions."
        any(call) => open(next, call, "txn").await;
}

mutants! {
    fn of_directories(next, client);

    "closed-makes-directory", A3, "A closed client makes directories."
        any(call) => open(next, call, "mkdir").await;
    "closed-creates", A3, "A closed client creates keys."
        any(call) => open(next, call, "create").await;
}

/// Makes a call, on a client that is open if it is of that method.
async fn open(next: &MemoryStore, call: Call, method: &str) -> Result<Reply> {
    if call.method() == method && refuses(&next.revision().await, ErrorKind::Closed) {
        return call.perform(&next.client()).await;
    }
    call.perform(next).await
}
