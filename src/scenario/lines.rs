//! The lines of a script: which are commands, and which are the answers expected of them.

use std::ops::Range;

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
    split(text).0
}

/// The last line and text of the commands that no `---` follows, if there are such.
pub(super) fn open_block(text: &str) -> Option<(usize, String)> {
    split(text).1.pop()
}

fn split(text: &str) -> (Vec<Lines>, Vec<(usize, String)>) {
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
    (blocks, commands)
}
