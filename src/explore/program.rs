//! A random program: commands of several clients, and the script that it makes.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::PathBuf;

use crate::capability::Need;
use crate::command::draw::Drawn;
use crate::command::names::Named;
use crate::command::{Command, List, Update};
use crate::scenario::lines;
use crate::scenario::{Reading, Scenario, ScenarioError};
use crate::transcript::{Answer, Transcript};
use crate::verdict::observed_text;

/// The name of a program that is run only to be compared.
const NAME: &str = "explore/program";

/// One command of a program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The client that it runs on; `None` is the first one.
    pub client: Option<String>,
    /// The command.
    pub command: Command,
}

/// Commands of several clients, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Program {
    /// The commands.
    pub steps: Vec<Step>,
    /// Whether it counts the store's revisions, so that nothing else may run at the same time.
    pub is_alone: bool,
    /// Whether its watches are read only when it asks for events.
    pub are_unread: bool,
    /// Groups of keys whose TTLs end so close to each other that a store may take them away in any order.
    pub any_order: Vec<BTreeSet<Vec<u8>>>,
}

impl Program {
    /// What a store must have to run it.
    pub fn needs(&self) -> Vec<Need> {
        let needs = self.steps.iter().flat_map(|step| needs(&step.command));
        needs.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// The program as a scenario of one block that expects nothing. It is not parsed: nothing judges by its text.
    pub fn bare(&self) -> Scenario {
        let mut text = String::new();
        self.steps.iter().for_each(|step| writeln!(text, "{step}").expect("a string takes all"));
        text.push_str("---\nok\n");
        self.scenario(text, 1)
    }

    /// The program as a script that expects these answers, below a header of comments. Commands that say nothing are in
    /// one block with the next that does.
    ///
    /// Fails if it cannot be parsed, which is a fault of how programs are drawn.
    pub fn script(&self, header: &str, answers: &Transcript) -> Result<Scenario, ScenarioError> {
        let mut text = format!("{header}\n");
        let speaks = |at: usize| {
            let entry = answers.entries.get(at);
            entry.is_some_and(|entry| !entry.answer.lines().is_empty())
        };
        for (at, step) in self.steps.iter().enumerate() {
            writeln!(text, "{step}").expect("a string takes all");
            if speaks(at) || at + 1 == self.steps.len() {
                text.push_str("---\nok\n\n");
            }
        }
        let path = PathBuf::from(format!("{NAME}.kv"));
        let wrong = |reason: String| ScenarioError { path: path.clone(), line: None, reason };
        let open = self.scenario(text, 1 + header.lines().count());
        let text = observed_text(&open, answers).map_err(|error| wrong(error.to_string()))?;
        let parsed = Scenario::parse(&path.clone(), path.clone(), text)?;
        // What the header may leave out, the program says.
        let Scenario { exclusive, reading, needs, exact, .. } = open;
        Ok(Scenario { exclusive, reading, needs, exact, ..parsed })
    }

    fn scenario(&self, text: String, first: usize) -> Scenario {
        let written = lines::blocks(&text).into_iter().flat_map(|block| block.commands);
        let lines = written.map(|(line, _)| line).chain(first..);
        let commands: Vec<_> =
            lines.zip(self.steps.iter().map(|step| step.command.clone())).collect();
        Scenario {
            name: NAME.into(),
            path: format!("{NAME}.kv").into(),
            text,
            max_wait: commands.iter().map(|(_, command)| command.max_wait()).sum(),
            commands,
            title: String::new(),
            clauses: Vec::new(),
            source: String::new(),
            exclusive: self.is_alone.then(|| "it counts revisions".into()),
            reading: match self.are_unread {
                true => Reading::WhenAsked("the program".into()),
                false => Reading::Always,
            },
            needs: self.needs(),
            // Its times decide what it is about.
            exact: Some("the program".into()),
            scales: Vec::new(),
            follows_max_value: false,
        }
    }
}

fn needs(command: &Command) -> Vec<Need> {
    let mut needs = match command.draw().drawn {
        Drawn::Often(_, needs, _) => needs.to_vec(),
        Drawn::Not(_) => Vec::new(),
    };
    needs.extend(command.uses().iter().filter_map(|(named, _)| match named {
        Named::Lease => Some(Need::Leases),
        Named::Mark => Some(Need::Revisions),
        Named::Watch | Named::Fill => None,
    }));
    needs.extend(
        matches!(command, Command::List(List { limit: Some(_), .. })).then_some(Need::Revisions),
    );
    let is_binary = |key: &[u8]| std::str::from_utf8(key).is_err();
    let has_binary_key =
        matches!(command, Command::Update(Update { key, .. }) if is_binary(&key.0));
    needs.extend(has_binary_key.then_some(Need::BinaryKeys));
    needs
}

impl std::fmt::Display for Step {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.client {
            Some(client) => write!(f, "{client}: {}", self.command),
            None => self.command.fmt(f),
        }
    }
}

/// Whether two answers read the same.
pub(super) fn read_alike(one: &Answer, other: &Answer) -> bool {
    one == other || one.lines() == other.lines()
}
