//! The harness as a backend author meets it: this program runs itself as the author's test, with faults in the store.

use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};

#[path = "plug_in/author.rs"]
mod author;
#[path = "plug_in/told.rs"]
mod told;

/// Says which fault the store has, and that this program is the author's.
const FAULT: &str = "KVSPEC_TEST_FAULT";

fn main() -> ExitCode {
    if let Ok(fault) = std::env::var(FAULT) {
        return author::main(&fault);
    }
    let trial = |(name, test): &(&'static str, fn())| {
        let test = *test;
        Trial::test(*name, move || {
            test();
            Ok::<(), Failed>(())
        })
    };
    libtest_mimic::run(&Arguments::from_args(), told::TESTS.iter().map(trial).collect()).exit_code()
}
