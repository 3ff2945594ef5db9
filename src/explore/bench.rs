//! Where a program runs: in this thread on virtual time, else concurrently with others, as the cases of a suite do.

use std::sync::Arc;

use super::Subject;
use super::compare::{Comparison, compare};
use super::program::Program;
use crate::backend::Clock;
use crate::plan::Case;
use crate::runner::{self, Settings};
use crate::suite::Floor;
use crate::target::Ready;
use crate::transcript::Transcript;
use crate::verdict::Verdict;

/// A store that programs run on.
pub(super) struct Bench<'a> {
    name: String,
    ready: &'a Ready,
    settings: Settings,
    /// Where cases wait for their turn, on a store in real time.
    floor: Option<Arc<Floor>>,
}

impl<'a> Bench<'a> {
    pub fn new(subject: Subject<'a>, settings: &Settings, jobs: Option<usize>) -> Self {
        let Subject { name, ready, floor, .. } = subject;
        let is_virtual = ready.backend.clock() == Clock::Virtual;
        let own = || Arc::new(Floor::new(ready, settings, jobs));
        let floor = (!is_virtual).then(|| floor.unwrap_or_else(own));
        Self { name: name.into(), ready, settings: settings.clone(), floor }
    }

    /// Runs a program, of which these answers are expected, and compares; with what was seen.
    pub fn run(
        &self,
        program: &Program,
        expected: &Transcript,
    ) -> (Comparison, Option<Transcript>) {
        let Some(floor) = &self.floor else {
            let seen = runner::run(&program.bare(), self.ready.backend.as_ref(), &self.settings);
            return (compare(program, expected, &seen), Some(seen));
        };
        let scenario = match program.script("# A random program.", expected) {
            Ok(scenario) => Arc::new(scenario),
            Err(error) => return (Comparison::Unclear(error.to_string()), None),
        };
        let case = Case::new(self.name.clone(), scenario);
        let outcome = floor.run(floor.queue(&case), self.ready, || {});
        let Some(seen) = outcome.transcript else {
            return (Comparison::Unclear("it was not run".into()), None);
        };
        let compared = match outcome.verdict {
            Verdict::Unclear(reason)
            | Verdict::Errored(reason)
            | Verdict::Skipped(reason)
            | Verdict::Stale(reason) => Comparison::Unclear(reason),
            Verdict::Passed | Verdict::Failed(_) | Verdict::Known(..) => {
                compare(program, expected, &seen)
            }
        };
        (compared, Some(seen))
    }

    /// Whether programs run side by side because they mostly wait.
    pub fn is_waiting(&self) -> bool {
        self.floor.is_some()
    }
}
