//! A transcript as people read it: when each command began, how long it took, and what it answered.

use crate::scenario::words::seconds;
use crate::transcript::{End, Entry, Transcript};

/// How many lines of one answer are shown; the JSON report has them all.
const LINES: usize = 50;
/// How many characters of one line are shown.
const WIDTH: usize = 400;

/// Tells a transcript, one string a line.
pub fn log(transcript: &Transcript) -> Vec<String> {
    transcript.entries.iter().flat_map(entry).chain(end(&transcript.end)).collect()
}

pub(super) fn entry(entry: &Entry) -> Vec<String> {
    let client = entry.client.as_ref().map(|client| format!("{client}: ")).unwrap_or_default();
    let (at, took) = (seconds(entry.at), seconds(entry.took));
    let head = format!("{at:>7} +{took:<7} {client}{}", entry.label);
    let mut answers = entry.answer.lines();
    if let Some(error) = entry.answer.error() {
        answers.push(format!("the store said: {error}"));
    }
    let more = answers.len().saturating_sub(LINES);
    answers.truncate(LINES);
    if more > 0 {
        answers.push(format!("… and {more} lines more"));
    }
    match answers.as_slice() {
        [] => vec![cut(&format!("{head}: ok"))],
        [answer] => vec![cut(&format!("{head}: {answer}"))],
        answers => {
            let answers = answers.iter().map(|answer| cut(&format!("{:17}{answer}", "")));
            std::iter::once(cut(&format!("{head}:"))).chain(answers).collect()
        }
    }
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

fn cut(line: &str) -> String {
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.into(),
    }
}
