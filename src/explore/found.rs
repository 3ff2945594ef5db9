//! A program that two stores answer differently, as a script for the suite.

use crate::contract;
use crate::scenario::ScenarioError;
use crate::transcript::Transcript;
use crate::verdict::{DiffLine, Mismatch};

use super::program::Program;

/// A difference between two stores.
#[derive(Debug, Clone)]
pub struct Found {
    /// The seed of the search.
    pub seed: u64,
    /// The number of the program that showed it first.
    pub number: u64,
    /// The program, as small as it was made.
    pub program: Program,
    /// How the answers differ.
    pub mismatch: Mismatch,
    /// The script, which expects the answers of the model or of the store that is compared with.
    pub script: String,
}

/// What the two stores are called.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// The one whose answers are expected.
    pub reference: String,
    /// The other, and what it is.
    pub store: String,
    pub about: String,
}

impl Found {
    pub(super) fn new(
        (seed, number): (u64, u64),
        names: &Names,
        program: Program,
        expected: &Transcript,
        mismatch: Mismatch,
    ) -> Result<Self, ScenarioError> {
        let header = header((seed, number), names, &program, &mismatch);
        let script = program.script(&header, expected)?.text;
        Ok(Self { seed, number, program, mismatch, script })
    }

    /// A file name that no other difference of the search has.
    pub fn file_name(&self) -> String {
        format!("seed-{}-program-{}.kv", self.seed, self.number)
    }

    /// The commands and the kinds of difference, by which two findings are known to be one.
    pub(super) fn kind(&self) -> String {
        let names: Vec<_> =
            self.program.steps.iter().map(|step| step.command.draw().name).collect();
        format!("{} {:?}", names.join(" "), self.mismatch.clause)
    }
}

/// The comments above the script: the title is left to its author.
fn header(
    (seed, number): (u64, u64),
    names: &Names,
    program: &Program,
    mismatch: &Mismatch,
) -> String {
    let Names { reference, store, about } = names;
    let mut lines = vec![format!(
        "# To be named: {store} answers otherwise than {reference} to '{}'.",
        mismatch.command
    )];
    let clause = mismatch.clause.as_deref().filter(|clause| contract::clause(clause).is_some());
    lines.extend(clause.map(|clause| format!("# clauses: {clause}")));
    lines
        .push(format!("# source: kvspec explore --seed {seed}, program {number}, against {about}"));
    let needs: Vec<_> = program.needs().iter().map(|need| need.name()).collect();
    if !needs.is_empty() {
        lines.push(format!("# needs: {}", needs.join(" ")));
    }
    if program.is_alone {
        lines.push(
            "# exclusive: counts the store's revisions, which every other write moves".into(),
        );
    }
    if program.are_unread {
        lines.push("# unread: so was the program".into());
    }
    lines.push("#".into());
    lines.push(format!("# Expected are the answers of {reference} (-); {store} answered (+):"));
    let is_shown =
        |line: &&DiffLine| !matches!(line, DiffLine::Same(Some(line)) if line.starts_with('#'));
    let diff = mismatch.diff.iter().filter(is_shown).map(|line| match line {
        DiffLine::Same(Some(line)) => format!("#     {line}"),
        DiffLine::Same(None) => "#     …".into(),
        DiffLine::Expected(line) => format!("#   - {line}"),
        DiffLine::Observed(line) => format!("#   + {line}"),
    });
    lines.extend(diff.map(|line| line.trim_end().to_string()));
    lines.extend(mismatch.notes.iter().map(|note| format!("#   {}", note.replace('\n', " "))));
    lines.join("\n")
}
