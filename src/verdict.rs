//! Judges a transcript against its script: a pure function, so that a recorded run can be judged again.

mod charge;
mod replay;
mod slow_machine;

use serde::{Deserialize, Serialize};
use similar::{ChangeTag, TextDiff};

use self::charge::{Wrong, charge};
use self::replay::{FirstMismatch, Replayed, replay};
use self::slow_machine::{Step, excuse};
use crate::backend::Clock;
use crate::scenario::Scenario;
use crate::store::ErrorKind;
use crate::transcript::{Answer, End, Transcript};
use crate::words::{OUTSIDE, quote_value};

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// What is said where a key was answered that does not lie below the prefix of the scenario.
const FOREIGN: &str = "kvspec: 'outside:' marks a key that does not begin with the prefix that was asked for: the store answers with keys of other clients, or with names that it changed";

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
    /// Neither that the store is right nor that it is wrong was seen: why.
    Unclear(String),
    /// kvspec could not do its job: why.
    Errored(String),
}

/// Where and how a store answered otherwise than the contract demands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// The line of the command whose answer was wrong, counted from 1.
    pub line: usize,
    /// That command.
    pub command: String,
    /// The clause that the answer breaks, where the answer shows which.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub clause: Option<String>,
    /// The functions that do not work at all, and what is not judged for want of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<String>,
    /// The script against what was observed, around every difference.
    pub diff: Vec<DiffLine>,
    /// One sentence about each error that was not expected, which says whose words it is in.
    pub notes: Vec<String>,
}

impl Mismatch {
    /// Whether a key was answered that does not lie below the scenario's prefix.
    pub(crate) fn has_outside(&self) -> bool {
        self.diff.iter().any(|line| match line {
            DiffLine::Observed(line) => line.contains(OUTSIDE),
            DiffLine::Expected(_) | DiffLine::Same(_) => false,
        })
    }

    /// The clauses of the failure, the one that is broken first, then those of the script.
    pub fn clauses<'a>(&'a self, scenario: &'a Scenario) -> impl Iterator<Item = &'a str> {
        let broken = self.clause.as_deref();
        let others = scenario.clauses.iter().map(String::as_str);
        broken.into_iter().chain(others.filter(move |id| Some(*id) != broken))
    }
}

/// One line of a diff.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
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
            verdict => verdict,
        },
        End::Collapsed(reason) => match judge_answers(scenario, transcript) {
            Verdict::Failed(mismatch) => Verdict::Failed(mismatch),
            _ => Verdict::Errored(reason.clone()),
        },
        End::Disturbed(reason) | End::Slow(reason) => Verdict::Unclear(reason.clone()),
        End::Aborted => Verdict::Errored("interrupted before its end".into()),
        End::Lost(reason) => Verdict::Errored(format!("interrupted: {reason}")),
        End::Broken(reason) | End::Unopened(reason) => Verdict::Errored(reason.clone()),
    }
}

fn judge_answers(scenario: &Scenario, transcript: &Transcript) -> Verdict {
    let replayed = match replay(scenario, transcript) {
        Ok(replayed) => replayed,
        Err(error) => {
            return Verdict::Errored(format!("the transcript does not fit the script: {error}"));
        }
    };
    let expected = normal(&scenario.text);
    let Some(first) = replayed.first_mismatch(&expected) else { return Verdict::Passed };
    if let Some(reason) = senseless(&first, transcript) {
        return Verdict::Errored(reason);
    }
    match unclear(&replayed, &expected, &first, transcript) {
        Some(reason) => Verdict::Unclear(reason),
        None => Verdict::Failed(Box::new(mismatch(scenario, transcript, replayed, first))),
    }
}

/// Why a script is wrong that asks for the end of a TTL which nothing has: no store answered that.
fn senseless(first: &FirstMismatch, transcript: &Transcript) -> Option<String> {
    let Answer::NoTtl(key) = &transcript.entries[first.entry].answer else { return None };
    Some(format!(
        "the script asks in line {} for the expiry of a TTL that {} does not have here: {}",
        first.line,
        quote_value(key),
        first.command
    ))
}

/// Why a wrong answer is unclear: the machine was too slow to look in time, or a TTL that the answer depends on ran out
/// before the script meant it to. On virtual time no machine is slow.
fn unclear(
    replayed: &Replayed,
    expected: &str,
    first: &FirstMismatch,
    transcript: &Transcript,
) -> Option<String> {
    let entries = &transcript.entries[..=first.entry];
    if let Some(reason) = entries[first.entry].answer.undecided() {
        return Some(reason);
    }
    if transcript.clock == Clock::Virtual {
        return None;
    }
    if let Some(reason) = entries[first.entry].answer.unseen() {
        return Some(reason);
    }
    // A call that hung is the store's own slowness, and excuses nothing.
    let hung = |kind| kind == ErrorKind::DeadlineExceeded;
    if entries.iter().any(|entry| entry.answer.error().is_some_and(|e| hung(e.kind))) {
        return None;
    }
    let steps = replayed.commands.iter().zip(entries).enumerate();
    let steps = steps.map(|(at, (command, entry))| Step {
        command,
        entry,
        expected: replayed.expected_of(expected, at),
    });
    excuse(&steps.collect::<Vec<_>>())
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
    first: FirstMismatch,
) -> Mismatch {
    let expected = normal(&scenario.text);
    let notes = replayed.notes(&expected, transcript);
    let diff = difference(&expected, &replayed.text);
    let clause = charge(&Wrong {
        before: &replayed.commands[..first.entry],
        command: &replayed.commands[first.entry],
        expected: &replayed.expected_of(&expected, first.entry),
        observed: &transcript.entries[first.entry].answer,
        clauses: &scenario.clauses,
    });
    let FirstMismatch { line, command, .. } = first;
    let mut mismatch = Mismatch { line, command, clause, missing: None, diff, notes };
    if mismatch.has_outside() {
        mismatch.notes.insert(0, FOREIGN.into());
    }
    mismatch
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
