//! `kvspec explore`: what it finds, writes and exits with.

use std::fs;

use super::{Ran, lonely};

#[test]
fn a_store_without_a_fault_shows_no_difference() {
    let ran = Ran::of(&mut lonely(["explore", "--backend", "memory", "--programs", "50"])).exits(0);
    ran.says("50 programs of ").says("no difference, 0 not compared\n").says("\npairs: ");
}

#[test]
fn a_difference_is_a_script_that_run_and_explore_take() {
    let folder = tempfile::tempdir().expect("a folder is made");
    let path = folder.path().join("found");
    let path = path.to_str().expect("it is UTF-8");
    let backend = "mutant:txn-no-else";
    let explore = ["explore", "--backend", backend, "--out", path];
    Ran::of(&mut lonely(explore)).exits(1).says("DIFFERENT program ").says("1 difference");
    let written = fs::read_dir(path).expect("the folder is there").count();
    assert_eq!(written, 1);
    Ran::of(&mut lonely(["run", "--scenarios", path, "--backend", backend])).exits(1);
    Ran::of(&mut lonely(["run", "--scenarios", path, "--backend", "memory"])).exits(0);
    let again = ["explore", "--corpus", path, "--programs", "1", "--backend", backend];
    Ran::of(&mut lonely(again)).exits(1).says("differs seed-1-program-");
}

#[test]
fn a_server_that_is_not_there_is_no_answer() {
    Ran::of(&mut lonely(["explore", "--programs", "1"])).exits(2);
}
