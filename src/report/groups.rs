//! What became of the cases of each group of clauses.

use std::collections::BTreeMap;

use crate::event::{Outcome, Tally};

/// The tallies of a backend's cases, by the letter of each group of clauses that a case checks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Groups {
    tallies: BTreeMap<String, Tally>,
}

impl Groups {
    /// Counts a case in each of its groups, once; one that failed in the group of the clause that was broken.
    pub fn add(&mut self, outcome: &Outcome) {
        for letter in outcome.groups() {
            self.tallies.entry(letter.into()).or_default().add(outcome);
        }
    }

    /// The tally of the group of that letter, where a case was in it.
    pub fn tally(&self, letter: &str) -> Option<&Tally> {
        self.tallies.get(letter)
    }
}
