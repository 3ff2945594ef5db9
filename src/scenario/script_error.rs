//! What is wrong with a script, and on which line, in words for the one who wrote it.

use std::fmt;
use std::io;

use super::lines;

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScriptError {
    /// The line, counted from 1; `None` if it is the script as a whole.
    pub line: Option<usize>,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

impl fmt::Display for ScriptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl ScriptError {
    pub(super) fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    /// Says in kvspec's words why goldenscript cannot read a script. Of its own words only the place is used.
    pub(super) fn of(error: &io::Error, text: &str) -> Self {
        let said = error.to_string();
        let place = said.strip_prefix("parse error at line ").and_then(|rest| {
            let mut numbers = rest.split([' ', ':']);
            Some((numbers.next()?.parse().ok()?, numbers.nth(1)?.parse().ok()?))
        });
        place
            .map_or_else(|| Self::whole(said.clone()), |(line, column)| misread(text, line, column))
    }
}

/// A line that is not a command at all.
fn misread(text: &str, line: usize, column: usize) -> ScriptError {
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let is_at_end = |last: usize| line > last || line == last && column > source.chars().count();
    if let Some((last, command)) = lines::open_block(text).filter(|(last, _)| is_at_end(*last)) {
        let reason = format!(
            "no answers are expected of '{command}': expected a line '---' below it, and then they"
        );
        return ScriptError::at(last, reason);
    }
    let reason = match source.chars().nth(column - 1) {
        _ if source == "---" => "expected a command before '---'".into(),
        Some(blank) if blank.is_whitespace() && column == 1 => {
            "expected the command at the start of the line".into()
        }
        Some('"' | '\'') => format!(
            "the quotes in column {column} do not end, or have an escape that is none: expected \\n, \\r, \\t, \\0, \\\\, \\', \\\", \\xff or \\u{{ff}}"
        ),
        Some(odd) => format!(
            "'{odd}' in column {column} is not expected there: a word with anything but letters, digits, _ - . / @ must be in quotes"
        ),
        None => "expected more on this line".into(),
    };
    ScriptError::at(line, reason)
}
