//! Which commands random programs had, and which of them followed which.

use std::fmt;

use super::program::Program;
use crate::capability::{Capabilities, Need};
use crate::command::DRAWS;
use crate::command::draw::Drawn;

const COUNT: usize = DRAWS.len();

/// How many pairs that never came are named.
const NAMED: usize = 12;

/// How often each command was run, and directly after which other.
#[derive(Debug, Clone)]
pub struct Coverage {
    commands: [u64; COUNT],
    pairs: Box<[[u64; COUNT]; COUNT]>,
}

impl Default for Coverage {
    fn default() -> Self {
        Self { commands: [0; COUNT], pairs: Box::new([[0; COUNT]; COUNT]) }
    }
}

impl Coverage {
    /// Counts the commands of a program.
    pub fn add(&mut self, program: &Program) {
        let place = |name| DRAWS.iter().position(|draw| draw.name == name).unwrap_or_default();
        let mut before = None;
        for step in &program.steps {
            let now = place(step.command.draw().name);
            self.commands[now] += 1;
            if let Some(before) = before.replace(now) {
                self.pairs[before][now] += 1;
            }
        }
    }

    /// How many commands there were.
    pub fn commands(&self) -> u64 {
        self.commands.iter().sum()
    }

    /// What was covered, for a store that has this.
    pub fn shown<'a>(&'a self, capabilities: &'a Capabilities) -> impl fmt::Display + 'a {
        Shown { coverage: self, capabilities }
    }
}

struct Shown<'a> {
    coverage: &'a Coverage,
    capabilities: &'a Capabilities,
}

impl Shown<'_> {
    /// The places of the commands that are drawn for the store.
    fn drawn(&self) -> Vec<usize> {
        let lacks = |need: &Need| self.capabilities.lack(*need).is_some();
        let is_drawn = |place: &usize| match DRAWS[*place].drawn {
            Drawn::Often(_, needs, _) => !needs.iter().any(lacks),
            Drawn::Not(_) => false,
        };
        (0..COUNT).filter(is_drawn).collect()
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let drawn = self.drawn();
        let Coverage { commands, pairs } = self.coverage;
        let count = |place: &usize| format!("{} {}", DRAWS[*place].name, commands[*place]);
        let counts: Vec<_> = drawn.iter().map(count).collect();
        writeln!(f, "commands: {}", counts.join(", "))?;
        let all = drawn.iter().flat_map(|one| drawn.iter().map(move |next| (*one, *next)));
        let missing: Vec<_> = all.filter(|(one, next)| pairs[*one][*next] == 0).collect();
        let possible = drawn.len() * drawn.len();
        write!(
            f,
            "pairs: {} of {possible} commands right after another",
            possible - missing.len()
        )?;
        if missing.is_empty() {
            return Ok(());
        }
        let name = |(one, next): &(usize, usize)| {
            format!("{} after {}", DRAWS[*next].name, DRAWS[*one].name)
        };
        let names: Vec<_> = missing.iter().take(NAMED).map(name).collect();
        let more = missing.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        write!(f, "; never {}{more}", names.join(", "))
    }
}
