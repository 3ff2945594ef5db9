//! A durable store of its own on redb, and the suite run against it: `cargo test --example durable_store`.
//!
//! It has leases, revisions, transactions and watches, and it can be reopened, so that durability is tested too: once on
//! the wall clock and once on virtual time. `scripts/durable-faults` puts faults into it, and shows that each is noticed.

mod change;
mod store;
mod txn;

use std::process::ExitCode;
use std::time::Duration;

use kvspec::backend::Fresh;
use kvspec::harness::Harness;
use kvspec::store::Limits;
use store::Durable;

fn main() -> ExitCode {
    let limits = Limits::default().with_expiry_lag(Duration::from_secs(1));
    let durable = Fresh::try_new("durable", Durable::create, Durable::client)
        .reopen(Durable::reopen)
        .with_limits(limits)
        .version(env!("CARGO_PKG_VERSION"));
    Harness::new().backends(durable.on_both_clocks()).run()
}
