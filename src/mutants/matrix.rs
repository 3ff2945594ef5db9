//! The kill matrix: which scenario notices which mutant.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use super::Mutant;
use crate::runner::{self, Settings};
use crate::scenario::Scenario;
use crate::verdict::{Mismatch, Verdict, judge};

/// What a suite noticed of a list of mutants.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    /// For each mutant's name, the scenarios that failed on it, sorted by name.
    pub kills: BTreeMap<&'static str, Vec<Kill>>,
    /// Scenarios that failed on no mutant: each is idle, or a mutant is missing.
    pub idle: Vec<String>,
    /// Mutants that no scenario of their own clause failed on, with the clause.
    pub survivors: Vec<(&'static str, &'static str)>,
}

/// One scenario that noticed a mutant.
#[derive(Debug, Clone)]
pub struct Kill {
    /// The scenario's name.
    pub scenario: String,
    /// How it noticed.
    pub mismatch: Box<Mismatch>,
}

impl Matrix {
    /// Whether every mutant was noticed and every scenario noticed one.
    pub fn is_whole(&self) -> bool {
        self.idle.is_empty() && self.survivors.is_empty()
    }
}

/// Runs every scenario on every mutant, in virtual time.
///
/// A mutant counts as noticed where a scenario that names its clause fails on it; one that only others notice has a
/// clause without teeth.
pub fn self_check(mutants: &[Mutant], scenarios: &[Arc<Scenario>]) -> Matrix {
    let found = run_all(mutants, scenarios);
    let mut matrix = Matrix::default();
    let mut used = vec![false; scenarios.len()];
    for mutant in mutants {
        matrix.kills.entry(mutant.name).or_default();
    }
    for (mutant, scenario, mismatch) in found {
        used[scenario] = true;
        let kill = Kill { scenario: scenarios[scenario].name.clone(), mismatch };
        matrix.kills.entry(mutants[mutant].name).or_default().push(kill);
    }
    matrix.kills.values_mut().for_each(|kills| kills.sort_by(|a, b| a.scenario.cmp(&b.scenario)));
    matrix.idle = scenarios
        .iter()
        .zip(used)
        .filter(|(_, used)| !used)
        .map(|(one, _)| one.name.clone())
        .collect();
    let names_clause = |name: &str, clause: &str| {
        scenarios.iter().any(|one| one.name == name && one.clauses.iter().any(|id| id == clause))
    };
    matrix.survivors = mutants
        .iter()
        .filter(|mutant| {
            !matrix.kills[mutant.name]
                .iter()
                .any(|kill| names_clause(&kill.scenario, mutant.clause))
        })
        .map(|mutant| (mutant.name, mutant.clause))
        .collect();
    matrix
}

type Found = (usize, usize, Box<Mismatch>);

fn run_all(mutants: &[Mutant], scenarios: &[Arc<Scenario>]) -> Vec<Found> {
    let next = AtomicUsize::new(0);
    let found = Mutex::new(Vec::new());
    let settings = Settings::default();
    thread::scope(|scope| {
        for _ in 0..thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let (mutant, scenario) = (index / scenarios.len(), index % scenarios.len());
                    let Some(backend) = mutants.get(mutant) else { return };
                    if !backend.takes(&scenarios[scenario]) {
                        continue;
                    }
                    let transcript = runner::run(&scenarios[scenario], backend, &settings);
                    if let Verdict::Failed(mismatch) = judge(&scenarios[scenario], &transcript) {
                        found
                            .lock()
                            .expect("no thread panics with the list")
                            .push((mutant, scenario, mismatch));
                    }
                }
            });
        }
    });
    found.into_inner().expect("no thread panics with the list")
}
