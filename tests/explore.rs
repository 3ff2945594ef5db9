//! Random programs: the same for a seed, well-formed as scripts, and enough to find what is wrong.

use std::sync::Arc;

use kvspec::backend::Fresh;
use kvspec::backend::memory::{MemoryBackend, MemoryStore};
use kvspec::command::DRAWS;
use kvspec::command::draw::Drawn;
use kvspec::command::shape::Shape;
use kvspec::explore::{Explored, Search, Subject, explore};
use kvspec::harness::{Settings, Target};
use kvspec::known::KnownFailures;
use kvspec::mutants;
use kvspec::runner;
use kvspec::scenario::Scenario;
use kvspec::verdict::{Verdict, judge};
use rstest::rstest;

fn search(programs: u64) -> Search {
    Search { seed: 1, programs, within: None, findings: 1, jobs: None }
}

fn explored(target: &Target, search: &Search) -> Explored {
    let ready = target.ready().expect("the target is there");
    explore(Subject::new(target, ready), None, search, &Settings::default(), &mut |_| {})
}

fn mutant(name: &str) -> mutants::Mutant {
    mutants::all().into_iter().find(|mutant| mutant.name == name).expect("there is such a mutant")
}

#[test]
fn the_memory_store_answers_as_itself() {
    let explored = explored(&Target::new(MemoryBackend), &search(300));
    assert!(explored.found.is_empty(), "{}", explored.found[0].script);
    assert_eq!((explored.programs, explored.not_compared()), (300, 0));
}

#[test]
fn the_memory_store_with_directories_answers_as_itself() {
    let target = Fresh::new("tree", MemoryStore::with_directories, MemoryStore::client);
    let explored = explored(&Target::new(target.on_virtual_time()), &search(200));
    assert!(explored.found.is_empty(), "{}", explored.found[0].script);
    assert_eq!(explored.not_compared(), 0);
}

/// One of each kind: a value, a list, a lease, an end, an event, a revision and a transaction.
#[rstest]
fn a_fault_is_found_and_its_script_fails_again(
    #[values(
        "values-are-trimmed",
        "txn-no-else",
        "keep-alive-adds-up",
        "ttl-late",
        "watch-folds-case",
        "time-left-names-no-keys"
    )]
    name: &str,
) {
    let fault = mutant(name);
    let explored = explored(&Target::new(fault.clone()), &search(2000));
    let found = explored.found.first().expect("the fault is found");
    let commands = found.program.steps.len();
    assert!(commands <= 12, "{commands} commands:\n{}", found.script);
    let path = found.file_name();
    let script = Scenario::parse(path.as_ref(), path.clone().into(), found.script.clone());
    let script = Arc::new(script.expect("the script is well-formed"));
    let run = |backend: &dyn kvspec::backend::Backend| {
        judge(&script, &runner::run(&script, backend, &Settings::default()))
    };
    assert!(matches!(run(&fault), Verdict::Failed(_)), "{}", found.script);
    assert_eq!(run(&MemoryBackend), Verdict::Passed, "{}", found.script);
}

#[test]
fn the_same_seed_makes_the_same_script() {
    let once = || {
        explored(&Target::new(mutant("time-left-names-no-keys")), &search(2000)).found[0]
            .script
            .clone()
    };
    assert_eq!(once(), once());
}

#[test]
fn two_stores_are_compared_without_the_model() {
    let (one, other) = (
        Target::new(mutant("time-left-names-no-keys")),
        Target::new(mutant("time-left-names-no-keys")),
    );
    let against = |other: &Target| {
        let subject = |target| Subject::new(target, target.ready().expect("it is there"));
        explore(
            subject(&one),
            Some(subject(other)),
            &search(500),
            &Settings::default(),
            &mut |_| {},
        )
    };
    assert_eq!(against(&other).found.len(), 0);
    assert_eq!(against(&Target::new(MemoryBackend)).found.len(), 1);
}

#[test]
fn what_a_list_of_known_failures_names_is_left_out() {
    let fault = || Target::new(mutant("compact-takes-its-delete"));
    assert_eq!(explored(&fault(), &search(300)).found.len(), 1);
    let list = "revision/watch-from-a-compacted-delete # the deletion is lost";
    let mut known = fault();
    known.know(KnownFailures::parse("list".as_ref(), list).expect("it is well-formed"));
    let explored = explored(&known, &search(300));
    assert!(explored.found.is_empty(), "{}", explored.found[0].script);
    assert_eq!(explored.left_out.len(), 1);
}

#[test]
fn every_shape_is_asked_for_by_a_scenario() {
    let suite = kvspec::scenario::embedded().expect("the suite is well-formed");
    for shape in Shape::ALL {
        assert!(suite.iter().any(|one| one.name == shape.scenario()), "{shape}");
    }
}

#[test]
fn a_command_that_is_not_drawn_says_why() {
    for draw in DRAWS {
        if let Drawn::Not(why) = draw.drawn {
            assert!(!why.is_empty(), "{}", draw.name);
        }
    }
}
