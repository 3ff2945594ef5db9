//! The contract: numbered clauses, each one sentence, and the scenarios that check them.

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::LazyLock;

use crate::named::named;
use crate::scenario::Scenario;

static TEXT: &str = include_str!("../scenarios/CONTRACT.md");

static CLAUSES: LazyLock<Vec<Clause>> =
    LazyLock::new(|| TEXT.lines().filter_map(Clause::read).collect());

/// One numbered clause of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Clause {
    /// Its group's letter and its number: `W2`.
    pub id: String,
    /// How binding it is.
    pub level: Level,
    /// What a store must do, in one sentence.
    pub sentence: String,
    /// Where it comes from, in the short names that the contract explains.
    pub source: String,
}

named! {
    /// How binding a clause is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Level {
        /// Every coordination store promises it.
        Core = "core",
        /// Stores with the capability promise it.
        Extended = "extended",
        /// etcd does it, though its documents do not promise it.
        Strict = "strict",
    }
}

impl Clause {
    /// Reads a row of a table of clauses; `None` for any other line.
    fn read(line: &str) -> Option<Self> {
        let mut cells = line.strip_prefix('|')?.strip_suffix('|')?.split('|').map(str::trim);
        let (id, level, sentence, source) =
            (cells.next()?, cells.next()?, cells.next()?, cells.next()?);
        let level = Level::from_name("level", level).ok()?;
        Some(Self {
            id: id.into(),
            level,
            sentence: sentence.into(),
            source: source.replace(['[', ']'], ""),
        })
    }

    /// The sentence as failures show it: a strict clause says that it is one.
    pub fn shown(&self) -> Cow<'_, str> {
        match self.level {
            Level::Core | Level::Extended => Cow::Borrowed(&self.sentence),
            Level::Strict => Cow::Owned(format!(
                "{} (strict: etcd does so, and its documents do not promise it)",
                self.sentence
            )),
        }
    }

    /// The letter of the clause's group.
    pub fn group(&self) -> &str {
        self.id.trim_end_matches(|c: char| c.is_ascii_digit())
    }
}

/// Every clause, in the order of the contract.
pub fn clauses() -> &'static [Clause] {
    &CLAUSES
}

/// The clause of that id.
pub fn clause(id: &str) -> Option<&'static Clause> {
    static PLACES: LazyLock<HashMap<&str, &Clause>> =
        LazyLock::new(|| clauses().iter().map(|clause| (clause.id.as_str(), clause)).collect());
    PLACES.get(id).copied()
}

/// The letters of all groups of clauses, in the order of the contract.
pub fn letters() -> Vec<&'static str> {
    let mut letters: Vec<_> = clauses().iter().map(Clause::group).collect();
    letters.dedup();
    letters
}

/// The letters of the groups that a scenario checks clauses of, each once.
pub fn groups(scenario: &Scenario) -> BTreeSet<&'static str> {
    scenario.clauses.iter().filter_map(|id| clause(id)).map(Clause::group).collect()
}

/// What a group of clauses is about, in the words of its heading.
pub fn title(letter: &str) -> Option<&'static str> {
    TEXT.lines().find_map(|line| line.strip_prefix("## ")?.strip_prefix(letter)?.strip_prefix(": "))
}

/// What is wrong between the contract and a suite, one sentence each: a clause that no scenario checks, a scenario that
/// checks none, an unknown clause.
pub fn gaps(scenarios: &[Arc<Scenario>]) -> Vec<String> {
    let mut gaps = misnamed(scenarios);
    let checked: BTreeSet<_> =
        scenarios.iter().flat_map(|scenario| &scenario.clauses).map(String::as_str).collect();
    let unchecked = clauses().iter().filter(|clause| !checked.contains(clause.id.as_str()));
    gaps.extend(unchecked.map(|clause| format!("no scenario checks {}", clause.id)));
    gaps
}

/// The names of clauses in a scenario that the contract does not have.
fn unknown(scenario: &Scenario) -> impl Iterator<Item = &str> {
    scenario.clauses.iter().map(String::as_str).filter(|id| clause(id).is_none())
}

/// Refuses scenarios that name a clause which the contract does not have.
pub(crate) fn refuse_unknown(scenarios: &[Scenario]) -> Result<(), String> {
    for scenario in scenarios {
        if let Some(id) = unknown(scenario).next() {
            let path = scenario.path.display();
            let line = scenario.text.lines().position(|line| line.contains("clauses:"));
            let line = line.map_or(1, |line| line + 1);
            return Err(format!(
                "{path}:{line}: unknown clause '{id}': expected one of those that kvspec list --clauses prints"
            ));
        }
    }
    Ok(())
}

/// What is wrong with the clauses that scenarios name, one sentence each; says nothing of clauses that none of them names.
pub fn misnamed(scenarios: &[Arc<Scenario>]) -> Vec<String> {
    let mut gaps = Vec::new();
    for scenario in scenarios {
        if scenario.clauses.is_empty() {
            gaps.push(format!("{} names no clause", scenario.name));
        }
        let unknown = unknown(scenario);
        gaps.extend(unknown.map(|id| format!("{} names an unknown clause '{id}'", scenario.name)));
    }
    gaps
}
