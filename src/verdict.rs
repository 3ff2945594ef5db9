//! Judges a transcript against its script: a pure function, so that a recorded run can be judged again.

use std::collections::VecDeque;
use std::error::Error;

use goldenscript::{Block, Context, Runner};
use similar::{ChangeTag, TextDiff};

use crate::scenario::Scenario;
use crate::scenario::command::Command;
use crate::scenario::script;
use crate::transcript::{End, Entry, Transcript};

/// How many unchanged lines are shown around a change.
const CONTEXT: usize = 3;

/// What the run of a case amounts to. The later in this list, the worse; the last two never count as passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Every answer was the one that the contract demands.
    Passed,
    /// It was not run: why.
    Skipped(String),
    /// The store answered otherwise than the contract demands.
    Failed(Box<Mismatch>),
    /// Nothing can be said of the store: why.
    Inconclusive(String),
    /// kvspec could not do its job: why.
    Errored(String),
}

/// Where and how a store answered otherwise than the contract demands.
#[derive(Debug, Clone, PartialEq, Eq)]
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
        End::Finished => {}
        End::Aborted => return Verdict::Errored("interrupted before its end".into()),
        End::Lost(reason) => return Verdict::Errored(format!("the server was lost: {reason}")),
        End::Broken(reason) => return Verdict::Errored(reason.clone()),
    }
    let observed = match observed_text(scenario, transcript) {
        Ok(text) => text,
        Err(error) => {
            return Verdict::Errored(format!("the transcript does not fit the script: {error}"));
        }
    };
    if let Some(reason) = transcript.entries.iter().find_map(|entry| entry.answer.unseen()) {
        return Verdict::Inconclusive(reason);
    }
    let expected = normal(&scenario.text);
    if expected == observed {
        Verdict::Passed
    } else {
        Verdict::Failed(Box::new(mismatch(scenario, transcript, &expected, &observed)))
    }
}

/// The script as it would read if it expected what was observed.
pub fn observed_text(scenario: &Scenario, transcript: &Transcript) -> std::io::Result<String> {
    let entries = transcript.entries.iter().collect();
    goldenscript::generate(&mut Replay { entries, labelled: false }, &scenario.text)
        .map(|text| normal(&text))
}

/// A script without what does not count: the form of line ends, and empty lines at the end.
fn normal(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    format!("{}\n", text.trim_end_matches('\n'))
}

/// Answers from a transcript instead of a store.
struct Replay<'a> {
    entries: VecDeque<&'a Entry>,
    labelled: bool,
}

impl Runner for Replay<'_> {
    type Command = Command;

    fn start_block(&mut self, block: &Block) -> Result<String, Box<dyn Error>> {
        self.labelled = block.commands.len() > 1;
        Ok(String::new())
    }

    fn run(&mut self, _: &Command, _: &Context) -> Result<String, Box<dyn Error>> {
        let entry =
            self.entries.pop_front().ok_or("it has fewer entries than the script has commands")?;
        let labelled = self.labelled && !entry.answer.names_itself();
        let line = |line: String| {
            if labelled { format!("{}: {line}\n", entry.label) } else { line + "\n" }
        };
        Ok(entry.answer.lines().into_iter().map(line).collect())
    }
}

fn mismatch(
    scenario: &Scenario,
    transcript: &Transcript,
    expected: &str,
    observed: &str,
) -> Mismatch {
    let diff = TextDiff::from_lines(expected, observed);
    let mut lines = Vec::new();
    let mut first: Option<(usize, Vec<String>)> = None;
    for (index, group) in diff.grouped_ops(CONTEXT).iter().enumerate() {
        if index > 0 {
            lines.push(DiffLine::Same(None));
        }
        let changes = group.iter().flat_map(|op| diff.iter_changes(op));
        let mut at = 0;
        for change in changes {
            let text = change.value().trim_end_matches('\n').to_string();
            at = change.old_index().map_or(at, |line| line + 1);
            if change.tag() != ChangeTag::Equal && index == 0 {
                first.get_or_insert((at, Vec::new())).1.push(text.clone());
            }
            lines.push(match change.tag() {
                ChangeTag::Equal => DiffLine::Same(Some(text)),
                ChangeTag::Delete => DiffLine::Expected(text),
                ChangeTag::Insert => DiffLine::Observed(text),
            });
        }
    }
    let (at, changed) = first.unwrap_or_default();
    let (line, command) = culprit(&scenario.text, at, &changed, transcript);
    Mismatch { line, command, diff: lines, notes: notes(transcript) }
}

/// Finds the command whose answer differs first: the earliest of the block that a changed line is labelled with.
fn culprit(text: &str, at: usize, changed: &[String], transcript: &Transcript) -> (usize, String) {
    let blocks = script::blocks(text);
    let mut before = 0;
    for block in &blocks {
        if at <= block.expected.end {
            let entries = transcript.entries.iter().skip(before).take(block.commands.len());
            let named = entries
                .zip(&block.commands)
                .find(|(entry, _)| changed.iter().any(|line| answers(entry, line)));
            let command = named.map(|(_, command)| command).or(block.commands.last());
            return command.cloned().unwrap_or_default();
        }
        before += block.commands.len();
    }
    blocks.last().and_then(|block| block.commands.last()).cloned().unwrap_or_default()
}

/// Whether a line of a block reads like an answer of this entry.
fn answers(entry: &Entry, line: &str) -> bool {
    let own = match &entry.client {
        Some(client) => line.strip_prefix(&format!("{client}: ")),
        None => Some(line),
    };
    own.is_some_and(|line| {
        line.starts_with(&format!("{}: ", entry.label))
            || entry.answer.lines().iter().any(|answer| answer == line)
    })
}

/// The store's own words for the errors that it answered.
fn notes(transcript: &Transcript) -> Vec<String> {
    let errors = transcript.entries.iter().filter_map(|entry| Some((entry, entry.answer.error()?)));
    let said = errors.filter(|(_, error)| error.message != error.kind.as_str());
    said.map(|(entry, error)| format!("{}: {error}", entry.label)).collect()
}
