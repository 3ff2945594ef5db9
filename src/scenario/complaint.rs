//! What is wrong with a script, and on which line, in words for the one who wrote it.

use std::fmt;
use std::io;

use super::command::NAMES;
use super::lines;

/// What is wrong with a script, and where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Complaint {
    /// The line, counted from 1; `None` where it is the script as a whole.
    pub line: Option<usize>,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.line {
            Some(line) => write!(f, "line {line}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// How each command is written.
const USAGES: &[&str] = &[
    "close",
    "compact REV",
    "create KEY VALUE",
    "delete KEY",
    "events WATCH [count=true | since=MARK]",
    "expire KEY… | expire lease=NAME",
    "fill KEY [count=N] [distinct=N] [size=SIZE] [writers=N] [ttl=SPAN | lease=NAME | as=NAME]",
    "join FILL",
    "keep_alive LEASE",
    "lease NAME ttl=SPAN [id=ID]",
    "list PREFIX [count=true | limit=N] [at=REV]",
    "mark NAME",
    "metadata KEY [since=MARK]",
    "mkdir DIRECTORY",
    "next WATCH",
    "race KIND KEY [clients=N] [rounds=N]",
    "read KEY [at=REV]",
    "revision since=MARK",
    "revoke LEASE",
    "survive KEY…",
    "time_to_live LEASE",
    "txn if \"COMPARE\"… then \"OP\"… else \"OP\"…",
    "unwatch WATCH",
    "update KEY VALUE [ttl=SPAN | lease=NAME]",
    "wait SPAN",
    "watch PREFIX [as=NAME] [from=REV]",
];

fn usage(name: &str) -> Option<&'static str> {
    USAGES.iter().copied().find(|usage| usage.split(' ').next() == Some(name))
}

impl Complaint {
    pub(super) fn at(line: usize, reason: impl Into<String>) -> Self {
        Self { line: Some(line), reason: reason.into() }
    }

    pub(super) fn whole(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    /// Says in kvspec's words what goldenscript found wrong with a script.
    pub(super) fn of(error: &io::Error, text: &str) -> Self {
        let said = error.to_string();
        let parsed = said.strip_prefix("parse error at line ").and_then(|rest| {
            let mut numbers = rest.split([' ', ':']);
            let line = numbers.next()?.parse().ok()?;
            let column = numbers.nth(1)?.parse().ok()?;
            Some(misread(text, line, column))
        });
        parsed.or_else(|| refused(&said)).unwrap_or_else(|| Self::whole(said))
    }
}

/// A line that is no command at all.
fn misread(text: &str, line: usize, column: usize) -> Complaint {
    let source = text.lines().nth(line - 1).unwrap_or_default();
    let is_at_end = |last: usize| line > last || line == last && column > source.chars().count();
    if let Some((last, command)) = lines::open_block(text).filter(|(last, _)| is_at_end(*last)) {
        let reason = format!(
            "no answers are expected of '{command}': expected a line '---' below it, and then they"
        );
        return Complaint::at(last, reason);
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
            "'{odd}' in column {column} is not expected there: a word with anything but letters, digits, _ - . / @ stands in quotes"
        ),
        None => "expected more on this line".into(),
    };
    Complaint::at(line, reason)
}

/// `command 'NAME' failed at line N: REASON`.
fn refused(said: &str) -> Option<Complaint> {
    let (name, rest) = said.strip_prefix("command '")?.split_once("' failed at line ")?;
    let (line, reason) = rest.split_once(": ")?;
    Some(Complaint::at(line.parse().ok()?, reworded(name, reason)))
}

fn reworded(name: &str, reason: &str) -> String {
    if reason.starts_with("unknown command") {
        let close = similar::get_close_matches(name, NAMES, 1, 0.6);
        let hint = close.first().map(|close| format!(" (did you mean '{close}'?)"));
        let all = NAMES.join(", ");
        return format!(
            "there is no command '{name}'{}; there are: {all}",
            hint.unwrap_or_default()
        );
    }
    let quoted =
        |text: &str, before: &str| Some(text.strip_prefix(before)?.split_once('\'')?.0.to_string());
    let meant = usage(name).map(|usage| format!("; expected: {usage}")).unwrap_or_default();
    if let Some(argument) = quoted(reason, "unexpected argument '") {
        return format!("{name} takes no '{argument}'{meant}");
    }
    if reason.ends_with(" not given")
        && let Some(argument) = quoted(reason, "argument '")
    {
        return format!("{name} lacks its {argument}{meant}");
    }
    match reason.split_once("' for argument '").and_then(|(value, rest)| {
        Some((value.strip_prefix("invalid value '")?, rest.split_once("': ")?))
    }) {
        Some((value, (argument, why))) => format!("{argument}: {}", unread(value, why)),
        None => reason.into(),
    }
}

/// Why a value could not be read, where the standard library's words say little.
fn unread(value: &str, why: &str) -> String {
    if why.contains("`true` or `false`") {
        return format!("'{value}' is neither true nor false");
    }
    let is_number =
        ["invalid digit", "empty string", "number too"].iter().any(|start| why.contains(start));
    if is_number { format!("'{value}' is no whole number") } else { why.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_its_usage() {
        let without: Vec<_> = NAMES.iter().filter(|name| usage(name).is_none()).collect();
        assert!(without.is_empty(), "{without:?}");
        assert_eq!(NAMES.len(), USAGES.len());
    }
}
