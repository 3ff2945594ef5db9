//! Stores broken on purpose: each must be noticed by a scenario of the very clause that it breaks.
//!
//! The whole matrix, which also tells idle scenarios, is `kvspec self-check`.

use std::collections::BTreeSet;
use std::sync::Arc;

use kvspec::contract;
use kvspec::mutants::{self, self_check};
use kvspec::scenario::{self, Scenario};

fn suite() -> Vec<Arc<Scenario>> {
    scenario::embedded().expect("the suite is whole").into_iter().map(Arc::new).collect()
}

#[test]
fn every_mutant_is_noticed_by_its_own_clause() {
    let suite = suite();
    let mut survivors = Vec::new();
    for mutant in mutants::all() {
        let names_clause = |one: &&Arc<Scenario>| one.clauses.iter().any(|id| id == mutant.clause);
        let own: Vec<_> = suite.iter().filter(names_clause).cloned().collect();
        survivors.extend(self_check(&[mutant], &own).survivors);
    }
    assert_eq!(survivors, []);
}

#[test]
fn mutants_are_many_and_named_apart() {
    let all = mutants::all();
    let names: BTreeSet<_> = all.iter().map(|mutant| mutant.name).collect();
    assert_eq!(names.len(), all.len());
    assert!(all.len() >= 60, "only {} mutants", all.len());
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
    assert!(suite().len() >= 100, "only {} scenarios are left", suite().len());
}
