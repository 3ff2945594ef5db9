//! The kill matrix: which scenario notices which mutant.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::Mutant;
use super::fault::{Call, MemoryStore, mutants};
use crate::runner::{self, Settings};
use crate::scenario::Scenario;
use crate::verdict::{Mismatch, Verdict, judge};

/// How many of the runs of scenarios on mutants are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// As many as it takes to show that every mutant is noticed by its own clause and that every scenario notices a
    /// mutant. Cheap scenarios are run first. The matrix holds what was seen on the way, not every kill.
    Proof,
    /// Every scenario on every mutant.
    Full,
}

/// What a suite noticed of a list of mutants.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    /// For each mutant's name, the scenarios that failed on it, sorted by name.
    pub kills: BTreeMap<&'static str, Vec<Kill>>,
    /// Scenarios that failed on no mutant: each is idle, or a mutant is missing.
    pub idle: Vec<String>,
    /// Mutants that no scenario of their own clause failed on, with the clause.
    pub survivors: Vec<(&'static str, &'static str)>,
    /// Scenarios that do not pass on the memory store without a fault, with what they ended in: their kills show nothing.
    pub unsound: Vec<(String, String)>,
    /// Runs on a mutant that neither passed nor failed, sorted by mutant and scenario.
    pub unjudged: Vec<Unjudged>,
    /// Mutants and scenarios that were to neither pass nor fail, and did.
    pub stale: Vec<(&'static str, String)>,
    /// How many runs were made on mutants.
    pub runs: usize,
}

/// One scenario that noticed a mutant.
#[derive(Debug, Clone)]
pub struct Kill {
    /// The scenario's name.
    pub scenario: String,
    /// How it noticed.
    pub mismatch: Box<Mismatch>,
}

/// A run on a mutant that neither passed nor failed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Unjudged {
    /// The mutant's name.
    pub mutant: &'static str,
    /// The scenario's name.
    pub scenario: String,
    /// What it ended in.
    pub ending: String,
    /// Why that is right, if the mutant says so.
    pub excuse: Option<&'static str>,
}

impl Matrix {
    /// Whether every mutant was noticed, every scenario noticed one, and nothing is wrong with the runs.
    pub fn is_whole(&self) -> bool {
        self.idle.is_empty() && self.survivors.is_empty() && self.is_sound()
    }

    /// Whether every scenario passes without a fault, and every run on a mutant passed or failed unless the mutant says
    /// otherwise.
    pub fn is_sound(&self) -> bool {
        self.unsound.is_empty() && self.stale.is_empty() && self.unexcused().next().is_none()
    }

    /// The runs that neither passed nor failed though their mutant does not say so.
    pub fn unexcused(&self) -> impl Iterator<Item = &Unjudged> {
        self.unjudged.iter().filter(|run| run.excuse.is_none())
    }
}

/// Runs scenarios on mutants in virtual time, as many as `extent` asks for.
///
/// A mutant counts as noticed if a scenario that names its clause fails on it; a mutant that only other scenarios notice
/// shows that the clause has no test. `extent` changes neither [`idle`](Matrix::idle) nor
/// [`survivors`](Matrix::survivors).
pub fn self_check(mutants: &[Mutant], scenarios: &[Arc<Scenario>], extent: Extent) -> Matrix {
    let sound = each(0..scenarios.len(), |index| run_sound(&scenarios[index]));
    let costs = sound.iter().map(|(cost, _)| *cost).collect();
    let check = Check { mutants, scenarios, costs, seen: Mutex::default() };
    match extent {
        Extent::Proof => {
            check.kill_mutants();
            check.use_scenarios();
        }
        Extent::Full => check.run_all(),
    }
    let mut matrix = check.into_matrix();
    let wrong = |(one, (_, verdict)): (&Arc<Scenario>, (Duration, Verdict))| {
        (verdict != Verdict::Passed).then(|| (one.name.clone(), ending(verdict)))
    };
    matrix.unsound = scenarios.iter().zip(sound).filter_map(wrong).collect();
    matrix
}

mutants! {
    fn sound(next, client);
    "none", None, "Does nothing wrong."
}

/// Runs a scenario on the store below the mutants; how long it took, and its verdict.
fn run_sound(scenario: &Scenario) -> (Duration, Verdict) {
    let sound = sound().remove(0);
    let sound = if sound.takes(scenario) { sound } else { sound.with_directories() };
    let started = Instant::now();
    let verdict = run(&sound, scenario);
    (started.elapsed(), verdict)
}

fn run(mutant: &Mutant, scenario: &Scenario) -> Verdict {
    judge(scenario, &runner::run(scenario, mutant, &Settings::default()))
}

/// Why a run that neither passed nor failed ended so; for one that failed, where.
fn ending(verdict: Verdict) -> String {
    match verdict {
        Verdict::Passed => "passed".into(),
        Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => {
            format!("it fails in line {}: {}", mismatch.line, mismatch.command)
        }
        Verdict::Skipped(reason)
        | Verdict::Stale(reason)
        | Verdict::Unclear(reason)
        | Verdict::Errored(reason) => reason,
    }
}

/// The runs of a check, and what they were seen to end in.
struct Check<'a> {
    mutants: &'a [Mutant],
    scenarios: &'a [Arc<Scenario>],
    /// How long each scenario takes on a store without a fault.
    costs: Vec<Duration>,
    /// By mutant and scenario.
    seen: Mutex<BTreeMap<(usize, usize), Verdict>>,
}

impl Check<'_> {
    /// Runs the scenarios of each mutant's own clause until one fails, the cheapest first.
    fn kill_mutants(&self) {
        each(0..self.mutants.len(), |mutant| {
            let mut own: Vec<_> =
                (0..self.scenarios.len()).filter(|one| self.is_own(mutant, *one)).collect();
            own.sort_by_key(|scenario| magnitude(self.costs[*scenario]));
            own.into_iter().any(|scenario| self.kills(mutant, scenario))
        });
    }

    /// Runs each scenario that has noticed no mutant yet until it does, first on those of its own clauses.
    fn use_scenarios(&self) {
        let used: BTreeSet<_> = self.kill_places().map(|(_, scenario)| scenario).collect();
        let mut idle: Vec<_> =
            (0..self.scenarios.len()).filter(|scenario| !used.contains(scenario)).collect();
        // The longest first, so that no thread is left with it at the end.
        idle.sort_by_key(|scenario| Reverse(self.costs[*scenario]));
        each(idle, |scenario| {
            let mut mutants: Vec<_> = (0..self.mutants.len()).collect();
            mutants.sort_by_key(|mutant| !self.is_own(*mutant, scenario));
            mutants.into_iter().any(|mutant| self.kills(mutant, scenario))
        });
    }

    fn run_all(&self) {
        let count = self.scenarios.len();
        each(0..self.mutants.len() * count, |index| self.kills(index / count, index % count));
    }

    /// Whether the scenario checks the clause that the mutant breaks.
    fn is_own(&self, mutant: usize, scenario: usize) -> bool {
        let clause = self.mutants[mutant].clause;
        self.scenarios[scenario].clauses.iter().any(|id| id == clause)
    }

    /// Whether the scenario fails on the mutant. Runs it unless it was run before, or makes no sense on that store.
    fn kills(&self, mutant: usize, scenario: usize) -> bool {
        let seen = || self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let (backend, script) = (&self.mutants[mutant], &self.scenarios[scenario]);
        if !backend.takes(script) || seen().contains_key(&(mutant, scenario)) {
            return false;
        }
        let verdict = run(backend, script);
        let has_failed = matches!(verdict, Verdict::Failed(_));
        seen().insert((mutant, scenario), verdict);
        has_failed
    }

    /// The runs that failed, by mutant and scenario.
    fn kill_places(&self) -> impl Iterator<Item = (usize, usize)> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let failed = seen.iter().filter(|(_, verdict)| matches!(verdict, Verdict::Failed(_)));
        failed.map(|(place, _)| *place).collect::<Vec<_>>().into_iter()
    }

    fn into_matrix(self) -> Matrix {
        let mut matrix = Matrix::default();
        let mut used = vec![false; self.scenarios.len()];
        let mut noticed = vec![false; self.mutants.len()];
        for (mutant, scenario) in self.kill_places() {
            used[scenario] = true;
            noticed[mutant] |= self.is_own(mutant, scenario);
        }
        let unused = self.scenarios.iter().zip(used).filter(|(_, used)| !used);
        matrix.idle = unused.map(|(one, _)| one.name.clone()).collect();
        let unnoticed = self.mutants.iter().zip(noticed).filter(|(_, noticed)| !noticed);
        matrix.survivors = unnoticed.map(|(one, _)| (one.name, one.clause)).collect();
        matrix.kills = self.mutants.iter().map(|mutant| (mutant.name, Vec::new())).collect();
        let seen = self.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        matrix.runs = seen.len();
        for ((mutant, scenario), verdict) in seen {
            matrix.take(&self.mutants[mutant], &self.scenarios[scenario].name, verdict);
        }
        matrix
            .kills
            .values_mut()
            .for_each(|kills| kills.sort_by(|a, b| a.scenario.cmp(&b.scenario)));
        matrix.unjudged.sort();
        matrix
    }
}

impl Matrix {
    fn take(&mut self, mutant: &Mutant, scenario: &str, verdict: Verdict) {
        let listed = mutant.unclear.iter().find(|(name, _)| *name == scenario);
        let (mutant, scenario) = (mutant.name, scenario.to_string());
        if listed.is_some() && matches!(verdict, Verdict::Passed | Verdict::Failed(_)) {
            self.stale.push((mutant, scenario.clone()));
        }
        match verdict {
            Verdict::Passed => {}
            Verdict::Failed(mismatch) => {
                self.kills.entry(mutant).or_default().push(Kill { scenario, mismatch });
            }
            other => {
                let excuse = listed.map(|(_, reason)| *reason);
                self.unjudged.push(Unjudged { mutant, scenario, ending: ending(other), excuse });
            }
        }
    }
}

/// A time in powers of four of a microsecond: scenarios that cost about the same keep their order from run to run.
fn magnitude(cost: Duration) -> u32 {
    cost.as_micros().checked_ilog2().map_or(0, |power| power / 2)
}

/// Does something for each number on as many threads as there are cores, and gives the results in their order.
fn each<T: Send>(
    numbers: impl IntoIterator<Item = usize>,
    job: impl Fn(usize) -> T + Sync,
) -> Vec<T> {
    let numbers: Vec<_> = numbers.into_iter().collect();
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        loop {
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(number) = numbers.get(place) else { return done };
            done.push((place, job(*number)));
        }
    };
    let cores = thread::available_parallelism().map_or(1, usize::from);
    let mut done: Vec<_> = thread::scope(|scope| {
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let joined = workers.into_iter().map(|worker| worker.join());
        joined.flat_map(|done| done.expect("kvspec itself does not panic")).collect()
    });
    done.sort_by_key(|(place, _)| *place);
    done.into_iter().map(|(_, result)| result).collect()
}
