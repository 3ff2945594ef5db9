//! The few events of a run that all reports are made from.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};

#[doc(inline)]
pub use crate::capability::Capabilities;
use crate::contract;
#[doc(inline)]
pub use crate::plan::{Case, Shard};
use crate::transcript::{End, Transcript};
#[doc(inline)]
pub use crate::verdict::{DiffLine, Mismatch, Verdict};

/// Something that happened in a run.
#[derive(Debug)]
#[non_exhaustive]
pub enum RunEvent<'a> {
    /// The run begins.
    Started {
        /// The version of the kvspec that runs it.
        kvspec: &'a str,
        /// A hash of its scenarios, which changes when one of them does; of all scenarios where it runs a shard of them.
        suite: &'a str,
        /// When it begins.
        at: SystemTime,
        /// How many cases there are.
        cases: usize,
        /// Which shard of the scenarios it runs, if it does not run them all.
        shard: Option<Shard>,
    },
    /// The cases of a target begin, or are all skipped.
    TargetStarted {
        /// The backend's name.
        name: &'a str,
        /// What it is, or why it is not there.
        about: Result<&'a str, &'a str>,
        /// The version of what stands behind it, where it says one.
        version: Option<&'a str>,
        /// What its stores can do, if it is there.
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
#[non_exhaustive]
pub struct Outcome {
    /// The case.
    pub case: Case,
    /// What it amounts to.
    pub verdict: Verdict,
    /// What was seen; empty if it was skipped.
    pub transcript: Option<Transcript>,
    /// How long it took by the wall clock.
    pub took: Duration,
}

impl Outcome {
    /// What became of a case that took so long.
    pub fn new(
        case: Case,
        verdict: Verdict,
        transcript: Option<Transcript>,
        took: Duration,
    ) -> Self {
        Self { case, verdict, transcript, took }
    }

    /// Whether the case was cut off, or never begun, because the run ended early: that says nothing of the case itself.
    pub fn is_unfinished(&self) -> bool {
        let end = self.transcript.as_ref().map(|transcript| &transcript.end);
        matches!(end, Some(End::Aborted | End::Lost(_)))
    }

    /// The letters of the groups of clauses that it counts in: where it failed and the broken clause is known, that
    /// clause's alone, or else those of all clauses of its scenario.
    pub fn groups(&self) -> BTreeSet<&'static str> {
        let broken = match &self.verdict {
            Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => mismatch.clause.as_deref(),
            Verdict::Passed
            | Verdict::Skipped(_)
            | Verdict::Stale(_)
            | Verdict::Unclear(_)
            | Verdict::Errored(_) => None,
        };
        match broken.and_then(contract::clause) {
            Some(clause) => BTreeSet::from([clause.group()]),
            None => contract::groups(&self.case.scenario),
        }
    }
}

/// What became of the cases of one target.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Tally {
    /// How many passed.
    pub passed: usize,
    /// How many failed.
    pub failed: usize,
    /// How many failed as a list of known failures says.
    pub known: usize,
    /// How many could not be judged.
    pub unclear: usize,
    /// How many kvspec itself failed at.
    pub errored: usize,
    /// How many were cut off, or never begun, because the run ended early.
    pub unfinished: usize,
    /// How many were skipped, by reason.
    pub skipped: BTreeMap<String, usize>,
    /// What they could not take away of what they wrote; no verdict depends on it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub left: Option<Left>,
    /// How long they took together by the wall clock.
    #[serde(with = "crate::wire")]
    pub took: Duration,
}

/// What cases left in a store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Left {
    /// How many cases left something.
    pub cases: usize,
    /// What the first of them left, and why.
    pub first: String,
}

impl Left {
    /// A sentence about it.
    pub fn sentence(&self) -> String {
        let cases = if self.cases == 1 { "1 case" } else { &format!("{} cases", self.cases) };
        format!(
            "{cases} left something behind, which no verdict depends on; the first: {}",
            self.first
        )
    }
}

impl Tally {
    /// How many cases were counted.
    pub fn cases(&self) -> usize {
        let judged = self.passed + self.failed + self.known + self.unclear + self.errored;
        judged + self.unfinished + self.skipped.values().sum::<usize>()
    }

    /// Counts one more case.
    pub fn add(&mut self, outcome: &Outcome) {
        if let Some(End::LeftBehind(reason)) = outcome.transcript.as_ref().map(|one| &one.end) {
            let left = self.left.get_or_insert_with(|| Left { cases: 0, first: reason.clone() });
            left.cases += 1;
        }
        match &outcome.verdict {
            _ if outcome.is_unfinished() => self.unfinished += 1,
            Verdict::Passed => self.passed += 1,
            Verdict::Failed(_) | Verdict::Stale(_) => self.failed += 1,
            Verdict::Known(..) => self.known += 1,
            Verdict::Unclear(_) => self.unclear += 1,
            Verdict::Errored(_) => self.errored += 1,
            Verdict::Skipped(reason) => *self.skipped.entry(reason.clone()).or_default() += 1,
        }
    }
}

/// What became of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Summary {
    /// What became of each target's cases, in the order of the run.
    pub tallies: Vec<(String, Tally)>,
    /// Why the run ended before its end, if it did.
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
            || self.tallies.iter().any(|(_, tally)| tally.unclear + tally.errored > 0)
    }
}
