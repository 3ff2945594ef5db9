//! Reads the commands of a script without running any, and refuses what cannot be meant.

use std::error::Error;

use goldenscript::{Block, Context, Runner};

use super::command::{Command, NO_LEASES, watch_name};
use super::complaint::Complaint;
use super::lines::{Lines, blocks};
use super::sense;
use super::txn::TxnScript;

/// Reads every command of a script without running any, each with its line.
///
/// Fails with the line and what was expected there.
pub fn check(text: &str) -> Result<Vec<(usize, Command)>, Complaint> {
    let mut reader = Reader::default();
    goldenscript::generate(&mut reader, text).map_err(|error| Complaint::of(&error, text))?;
    let commands = reader.commands;
    let blocks = blocks(text);
    let lines: Vec<_> =
        blocks.iter().flat_map(|block| &block.commands).map(|(line, _)| *line).collect();
    let line_of = |index: usize| lines.get(index).copied();
    if let Some((index, reason)) = reader.marked.or_else(|| sense::nonsense(&commands)) {
        return Err(Complaint { line: line_of(index), reason });
    }
    if commands.is_empty() {
        return Err(Complaint::whole("the script has no command; it would pass on any store"));
    }
    blocks.iter().try_for_each(|block| check_answers(text, block))?;
    Ok(lines.into_iter().zip(commands).collect())
}

/// Refuses answers that no store could give.
fn check_answers(text: &str, block: &Lines) -> Result<(), Complaint> {
    if block.expected.is_empty() {
        let reason =
            "expected the answers after '---'; a block whose commands say nothing answers ok";
        return Err(Complaint::at(block.expected.start - 1, reason));
    }
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut expected = lines.filter(|(number, _)| block.expected.contains(number));
    match expected.find(|(_, line)| line.ends_with([' ', '\t'])) {
        Some((line, _)) => {
            Err(Complaint::at(line, "the line ends with a blank, which no answer does"))
        }
        None => Ok(()),
    }
}

/// Collects commands, and refuses what a name or flag makes senseless.
#[derive(Default)]
struct Reader {
    commands: Vec<Command>,
    /// The first command with a mark that means something to goldenscript and nothing here.
    marked: Option<(usize, String)>,
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
            // No error would get out of a command with '!'.
            let reason = "'!', '( )' and '[tags]' have no meaning here: errors are answers, and every answer is judged";
            self.marked.get_or_insert((self.commands.len(), reason.into()));
            return if context.fail { Err(reason.into()) } else { Ok(String::new()) };
        }
        if self.marked.is_some() {
            return Ok(String::new());
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

fn known(name: &str, names: &[String], what: &str, also: &[&str]) -> Result<(), String> {
    if also.contains(&name) || names.iter().any(|known| known == name) {
        return Ok(());
    }
    let there_are = match names {
        [] => format!("there is no {what} before this line"),
        names => format!("before this line there are: {}", names.join(", ")),
    };
    Err(format!("no {what} is called '{name}'; {there_are}"))
}
