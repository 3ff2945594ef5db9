//! The objects that the lines of a recorded run are.

use std::borrow::Cow;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::capability::Capabilities;
use crate::event::Tally;
use crate::known::Known;
use crate::plan::Shard;
use crate::scenario::Scenario;
use crate::transcript::Transcript;
use crate::verdict::{Mismatch, Verdict};

/// A whole line: what every line says, and the fields of its event next to it.
#[derive(Serialize)]
pub(super) struct Head<'a, T> {
    pub schema: u32,
    pub event: Cow<'a, str>,
    #[serde(flatten)]
    pub data: T,
}

/// What every line says.
#[derive(Deserialize)]
pub(super) struct Kind {
    pub schema: u32,
    pub event: String,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Started<'a> {
    pub kvspec: Cow<'a, str>,
    pub suite: Cow<'a, str>,
    pub unix_ms: u64,
    pub cases: usize,
    /// Not there in the runs that a kvspec without shards recorded.
    #[serde(default)]
    pub shard: Option<Shard>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TargetStarted<'a> {
    pub backend: Cow<'a, str>,
    pub about: Option<Cow<'a, str>>,
    pub missing: Option<Cow<'a, str>>,
    pub version: Option<Cow<'a, str>>,
    pub capabilities: Option<Cow<'a, Capabilities>>,
    pub cases: usize,
}

#[derive(Serialize)]
pub(super) struct CaseStarted<'a> {
    pub backend: &'a str,
    pub scenario: &'a str,
}

#[derive(Serialize, Deserialize)]
pub(super) struct CaseFinished<'a> {
    pub backend: Cow<'a, str>,
    pub scenario: Script<'a>,
    pub known: Option<Cow<'a, Known>>,
    pub verdict: Told<'a>,
    #[serde(with = "crate::wire")]
    pub took: Duration,
    pub transcript: Option<Cow<'a, Transcript>>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct TargetFinished<'a> {
    pub backend: Cow<'a, str>,
    pub tally: Cow<'a, Tally>,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Finished<'a> {
    pub ended_early: Option<Cow<'a, str>>,
    #[serde(with = "crate::wire")]
    pub took: Duration,
}

/// A scenario, whole: a recorded run needs no suite next to it to be read.
#[derive(Serialize, Deserialize)]
pub(super) struct Script<'a> {
    pub name: Cow<'a, str>,
    pub path: Cow<'a, str>,
    pub hash: Cow<'a, str>,
    pub text: Cow<'a, str>,
}

impl<'a> Script<'a> {
    pub(super) fn of(scenario: &'a Scenario) -> Self {
        Self {
            name: (&scenario.name).into(),
            path: scenario.path.to_string_lossy(),
            hash: scenario.hash().into(),
            text: (&scenario.text).into(),
        }
    }
}

/// A verdict: its kind in one word, and what belongs to it.
#[derive(Serialize, Deserialize)]
pub(super) struct Told<'a> {
    pub kind: Word,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<Cow<'a, str>>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub mismatch: Option<Cow<'a, Mismatch>>,
}

#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Passed,
    Skipped,
    Known,
    Failed,
    Stale,
    Unclear,
    Errored,
}

impl<'a> Told<'a> {
    pub(super) fn of(verdict: &'a Verdict) -> Self {
        let (kind, reason, mismatch) = match verdict {
            Verdict::Passed => (Word::Passed, None, None),
            Verdict::Skipped(reason) => (Word::Skipped, Some(reason), None),
            Verdict::Known(reason, mismatch) => (Word::Known, Some(reason), Some(mismatch)),
            Verdict::Failed(mismatch) => (Word::Failed, None, Some(mismatch)),
            Verdict::Stale(reason) => (Word::Stale, Some(reason), None),
            Verdict::Unclear(reason) => (Word::Unclear, Some(reason), None),
            Verdict::Errored(reason) => (Word::Errored, Some(reason), None),
        };
        let mismatch = mismatch.map(|mismatch| Cow::Borrowed(mismatch.as_ref()));
        Self { kind, reason: reason.map(Cow::from), mismatch }
    }

    /// The verdict; fails where what belongs to it is not there.
    pub(super) fn verdict(self) -> Result<Verdict, String> {
        let reason = self.reason.map(Cow::into_owned).ok_or("the verdict has no reason");
        let mismatch = self.mismatch.map(|mismatch| Box::new(mismatch.into_owned()));
        let mismatch = mismatch.ok_or("the verdict has no mismatch");
        Ok(match self.kind {
            Word::Passed => Verdict::Passed,
            Word::Skipped => Verdict::Skipped(reason?),
            Word::Known => Verdict::Known(reason?, mismatch?),
            Word::Failed => Verdict::Failed(mismatch?),
            Word::Stale => Verdict::Stale(reason?),
            Word::Unclear => Verdict::Unclear(reason?),
            Word::Errored => Verdict::Errored(reason?),
        })
    }
}
