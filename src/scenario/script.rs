//! Reads the commands of a script without running any, and refuses what cannot be meant.

use std::error::Error;

use goldenscript::{Block, Context, Runner};

use super::lines::{Lines, blocks};
use super::script_error::ScriptError;
use super::validator::validate;
use crate::command::Command;

/// Reads every command of a script without running any, each with its line.
///
/// Fails with the line and what was expected there.
pub fn check(text: &str) -> Result<Vec<(usize, Command)>, ScriptError> {
    let mut reader = Reader::default();
    goldenscript::generate(&mut reader, text).map_err(|error| ScriptError::of(&error, text))?;
    let commands = reader.commands;
    let blocks = blocks(text);
    let written = blocks.iter().flat_map(|block| &block.commands);
    let (lines, texts): (Vec<_>, Vec<_>) =
        written.map(|(line, text)| (*line, text.as_str())).unzip();
    let valid = reader.wrong.map_or_else(|| validate(&commands, &texts), Err);
    valid.map_err(|(index, reason)| ScriptError { line: lines.get(index).copied(), reason })?;
    if commands.is_empty() {
        return Err(ScriptError::whole("the script has no command; it would pass on any store"));
    }
    blocks.iter().try_for_each(|block| check_answers(text, block))?;
    Ok(lines.into_iter().zip(commands).collect())
}

/// Refuses answers that no store could give.
fn check_answers(text: &str, block: &Lines) -> Result<(), ScriptError> {
    if block.expected.is_empty() {
        let reason =
            "expected the answers after '---'; a block whose commands say nothing answers ok";
        return Err(ScriptError::at(block.expected.start - 1, reason));
    }
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    let mut expected = lines.filter(|(number, _)| block.expected.contains(number));
    match expected.find(|(_, line)| line.ends_with([' ', '\t'])) {
        Some((line, _)) => {
            Err(ScriptError::at(line, "the line ends with a blank, which no answer does"))
        }
        None => Ok(()),
    }
}

/// Collects commands.
#[derive(Default)]
struct Reader {
    commands: Vec<Command>,
    /// The place of the first command that cannot be meant, and why.
    wrong: Option<(usize, String)>,
}

impl Runner for Reader {
    type Command = goldenscript::Command;

    fn start_block(&mut self, _: &Block) -> Result<String, Box<dyn Error>> {
        Ok(String::new())
    }

    fn run(
        &mut self,
        command: &goldenscript::Command,
        context: &Context,
    ) -> Result<String, Box<dyn Error>> {
        let read = match context.fail || context.silent || !context.tags.is_empty() {
            true => Err(NO_MARKS.into()),
            false => Command::read(command),
        };
        match read {
            Ok(command) if self.wrong.is_none() => self.commands.push(command),
            Ok(_) => {}
            Err(reason) => {
                self.wrong.get_or_insert((self.commands.len(), reason));
            }
        }
        // A command with '!' must fail, or the rest is not read.
        if context.fail { Err(NO_MARKS.into()) } else { Ok(String::new()) }
    }
}

/// What goldenscript gives a meaning, and kvspec does not.
const NO_MARKS: &str =
    "'!', '( )' and '[tags]' have no meaning here: errors are answers, and every answer is judged";
