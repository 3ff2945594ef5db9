//! What several stores can do, side by side: functions, capabilities and clause groups, all of it measured.

use std::fmt::Write as _;

use crate::capability::{Capabilities, Need};
use crate::command::{Command, Update};
use crate::contract;
use crate::event::Outcome;
use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// One store's part of the matrix.
#[derive(Debug)]
pub struct Column {
    /// The backend's name.
    pub name: String,
    /// What it has; `None` if it is not there.
    pub capabilities: Option<Capabilities>,
    /// What became of its cases.
    pub outcomes: Vec<Outcome>,
}

/// A table: a head, and rows of as many cells.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What the columns are.
    pub head: Vec<String>,
    /// The cells, row by row.
    pub rows: Vec<Vec<String>>,
}

/// The functions of the stores' traits: a name, and the commands that call it.
const FUNCTIONS: [(&str, fn(&Command) -> bool); 10] = [
    ("Mkdir", |command| matches!(command, Command::Mkdir(_))),
    ("Create", |command| matches!(command, Command::Create(_))),
    ("Update", |command| matches!(command, Command::Update(Update { ttl: None, lease: None, .. }))),
    ("UpdateWithTTL", |command| matches!(command, Command::Update(Update { ttl: Some(_), .. }))),
    ("Lease", |command| matches!(command, Command::Lease(_))),
    ("UpdateWithLease", |command| {
        matches!(command, Command::Update(Update { lease: Some(_), .. }))
    }),
    ("Delete", |command| matches!(command, Command::Delete(_))),
    ("Read", |command| matches!(command, Command::Read(_))),
    ("List", |command| matches!(command, Command::List(_))),
    ("Watch", |command| matches!(command, Command::Watch(_))),
];

/// The functions and capabilities of each store: a function is there if a scenario that calls it passed. One that no
/// scenario of the run calls is left out.
pub fn functions(columns: &[Column]) -> Table {
    let called = |column: &Column, is_call: fn(&Command) -> bool| {
        column
            .outcomes
            .iter()
            .any(|outcome| has_passed(outcome) && calls(&outcome.case.scenario, is_call))
    };
    let is_measured = |is_call: fn(&Command) -> bool| {
        let mut outcomes = columns.iter().flat_map(|column| &column.outcomes);
        outcomes.any(|outcome| calls(&outcome.case.scenario, is_call))
    };
    let functions = FUNCTIONS.iter().filter(|(_, is_call)| is_measured(*is_call));
    let functions = functions.map(|(name, is_call)| {
        row(name, columns, |column| yes(column.capabilities.is_some() && called(column, *is_call)))
    });
    // No case passes on a store without a base prefix: the runner writes nowhere else.
    let base = row("BasePrefix", columns, |column| yes(column.outcomes.iter().any(has_passed)));
    let has = |column: &Column, need| {
        column.capabilities.as_ref().is_some_and(|capabilities| capabilities.lack(need).is_none())
    };
    let capabilities = Need::ALL.iter().filter_map(|need| {
        Some(row(need.matrix_row()?, columns, |column| yes(has(column, *need))))
    });
    let rows = functions.chain([base]).chain(capabilities).collect();
    Table { head: head("function", columns), rows }
}

/// How many scenarios of each clause group passed, failed, fail only sometimes and were skipped on each store; a group of
/// which no scenario was asked is left out.
pub fn groups(columns: &[Column]) -> Table {
    let rows = contract::letters().into_iter().map(|letter| {
        let title =
            contract::title(letter).map_or(letter.into(), |title| format!("{letter}: {title}"));
        row(&title, columns, |column| counts(column, letter))
    });
    let is_asked = |row: &Vec<String>| row[1..].iter().any(|cell| !cell.is_empty());
    Table { head: head("clauses", columns), rows: rows.filter(is_asked).collect() }
}

fn head(first: &str, columns: &[Column]) -> Vec<String> {
    std::iter::once(first.into()).chain(columns.iter().map(|column| column.name.clone())).collect()
}

fn row(name: &str, columns: &[Column], cell: impl Fn(&Column) -> String) -> Vec<String> {
    std::iter::once(name.into()).chain(columns.iter().map(cell)).collect()
}

fn yes(is_there: bool) -> String {
    if is_there { "yes" } else { "no" }.into()
}

/// Whether the case is known to fail only sometimes; whether it did so in this run is chance.
fn is_flaky(outcome: &Outcome) -> bool {
    outcome.case.known.as_ref().is_some_and(|known| known.tries.is_some())
}

/// Whether the case passed for sure: one that is known to fail only sometimes did not.
fn has_passed(outcome: &Outcome) -> bool {
    outcome.verdict == Verdict::Passed && outcome.case.known.is_none()
}

fn calls(scenario: &Scenario, is_call: fn(&Command) -> bool) -> bool {
    scenario.commands.iter().any(|(_, command)| is_call(command))
}

fn counts(column: &Column, letter: &str) -> String {
    let of_group = |outcome: &&Outcome| outcome.groups().contains(letter);
    let (mut passed, mut failed, mut flaky, mut skipped) = (0, 0, 0, 0);
    for outcome in column.outcomes.iter().filter(of_group) {
        match &outcome.verdict {
            Verdict::Skipped(_) => skipped += 1,
            _ if has_passed(outcome) => passed += 1,
            Verdict::Passed | Verdict::Known(..) if is_flaky(outcome) => flaky += 1,
            _ => failed += 1,
        }
    }
    let told = [(passed, "passed"), (failed, "failed"), (flaky, "flaky"), (skipped, "skipped")];
    let told =
        told.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
    told.collect::<Vec<_>>().join(", ")
}

impl Table {
    /// The table as Markdown.
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let rule = format!("|{}\n", "---|".repeat(self.head.len()));
        let rows: String = self.rows.iter().map(|row| line(row)).collect();
        format!("{}{rule}{rows}", line(&self.head))
    }

    /// The table as people read it on a terminal.
    pub fn text(&self) -> String {
        let all = || std::iter::once(&self.head).chain(&self.rows);
        let width = |index: usize| all().map(|row| row[index].chars().count()).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.head.len()).map(width).collect();
        let mut text = String::new();
        for row in all() {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            writeln!(text, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())
                .expect("a string takes all");
        }
        text
    }
}
