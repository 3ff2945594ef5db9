//! Which failures are run again with nothing next to them, and what that shows.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::verdict::{DiffLine, Mismatch, Verdict};

/// How long all failures together may take that are run again.
const BUDGET: Duration = Duration::from_secs(10);

/// How many of the cases are named that ran at the same time.
const NAMED: usize = 6;

/// What ran at the same time, and which failures were run again.
#[derive(Debug)]
pub(super) struct Alone(Mutex<State>);

#[derive(Debug)]
struct State {
    budget: Duration,
    /// The causes that were looked into.
    causes: BTreeSet<String>,
    /// The cases that run, each with those that ran at the same time.
    running: BTreeMap<String, BTreeSet<String>>,
    /// How many have run.
    count: usize,
}

impl Alone {
    pub fn new() -> Self {
        let (causes, running) = Default::default();
        Self(Mutex::new(State { budget: BUDGET, causes, running, count: 0 }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A case begins.
    pub fn enter(&self, name: &str) {
        let mut state = self.state();
        state.count += 1;
        let others: BTreeSet<_> = state.running.keys().cloned().collect();
        state.running.values_mut().for_each(|beside| {
            beside.insert(name.into());
        });
        state.running.insert(name.into(), others);
    }

    /// A case is over; which others ran at the same time.
    pub fn leave(&self, name: &str) -> BTreeSet<String> {
        self.state().running.remove(name).unwrap_or_default()
    }

    /// Whether a failure is to be run again, which takes so long: the first of each cause is, while there is time for it.
    pub fn takes(&self, mismatch: &Mismatch, cost: Duration) -> bool {
        let mut state = self.state();
        // A case that was never among others is alone anyway.
        if state.count < 2 || cost > state.budget || !state.causes.insert(cause(mismatch)) {
            return false;
        }
        state.budget -= cost;
        true
    }
}

/// The command of the first wrong answer and what it answered, without the numbers that differ from case to case.
fn cause(mismatch: &Mismatch) -> String {
    let word = mismatch.command.split(' ').next().unwrap_or_default();
    let observed = mismatch.diff.iter().find_map(|line| match line {
        DiffLine::Observed(line) => Some(line.chars().filter(|c| !c.is_ascii_digit())),
        DiffLine::Expected(_) | DiffLine::Same(_) => None,
    });
    format!("{word} {}", observed.into_iter().flatten().collect::<String>())
}

/// What a failure amounts to that was run again alone with this verdict.
pub(super) fn weighed(
    mut mismatch: Box<Mismatch>,
    again: &Verdict,
    is_exclusive: bool,
    beside: &BTreeSet<String>,
) -> Verdict {
    match again {
        Verdict::Passed if is_exclusive => {
            let reason = "it failed and passed when it was run again: another client may have written in between, which moves the revision that it counts";
            return Verdict::Unclear(reason.into());
        }
        Verdict::Passed => {
            let names: Vec<_> = beside.iter().take(NAMED).map(String::as_str).collect();
            let names = names.join(" ");
            let note = format!(
                "it passes alone, so it needs other clients at the same time; these ran: {names}"
            );
            mismatch.notes.push(note);
        }
        Verdict::Failed(_) => mismatch.notes.push("it fails alone too".into()),
        Verdict::Skipped(_)
        | Verdict::Known(..)
        | Verdict::Stale(_)
        | Verdict::Unclear(_)
        | Verdict::Errored(_) => {}
    }
    Verdict::Failed(mismatch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mismatch(observed: &str) -> Mismatch {
        let diff = vec![DiffLine::Observed(observed.into())];
        let (clause, missing, notes) = (None, None, Vec::new());
        Mismatch { line: 1, command: "read k".into(), clause, missing, diff, notes }
    }

    #[test]
    fn each_cause_is_run_again_once_while_there_is_time() {
        let alone = Alone::new();
        let second = Duration::from_secs(1);
        alone.enter("a");
        assert!(!alone.takes(&mismatch("x"), second), "nothing ran at the same time");
        alone.enter("b");
        assert!(alone.takes(&mismatch("x1"), second));
        assert!(!alone.takes(&mismatch("x2"), second), "it is the same cause");
        assert!(!alone.takes(&mismatch("y"), BUDGET), "there is no time for it");
        assert!(alone.takes(&mismatch("z"), second));
        assert_eq!(alone.leave("b"), BTreeSet::from(["a".into()]));
        assert_eq!(alone.leave("a"), BTreeSet::from(["b".into()]));
    }

    #[test]
    fn what_passes_alone_says_what_ran_next_to_it_and_is_unclear_if_it_counts_revisions() {
        let beside = BTreeSet::from(["core/a".to_owned()]);
        let weigh = |again: &Verdict, is_exclusive| {
            weighed(Box::new(mismatch("x")), again, is_exclusive, &beside)
        };
        let Verdict::Failed(failed) = weigh(&Verdict::Passed, false) else { panic!("it failed") };
        assert!(failed.notes[0].ends_with("these ran: core/a"), "{:?}", failed.notes);
        assert!(matches!(weigh(&Verdict::Passed, true), Verdict::Unclear(_)));
        let again = Verdict::Failed(Box::new(mismatch("x")));
        let Verdict::Failed(failed) = weigh(&again, true) else { panic!("it failed") };
        assert_eq!(failed.notes, ["it fails alone too"]);
    }
}
