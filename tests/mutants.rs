//! Stores broken on purpose: each must be noticed by a scenario of the very clause that it breaks.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::{StreamExt, stream};
use kvspec::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::contract;
use kvspec::mutants::{self, Extent, Mutant, self_check};
use kvspec::scenario::{self, Scenario};
use kvspec::store::{Call, Layer, Reply, Result};

fn suite() -> Vec<Arc<Scenario>> {
    scenario::embedded().expect("the suite is whole").into_iter().map(Arc::new).collect()
}

#[test]
fn every_mutant_is_noticed_by_its_own_clause_and_no_scenario_is_idle() {
    let matrix = self_check(&mutants::all(), &suite(), Extent::Proof);
    assert_eq!(matrix.survivors, []);
    assert_eq!(matrix.idle, [""; 0]);
    assert_eq!(matrix.unsound, []);
    assert_eq!(matrix.unexcused().cloned().collect::<Vec<_>>(), []);
    assert_eq!(matrix.stale, []);
}

#[test]
fn a_proof_finds_the_survivors_and_idle_scenarios_that_all_runs_find() {
    // Only part of each, so that both lists have something in them.
    let mutants: Vec<_> = mutants::all().into_iter().step_by(9).collect();
    let scenarios: Vec<_> = suite().into_iter().step_by(5).collect();
    let proof = self_check(&mutants, &scenarios, Extent::Proof);
    let full = self_check(&mutants, &scenarios, Extent::Full);
    assert!(!proof.survivors.is_empty() && !proof.idle.is_empty());
    assert!(proof.survivors.len() < mutants.len() && proof.idle.len() < scenarios.len());
    assert_eq!(proof.survivors, full.survivors);
    assert_eq!(proof.idle, full.idle);
    assert!(proof.runs < full.runs, "{} runs instead of {}", proof.runs, full.runs);
}

#[test]
fn a_scenario_that_fails_without_a_fault_proves_nothing() {
    let wrong = script("wrong", "update k v\nread k\n---\nw\n");
    let matrix = self_check(&mutants::all()[..1], &[wrong], Extent::Proof);
    assert_eq!(matrix.unsound, [("wrong".into(), "it fails in line 5: read k".into())]);
    assert!(!matrix.is_whole());
}

/// A script of clause K1.
fn script(name: &str, text: &str) -> Arc<Scenario> {
    let path = PathBuf::from(format!("{name}.kv"));
    let text = format!("# A law.\n# clauses: K1\n\n{text}");
    Arc::new(Scenario::parse(&path.clone(), path, text).expect("it is well formed"))
}

/// Panics when a watch is read.
struct Panics;

#[async_trait]
impl Layer<MemoryStore> for Panics {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        match call {
            Call::Watch { .. } => Ok(stream::once(async { panic!("no event") }).boxed().into()),
            call => call.perform(next.as_ref()).await,
        }
    }
}

#[test]
fn a_run_that_neither_passes_nor_fails_is_a_gap_unless_its_mutant_lists_it() {
    let scenarios = [script("unclear", "watch k as=w\n---\nok\n")];
    let panics = Mutant::new("panics", "K1", "Its watches panic.", || Arc::new(Panics));
    let matrix = self_check(std::slice::from_ref(&panics), &scenarios, Extent::Full);
    assert_eq!(matrix.unjudged[0].ending, "watch w panicked: no event");
    assert_eq!(matrix.unexcused().count(), 1);
    assert!(!matrix.is_sound());

    let listed = panics.with_unclear(&[("unclear", "nobody asks for the event")]);
    let matrix = self_check(&[listed], &scenarios, Extent::Full);
    assert_eq!(matrix.unjudged[0].excuse, Some("nobody asks for the event"));
    assert!(matrix.is_sound());
}

#[test]
fn a_run_that_is_listed_as_unclear_and_passes_is_a_gap() {
    let all = mutants::all();
    let first = all.into_iter().next().expect("mutants").with_unclear(&[("clear", "no reason")]);
    let matrix = self_check(&[first], &[script("clear", "read k\n---\n(none)\n")], Extent::Full);
    assert_eq!(matrix.stale, [("update-does-nothing", "clear".into())]);
    assert!(!matrix.is_sound());
}

#[test]
fn mutants_are_named_apart() {
    let all = mutants::all();
    let names: BTreeSet<_> = all.iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), all.len());
    let unknown: Vec<_> =
        all.iter().filter(|mutant| contract::clause(mutant.clause).is_none()).collect();
    assert!(
        unknown.is_empty(),
        "mutants of clauses that are none: {:?}",
        unknown.iter().map(|one| one.name).collect::<Vec<_>>()
    );
}

#[test]
fn every_clause_has_a_mutant() {
    let broken: BTreeSet<_> = mutants::all().iter().map(|mutant| mutant.clause).collect();
    let unbroken: Vec<_> =
        contract::clauses().iter().filter(|clause| !broken.contains(clause.id.as_str())).collect();
    assert!(
        unbroken.is_empty(),
        "no mutant breaks {:?}",
        unbroken.iter().map(|one| &one.id).collect::<Vec<_>>()
    );
}

#[test]
fn contract_and_suite_have_no_gaps() {
    assert_eq!(contract::gaps(&suite()), Vec::<String>::new());
}

#[test]
fn a_wrong_event_at_the_end_of_a_ttl_is_a_failure_on_virtual_time() {
    let is_meant = |mutant: &mutants::Mutant| mutant.name == "watch-delete-is-put";
    let mutants: Vec<_> = mutants::all().into_iter().filter(is_meant).collect();
    let mut scenarios = suite();
    scenarios.retain(|scenario| scenario.name == "core/watch/expiry-is-a-delete");
    let matrix = self_check(&mutants, &scenarios, Extent::Full);
    assert_eq!(matrix.kills["watch-delete-is-put"].len(), 1);
    assert_eq!(matrix.unjudged, []);
}
