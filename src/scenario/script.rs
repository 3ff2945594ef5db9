//! The lines of a script: which are commands, which are expected, and whether all can be understood.

use std::error::Error;
use std::io;
use std::ops::Range;

use goldenscript::{Block, Context, Runner};

use super::command::Command;
use super::txn::TxnScript;

/// One block of a script: commands, `---`, and what they are expected to answer. Line numbers count from 1.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lines {
    /// The line and text of each command.
    pub commands: Vec<(usize, String)>,
    /// The lines of the expected answers.
    pub expected: Range<usize>,
}

/// Finds the blocks of a script.
pub fn blocks(text: &str) -> Vec<Lines> {
    let mut blocks = Vec::new();
    let mut commands = Vec::new();
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        let line = line.trim();
        if line == "---" && !commands.is_empty() {
            let answers = lines.by_ref().take_while(|(_, line)| !line.is_empty()).count();
            let expected = number + 1..number + 1 + answers;
            blocks.push(Lines { commands: std::mem::take(&mut commands), expected });
        } else if !line.is_empty() && !line.starts_with('#') && !line.starts_with("//") {
            commands.push((number, line.to_string()));
        }
    }
    blocks
}

/// Reads every command of a script without running any.
///
/// Fails with the line and what was expected there.
pub fn check(text: &str) -> Result<Vec<Command>, String> {
    let mut reader = Reader::default();
    match goldenscript::generate(&mut reader, text) {
        Ok(_) if reader.commands.is_empty() => {
            Err("the script has no command; it would pass on any store".into())
        }
        Ok(_) => Ok(reader.commands),
        Err(error) => Err(plain(&error)),
    }
}

/// What goldenscript says is wrong, with the line first, and with the list of commands where one is unknown.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let failed = text.split_once(" failed at line ").and_then(|(command, rest)| {
        let (line, reason) = rest.split_once(": ")?;
        Some((command, line, reason))
    });
    let Some((command, line, reason)) = failed else { return unparsed(&text).unwrap_or(text) };
    if reason.contains("unknown command") || reason.contains("invalid command") {
        return format!("line {line}: {reason}; there are: {}", NAMES.join(", "));
    }
    format!("line {line}: {command}: {reason}")
}

/// Says where a script stops being one: goldenscript tells the place, and the name of the parser that stopped there.
fn unparsed(text: &str) -> Option<String> {
    let (place, shown) = text.strip_prefix("parse error at line ")?.split_once(":\n")?;
    let (line, rest) = place.split_once(" column ")?;
    let (column, _) = rest.split_once(' ')?;
    let shown = shown.lines().next().unwrap_or_default();
    Some(match shown.trim() {
        "" => format!("line {line}: expected another command, or --- and what the commands answer"),
        shown => format!("line {line}: cannot be read from column {column} on: {shown}"),
    })
}

/// Every command that a script may have.
pub const NAMES: &[&str] = &[
    "close",
    "compact",
    "delete",
    "events",
    "expire",
    "fill",
    "join",
    "keep_alive",
    "lease",
    "list",
    "mark",
    "metadata",
    "next",
    "race",
    "read",
    "revision",
    "revoke",
    "survive",
    "time_to_live",
    "txn",
    "unwatch",
    "update",
    "wait",
    "watch",
];

/// Collects commands, and refuses what a name or flag makes senseless.
#[derive(Default)]
struct Reader {
    commands: Vec<Command>,
    watches: Vec<String>,
    leases: Vec<String>,
    fills: Vec<String>,
    marks: Vec<String>,
}

impl Runner for Reader {
    type Command = Command;

    fn start_block(&mut self, _: &Block) -> Result<String, Box<dyn Error>> {
        Ok(String::new())
    }

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        if context.fail || context.silent || !context.tags.is_empty() {
            return Err("'!', '( )' and '[tags]' have no meaning here: errors are answers, and every answer is judged".into());
        }
        self.refuse(command)?;
        self.refuse_revisions(command)?;
        self.name(command);
        self.commands.push(command.clone());
        Ok(String::new())
    }
}

impl Reader {
    fn refuse(&self, command: &Command) -> Result<(), String> {
        match command {
            Command::Update { ttl: Some(_), lease: Some(_), .. } | Command::Fill { ttl: Some(_), lease: Some(_), .. } => {
                Err("ttl= and lease= exclude each other".into())
            }
            Command::Update { key, bare: true, .. } if !key.0.is_empty() => {
                Err("bare=true is for the empty key only: any other key needs the prefix that keeps it apart".into())
            }
            Command::Update { lease: Some(name), .. } | Command::Fill { lease: Some(name), .. } => {
                known(name, &self.leases, "lease", &NO_LEASES)
            }
            Command::KeepAlive { lease } | Command::TimeToLive { lease } | Command::Revoke { lease } => {
                known(lease, &self.leases, "lease", &NO_LEASES)
            }
            Command::Expire { keys, lease: None } if keys.is_empty() => Err("expire needs keys, or lease=NAME".into()),
            Command::Expire { keys, lease: Some(_) } if !keys.is_empty() => {
                Err("expire takes keys or lease=NAME, not both".into())
            }
            Command::Expire { lease: Some(name), .. } => known(name, &self.leases, "lease", &[]),
            Command::Next { watch } | Command::Events { watch, .. } | Command::Unwatch { watch } => {
                known(watch, &self.watches, "watch", &[])
            }
            Command::Join { fill } => known(fill, &self.fills, "fill", &[]),
            Command::Txn { words } => {
                let script = TxnScript::parse(words)?;
                script.leases().try_for_each(|lease| known(lease, &self.leases, "lease", &NO_LEASES))
            }
            _ => Ok(()),
        }
    }

    fn refuse_revisions(&self, command: &Command) -> Result<(), String> {
        let mark = |name: &String| known(name, &self.marks, "mark", &[]);
        match command {
            Command::Read { at: Some(rev), .. }
            | Command::List { at: Some(rev), .. }
            | Command::Watch { from: Some(rev), .. }
            | Command::Compact { revision: rev } => mark(&rev.mark),
            Command::Events { count: true, since: Some(_), .. } => {
                Err("events takes count= or since=, not both".into())
            }
            Command::Revision { since }
            | Command::Metadata { since: Some(since), .. }
            | Command::Events { since: Some(since), .. } => mark(since),
            Command::List { count: true, limit: Some(_), .. } => {
                Err("list takes count= or limit=, not both".into())
            }
            Command::Txn { words } => {
                TxnScript::parse(words)?.revisions().try_for_each(|rev| mark(&rev.mark))
            }
            _ => Ok(()),
        }
    }

    fn name(&mut self, command: &Command) {
        match command {
            Command::Watch { name, .. } => self.watches.push(watch_name(name)),
            Command::Lease { name, .. } => self.leases.push(name.clone()),
            Command::Mark { name } => self.marks.push(name.clone()),
            Command::Fill { name: Some(name), .. } => self.fills.push(name.clone()),
            _ => {}
        }
    }
}

/// The lease names that stand for ids which no store granted.
pub const NO_LEASES: [&str; 3] = ["unknown", "negative", "zero"];

/// The name of a watch that was opened without one.
pub fn watch_name(name: &Option<String>) -> String {
    name.clone().unwrap_or_else(|| "w".into())
}

fn known(name: &str, names: &[String], what: &str, also: &[&str]) -> Result<(), String> {
    if also.contains(&name) || names.iter().any(|known| known == name) {
        return Ok(());
    }
    Err(format!(
        "no {what} is called '{name}' here; those before this line are: [{}]",
        names.join(", ")
    ))
}
