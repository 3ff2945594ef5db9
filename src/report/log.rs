//! A transcript as people read it: when each command began, how long it took, and what it answered.

use std::time::Duration;

use crate::scenario::words::seconds;
use crate::transcript::{End, Entry, Transcript};

/// How many lines of one answer are shown; the JSON report has them all.
const LINES: usize = 50;
/// How many characters of one line are shown.
const WIDTH: usize = 400;
/// How far an answer of several lines is set in.
const INDENT: &str = "                 ";

/// Tells a transcript, one string a line.
pub fn log(transcript: &Transcript) -> Vec<String> {
    let mut lines = Vec::new();
    each_line(transcript, &mut |line| lines.push(line.into()));
    lines
}

/// Tells a transcript, line by line.
pub fn each_line(transcript: &Transcript, told: &mut dyn FnMut(&str)) {
    each_command(transcript, &mut |_, line| told(line));
    if let Some(end) = end(&transcript.end) {
        told(&end);
    }
}

/// Tells the commands of a transcript line by line, each with its place.
pub(super) fn each_command(transcript: &Transcript, told: &mut dyn FnMut(usize, &str)) {
    let mut log = Log::new(told);
    transcript.entries.iter().for_each(|entry| log.entry(entry));
}

/// A log on its way: one line after the other is made in the same place.
struct Log<'a> {
    line: String,
    /// When the last command began and how long it took, and how that reads: in virtual time the next one is the same.
    times: Option<(Duration, Duration)>,
    head: String,
    /// The place of the command that is being told.
    index: usize,
    told: &'a mut dyn FnMut(usize, &str),
}

impl<'a> Log<'a> {
    fn new(told: &'a mut dyn FnMut(usize, &str)) -> Self {
        Self { line: String::new(), times: None, head: String::new(), index: 0, told }
    }

    fn entry(&mut self, entry: &Entry) {
        self.head(entry.at, entry.took);
        if let Some(client) = &entry.client {
            self.add(&[client, ": "]);
        }
        self.add(&[&entry.label, ":"]);
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

    /// Tells the line, cut where it is too long, and begins the next one.
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

fn answers(entry: &Entry) -> Vec<String> {
    let mut answers = entry.answer.lines();
    if let Some(error) = entry.answer.error() {
        answers.push(format!("the store said: {error}"));
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
        End::LeftBehind(reason) => Some(format!("something was left behind: {reason}")),
        End::Broken(reason) => Some(format!("the run could not go on: {reason}")),
        End::Lost(reason) => Some(format!("the server was lost: {reason}")),
        End::Aborted => Some("the run was ended here".into()),
    }
}
