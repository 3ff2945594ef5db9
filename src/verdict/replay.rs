//! Puts a transcript into its script, line by line, and finds the command that was answered wrongly first.

use std::collections::{BTreeSet, VecDeque};
use std::error::Error;
use std::io;

use goldenscript::{Block, Context, Runner};

use super::normal;
use crate::command::{Command, Topic};
use crate::scenario::Scenario;
use crate::scenario::lines::{self, Lines};
use crate::store::{ErrorKind, StoreError};
use crate::transcript::{Entry, Transcript};

/// What a block reads where no command of it has anything to say.
const SILENT: &str = "ok";

/// A script with what was observed in place of what it expects.
#[derive(Debug)]
pub(super) struct Replayed {
    /// The whole text.
    pub text: String,
    /// Every command, in the order of the script.
    pub commands: Vec<Command>,
    /// What each command of each block was seen to answer.
    blocks: Vec<Vec<Told>>,
}

/// What one command was seen to answer, in the lines of the script.
#[derive(Debug)]
struct Told {
    /// What its answers are labelled with, client and all.
    label: String,
    lines: Vec<String>,
}

/// The command that was answered wrongly first.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct FirstMismatch {
    /// Its line, counted from 1.
    pub line: usize,
    /// Its text.
    pub command: String,
    /// Its place in the transcript.
    pub entry: usize,
}

/// Puts a transcript into its script; fails where the two do not belong together.
pub(super) fn replay(scenario: &Scenario, transcript: &Transcript) -> io::Result<Replayed> {
    let entries = transcript.entries.iter().collect();
    let mut replay = Replay { entries, labelled: false, commands: Vec::new(), blocks: Vec::new() };
    // goldenscript puts the client before every line only where the lines end as it expects them to.
    let text = goldenscript::generate(&mut replay, &normal(&scenario.text))?;
    match replay.entries.len() {
        0 => Ok(Replayed { text: normal(&text), commands: replay.commands, blocks: replay.blocks }),
        more => Err(io::Error::other(format!(
            "it has {more} more entries than the script has commands"
        ))),
    }
}

/// Answers from a transcript instead of a store.
struct Replay<'a> {
    entries: VecDeque<&'a Entry>,
    labelled: bool,
    commands: Vec<Command>,
    blocks: Vec<Vec<Told>>,
}

impl Runner for Replay<'_> {
    type Command = Command;

    fn start_block(&mut self, block: &Block) -> Result<String, Box<dyn Error>> {
        self.labelled = block.commands.len() > 1;
        self.blocks.push(Vec::new());
        Ok(String::new())
    }

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        let entry =
            self.entries.pop_front().ok_or("it has fewer entries than the script has commands")?;
        let (told, meant) = (called(entry.client.as_ref(), &entry.label), command.label());
        let meant = called(context.prefix.as_ref(), &meant);
        if told != meant {
            return Err(format!("it has '{told}' and the script has '{meant}'").into());
        }
        let labelled = self.labelled && !entry.answer.names_itself();
        let line = |line: String| if labelled { format!("{}: {line}", entry.label) } else { line };
        let lines: Vec<_> = entry.answer.lines().into_iter().map(line).collect();
        let output = lines.iter().map(|line| format!("{line}\n")).collect();
        let lines = lines.iter().map(|line| called(entry.client.as_ref(), line)).collect();
        self.commands.push(command.clone());
        self.blocks.last_mut().expect("a command is in a block").push(Told { label: told, lines });
        Ok(output)
    }
}

/// Words with the client before them, as scripts write it.
fn called(client: Option<&String>, words: &str) -> String {
    client.map_or(words.into(), |client| format!("{client}: {words}"))
}

impl Replayed {
    /// The command that was answered wrongly first, against the script as it expects its answers.
    pub fn first_mismatch(&self, expected: &str) -> Option<FirstMismatch> {
        if self.text == expected {
            return None;
        }
        let lines: Vec<&str> = expected.lines().collect();
        let blocks = lines::blocks(expected);
        let mut before = 0;
        for (block, told) in blocks.iter().zip(&self.blocks) {
            if let Some(index) = wrong(answers(&lines, block), told) {
                let (line, command) = block.commands.get(index).cloned().unwrap_or_default();
                return Some(FirstMismatch { line, command, entry: before + index });
            }
            before += told.len();
        }
        // Only the form of the text differs, which no store can be blamed for; the diff shows it.
        let (line, command) = blocks.last().and_then(|block| block.commands.last().cloned())?;
        Some(FirstMismatch { line, command, entry: before.saturating_sub(1) })
    }

    /// The store's own words for the errors that it answered and the script does not expect.
    pub fn notes(&self, expected: &str, transcript: &Transcript) -> Vec<String> {
        let lines: Vec<&str> = expected.lines().collect();
        let blocks = lines::blocks(expected);
        let told = blocks.iter().zip(&self.blocks).flat_map(|(block, told)| {
            let answers = answers(&lines, block);
            told.iter().map(move |told| (answers, told))
        });
        let unexpected = told.zip(&transcript.entries).filter(|((answers, told), _)| {
            !told.lines.iter().all(|line| answers.contains(&line.as_str()))
        });
        unexpected
            .filter_map(|((_, told), entry)| Some((told, entry.answer.error()?)))
            .filter(|(_, error)| error.message != error.kind.as_str())
            .map(|(told, error)| error.said(Some(&told.label)))
            .chain(self.falsely_closed(transcript))
            .collect()
    }

    /// A sentence about each client that answered `closed` and was never closed.
    fn falsely_closed(&self, transcript: &Transcript) -> Vec<String> {
        let mut closed = BTreeSet::new();
        let mut sentences = Vec::new();
        for (command, entry) in self.commands.iter().zip(&transcript.entries) {
            let says_closed = |error: &StoreError| error.kind == ErrorKind::Closed;
            let is_open = !closed.contains(&entry.client);
            if matches!(command, Command::Close(_)) {
                closed.insert(entry.client.clone());
            } else if is_open
                && command.topic() != Topic::Events
                && entry.answer.error().is_some_and(says_closed)
            {
                let label = called(entry.client.as_ref(), &entry.label);
                let said =
                    format_args!("{label}: answered `closed`, though this client was never closed");
                sentences.push(format!("kvspec: {said}"));
            }
        }
        sentences
    }

    /// The lines that a command should have answered, without its label.
    pub fn expected_of(&self, expected: &str, entry: usize) -> Vec<String> {
        let lines: Vec<&str> = expected.lines().collect();
        let mut before = 0;
        for (block, told) in lines::blocks(expected).iter().zip(&self.blocks) {
            if entry < before + told.len() {
                return own(answers(&lines, block), told, entry - before);
            }
            before += told.len();
        }
        Vec::new()
    }
}

/// The answers that a block expects.
fn answers<'a, 'b>(lines: &'a [&'b str], block: &Lines) -> &'a [&'b str] {
    let end = (block.expected.end - 1).min(lines.len());
    &lines[(block.expected.start - 1).min(end)..end]
}

/// The answers of a block that are expected of one of its commands, without the label.
fn own(answers: &[&str], told: &[Told], at: usize) -> Vec<String> {
    let without_client = |line: &&str| {
        let client = told[at].label.split_once(": ").map(|(client, _)| format!("{client}: "));
        client.and_then(|client| line.strip_prefix(&client)).unwrap_or(line).to_string()
    };
    if told.len() == 1 {
        return answers.iter().filter(|line| **line != SILENT).map(without_client).collect();
    }
    let start = format!("{}: ", told[at].label);
    let labelled: Vec<_> = answers.iter().filter_map(|line| line.strip_prefix(&start)).collect();
    // Commands of the same words share a label: what the others answered is taken to be theirs, but if there are enough
    // lines, each command has one at least.
    let same = |others: &[Told]| -> (usize, usize) {
        let lines = others.iter().filter(|other| other.label == told[at].label);
        lines.fold((0, 0), |(count, sum), other| (count + 1, sum + other.lines.len()))
    };
    let ((before, said_before), (after, said_after)) = (same(&told[..at]), same(&told[at + 1..]));
    let all = labelled.len();
    let (from, to) = match all > before + after {
        true => {
            let from = said_before.clamp(before, all - after - 1);
            (from, all.saturating_sub(said_after).max(from + 1))
        }
        false => {
            let from = said_before.min(all);
            (from, all.saturating_sub(said_after).max(from))
        }
    };
    labelled[from..to].iter().map(ToString::to_string).collect()
}

/// The first command of a block that was answered otherwise than expected, by its place.
fn wrong(expected: &[&str], told: &[Told]) -> Option<usize> {
    let expected = if expected == [SILENT] { &[] } else { expected };
    let owned = |(owner, told): (usize, &'_ Told)| {
        told.lines.iter().map(move |line| (owner, line.clone())).collect::<Vec<_>>()
    };
    let observed: Vec<(usize, String)> = told.iter().enumerate().flat_map(owned).collect();
    let same = expected.iter().zip(&observed).take_while(|(a, (_, b))| *a == b).count();
    let last = told.len() - 1;
    match (expected.get(same), observed.get(same)) {
        (None, None) => None,
        (None, Some((owner, _))) => Some(*owner),
        (Some(missing), None) => Some(owner_of(missing, told, last).unwrap_or(last)),
        (Some(wanted), Some((owner, line))) => {
            // A line that is expected further on is early because one before it is missing; so is one in whose place a
            // silent command before it should have had its own.
            let is_early = expected[same..].contains(&line.as_str());
            let is_answer = wanted.starts_with(&format!("{}: ", told[*owner].label));
            let debtor = (!is_answer).then(|| owner_of(wanted, told, *owner)).flatten();
            let debtor = debtor.filter(|at| is_early || told[*at].lines.is_empty());
            Some(debtor.unwrap_or(*owner))
        }
    }
}

/// The command, no later than `last`, that a missing line is expected of: the first silent one of those with its label.
fn owner_of(line: &str, told: &[Told], last: usize) -> Option<usize> {
    let labelled: Vec<_> =
        (0..=last).filter(|at| line.starts_with(&format!("{}: ", told[*at].label))).collect();
    labelled.iter().find(|at| told[**at].lines.is_empty()).or(labelled.last()).copied()
}
