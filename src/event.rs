//! The few events of a run that all reports are made from.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use crate::plan::Case;
use crate::target::Capabilities;
use crate::transcript::{End, Transcript};
use crate::verdict::Verdict;

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run begins.
    Started {
        /// The version of the kvspec that runs it.
        kvspec: &'a str,
        /// A hash of its scenarios, which changes when one of them does.
        suite: &'a str,
        /// When it begins.
        at: SystemTime,
        /// How many cases there are.
        cases: usize,
    },
    /// The cases of a target begin, or are all skipped.
    TargetStarted {
        /// The backend's name.
        name: &'a str,
        /// What it is, or why it is not there.
        about: Result<&'a str, &'a str>,
        /// The version of what stands behind it, where it says one.
        version: Option<&'a str>,
        /// What its stores can do, where it is there.
        capabilities: Option<&'a Capabilities>,
        /// How many cases it has.
        cases: usize,
    },
    /// A case begins.
    CaseStarted {
        /// The case.
        case: &'a Case,
    },
    /// A case is over.
    CaseFinished {
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// The cases of a target are over.
    TargetFinished {
        /// The backend's name.
        name: &'a str,
        /// What became of them.
        tally: &'a Tally,
    },
    /// The run is over.
    Finished {
        /// What became of it.
        summary: &'a Summary,
    },
}

/// What became of a case.
#[derive(Debug, Clone)]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What it amounts to.
    pub verdict: Verdict,
    /// What was seen; empty where it was skipped.
    pub transcript: Option<Transcript>,
    /// How long it took by the wall clock.
    pub took: Duration,
}

impl Outcome {
    /// Whether the case was cut off, or never begun, because the run ended early: that says nothing of the case itself.
    pub fn is_unfinished(&self) -> bool {
        let end = self.transcript.as_ref().map(|transcript| &transcript.end);
        matches!(end, Some(End::Aborted | End::Lost(_)))
    }
}

/// What became of the cases of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Tally {
    /// How many passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many failed as a list of known failures says.
    pub known: usize,
    /// How many could not be judged.
    pub inconclusive: usize,
    /// How many kvspec itself failed at.
    pub errored: usize,
    /// How many were cut off, or never begun, because the run ended early.
    pub unfinished: usize,
    /// How many were skipped, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// How long they took together by the wall clock.
    #[cfg_attr(feature = "report", serde(with = "crate::wire"))]
    pub took: Duration,
}

impl Tally {
    /// How many cases were counted.
    pub fn cases(&self) -> usize {
        let judged = self.passed + self.failed + self.known + self.inconclusive + self.errored;
        judged + self.unfinished + self.skipped.values().sum::<usize>()
    }

    /// Counts one more case.
    pub fn add(&mut self, outcome: &Outcome) {
        match &outcome.verdict {
            _ if outcome.is_unfinished() => self.unfinished += 1,
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) | Verdict::Stale(_) => self.failed += 1,
            Verdict::Known(..) => self.known += 1,
            Verdict::Inconclusive(_) => self.inconclusive += 1,
            Verdict::Errored(_) => self.errored += 1,
            Verdict::Skipped(reason) => *self.skipped.entry(reason.clone()).or_default() += 1,
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// What became of each target's cases, in the order of the run.
    pub tallies: Vec<(String, Tally)>,
    /// Why the run ended before its end, where it did.
    pub ended_early: Option<String>,
    /// How long it took by the wall clock.
    pub took: Duration,
}

impl Summary {
    /// Whether any case failed.
    pub fn has_failed(&self) -> bool {
        self.tallies.iter().any(|(_, tally)| tally.failed > 0)
    }

    /// Whether any case could not be judged, or the run ended before its end.
    pub fn is_unjudged(&self) -> bool {
        self.ended_early.is_some()
            || self.tallies.iter().any(|(_, tally)| tally.inconclusive + tally.errored > 0)
    }
}
