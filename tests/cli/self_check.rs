//! `kvspec self-check`: what noticed which mutant, and when it fails.

use super::{Ran, lonely};

#[test]
fn a_mutant_is_named_with_what_noticed_it() {
    let args = ["self-check", "core/add", "--mutant", "update-does-nothing"];
    let ran = Ran::of(&mut lonely(args)).exits(0);
    ran.says("killed update-does-nothing [K1] A write is acknowledged and not done.\n")
        .says("1 of 1 mutants killed");
}

#[test]
fn a_mutant_that_is_unknown_is_refused() {
    let ran = Ran::of(&mut lonely(["self-check", "--mutant", "nonsense"])).exits(2);
    assert!(ran.err.contains("nonsense"), "{}", ran.err);
}
