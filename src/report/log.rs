//! A transcript as people read it: when each command began, how long it took, and what it answered.

use std::time::Duration;

use crate::scenario::Scenario;
use crate::scenario::lines::blocks;
use crate::transcript::{End, Entry, Transcript};
use crate::words::seconds;

/// How many lines of one answer are shown; the JSON report has them all.
const LINES: usize = 50;
/// How many characters of one line are shown.
const WIDTH: usize = 400;
/// How far an answer of several lines is set in.
const INDENT: &str = "                 ";

/// A transcript of a scenario, one string a line.
pub fn log(scenario: &Scenario, transcript: &Transcript) -> Vec<String> {
    let mut lines = Vec::new();
    each_command(scenario, transcript, &mut |_, line| lines.push(line.into()));
    lines.extend(end(&transcript.end));
    lines
}

/// Reports the commands of a transcript line by line, each with its place.
pub(super) fn each_command(
    scenario: &Scenario,
    transcript: &Transcript,
    told: &mut dyn FnMut(usize, &str),
) {
    let blocks = blocks(&scenario.text);
    let commands: Vec<_> = blocks.iter().flat_map(|block| &block.commands).collect();
    // A transcript of an earlier script may have more commands than this one.
    let texts = commands.iter().map(|(_, text)| Some(text.as_str())).chain(std::iter::repeat(None));
    let mut log = Log::new(told);
    transcript.entries.iter().zip(texts).for_each(|(entry, text)| log.entry(entry, text));
}

/// A log on its way: one line after the other is made in the same place.
struct Log<'a> {
    line: String,
    /// When the last command began and how long it took, and how that reads: in virtual time the next one is the same.
    times: Option<(Duration, Duration)>,
    head: String,
    /// The place of the command that is being reported.
    index: usize,
    told: &'a mut dyn FnMut(usize, &str),
}

impl<'a> Log<'a> {
    fn new(told: &'a mut dyn FnMut(usize, &str)) -> Self {
        Self { line: String::new(), times: None, head: String::new(), index: 0, told }
    }

    /// A command in the words of the script, which has its values and TTLs, or else by its label.
    fn entry(&mut self, entry: &Entry, text: Option<&str>) {
        self.head(entry.at, entry.took);
        match (text, &entry.client) {
            (Some(text), _) if has_verb(text, &entry.label) => self.add(&[text, ":"]),
            (_, Some(client)) => self.add(&[client, ": ", &entry.label, ":"]),
            (_, None) => self.add(&[&entry.label, ":"]),
        }
        match answers(entry).as_slice() {
            [] => self.add(&[" ok"]),
            [answer] => self.add(&[" ", answer]),
            answers => answers.iter().for_each(|answer| {
                self.tell();
                self.add(&[INDENT, answer]);
            }),
        }
        self.tell();
        self.index += 1;
    }

    fn head(&mut self, at: Duration, took: Duration) {
        if self.times.replace((at, took)) != Some((at, took)) {
            self.head = format!("{:>7} +{:<7} ", seconds(at), seconds(took));
        }
        self.line.push_str(&self.head);
    }

    fn add(&mut self, words: &[&str]) {
        words.iter().for_each(|word| self.line.push_str(word));
    }

    /// Reports the line, cut if it is too long, and begins the next one.
    fn tell(&mut self) {
        let end = match self.line.len() {
            ..=WIDTH => None,
            _ => self.line.char_indices().nth(WIDTH),
        };
        if let Some((end, _)) = end {
            self.line.truncate(end);
            self.line.push('…');
        }
        (self.told)(self.index, &self.line);
        self.line.clear();
    }
}

/// Whether a command of a script has the verb of a label.
fn has_verb(command: &str, label: &str) -> bool {
    let verb = label.split_whitespace().next();
    command.split_whitespace().any(|word| Some(word) == verb)
}

fn answers(entry: &Entry) -> Vec<String> {
    let mut answers = entry.answer.lines();
    if let Some(error) = entry.answer.error() {
        answers.push(error.said(None));
    }
    let more = answers.len().saturating_sub(LINES);
    answers.truncate(LINES);
    if more > 0 {
        answers.push(format!("… and {more} lines more"));
    }
    answers
}

pub(super) fn end(end: &End) -> Option<String> {
    match end {
        End::Finished => None,
        End::Collapsed(reason) => Some(format!("the store broke down at the end: {reason}")),
        End::LeftBehind(reason) => Some(format!("something was left behind: {reason}")),
        End::Broken(reason) | End::Unopened(reason) => {
            Some(format!("the run could not go on: {reason}"))
        }
        End::Disturbed(reason) | End::Slow(reason) => Some(reason.clone()),
        End::Lost(reason) => Some(format!("the run was interrupted here: {reason}")),
        End::Aborted => Some("the run was ended here".into()),
    }
}
