//! A small store of its own, and the suite run against it: `cargo run --example toy_store`.
//!
//! The store has no leases, so the scenarios that need them are skipped. `kvspec new NAME` writes a crate with this very
//! store, to begin with.

mod store;

use std::process::ExitCode;

use kvspec::backend::Fresh;
use kvspec::harness::Harness;
use store::Toy;

fn main() -> ExitCode {
    let toy = Fresh::new("toy", Toy::default, Toy::client).on_virtual_time();
    Harness::new().backend(toy).run()
}
