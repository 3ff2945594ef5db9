//! Judges a transcript against its script: a pure function, so that a recorded run can be judged again.

mod lapse;
mod replay;

use similar::{ChangeTag, TextDiff};

use self::lapse::lapse;
use self::replay::{Culprit, Replayed, replay};
use crate::scenario::Scenario;
use crate::store::ErrorKind;
use crate::transcript::{End, Transcript};

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// What the run of a case amounts to. The later in this list, the worse; the last two never count as passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every answer was the one that the contract demands.
    Passed,
    /// It was not run: why.
    Skipped(String),
    /// It failed, as a list of known failures says that it does: why.
    Known(String, Box<Mismatch>),
    /// The store answered otherwise than the contract demands.
    Failed(Box<Mismatch>),
    /// It passed, and a list of known failures says that it does not: what to strike out.
    Stale(String),
    /// Nothing can be said of the store: why.
    Inconclusive(String),
    /// kvspec could not do its job: why.
    Errored(String),
}

/// Where and how a store answered otherwise than the contract demands.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Mismatch {
    /// The line of the command whose answer was wrong, counted from 1.
    pub line: usize,
    /// That command.
    pub command: String,
    /// The script against what was observed, around every difference.
    pub diff: Vec<DiffLine>,
    /// The store's own words where it answered errors that were not expected.
    pub notes: Vec<String>,
}

/// One line of a diff.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum DiffLine {
    /// The line is the same in both, or lines were left out (`None`).
    Same(Option<String>),
    /// The script expects this line, and it was not observed.
    Expected(String),
    /// This line was observed, and the script does not expect it.
    Observed(String),
}

/// Judges what a scenario was seen to answer.
pub fn judge(scenario: &Scenario, transcript: &Transcript) -> Verdict {
    match &transcript.end {
        End::Finished => judge_answers(scenario, transcript),
        End::LeftBehind(reason) => match judge_answers(scenario, transcript) {
            // What was wrong is why it could not be taken away, and says more.
            Verdict::Failed(mut mismatch) => {
                mismatch.notes.push(format!("cleaning up: {reason}"));
                Verdict::Failed(mismatch)
            }
            _ => Verdict::Errored(reason.clone()),
        },
        End::Aborted => Verdict::Errored("interrupted before its end".into()),
        End::Lost(reason) => Verdict::Errored(format!("the server was lost: {reason}")),
        End::Broken(reason) => Verdict::Errored(reason.clone()),
    }
}

fn judge_answers(scenario: &Scenario, transcript: &Transcript) -> Verdict {
    let replayed = match replay(scenario, transcript) {
        Ok(replayed) => replayed,
        Err(error) => {
            return Verdict::Errored(format!("the transcript does not fit the script: {error}"));
        }
    };
    let Some(culprit) = replayed.culprit(&normal(&scenario.text)) else { return Verdict::Passed };
    if let Some(reason) = transcript.entries[culprit.entry].answer.unseen() {
        return Verdict::Inconclusive(reason);
    }
    match excuse(&replayed, &culprit, transcript) {
        Some(reason) => Verdict::Inconclusive(reason),
        None => Verdict::Failed(Box::new(mismatch(scenario, transcript, replayed, culprit))),
    }
}

/// Why a wrong answer says nothing: the machine was so slow that a time to live ran out before the script meant it to.
fn excuse(replayed: &Replayed, culprit: &Culprit, transcript: &Transcript) -> Option<String> {
    let entries = &transcript.entries[..=culprit.entry];
    let lapsed = lapse(replayed.commands.iter().zip(entries))?;
    // A call that hung is the store's own slowness, and excuses nothing.
    let hung = |kind| kind == ErrorKind::DeadlineExceeded;
    let has_hung = entries.iter().any(|entry| entry.answer.error().is_some_and(|e| hung(e.kind)));
    (!has_hung).then_some(lapsed)
}

/// The script as it would read if it expected what was observed.
pub fn observed_text(scenario: &Scenario, transcript: &Transcript) -> std::io::Result<String> {
    replay(scenario, transcript).map(|replayed| replayed.text)
}

/// A script without what does not count: the form of line ends, and empty lines at the end.
fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    format!("{}\n", text.trim_end_matches('\n'))
}

fn mismatch(
    scenario: &Scenario,
    transcript: &Transcript,
    replayed: Replayed,
    culprit: Culprit,
) -> Mismatch {
    let expected = normal(&scenario.text);
    let notes = replayed.notes(&expected, transcript);
    let diff = difference(&expected, &replayed.text);
    let Culprit { line, command, .. } = culprit;
    Mismatch { line, command, diff, notes }
}

/// The differences between two texts, with a few lines around each.
pub fn difference(expected: &str, observed: &str) -> Vec<DiffLine> {
    let diff = TextDiff::from_lines(expected, observed);
    let mut lines = Vec::new();
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push(DiffLine::Same(None));
        }
        for change in group.iter().flat_map(|op| diff.iter_changes(op)) {
            let text = change.value().trim_end_matches('\n').to_string();
            lines.push(match change.tag() {
                ChangeTag::Equal => DiffLine::Same(Some(text)),
                ChangeTag::Delete => DiffLine::Expected(text),
                ChangeTag::Insert => DiffLine::Observed(text),
            });
        }
    }
    lines
}
