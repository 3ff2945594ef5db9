//! Finds out what a store has: runs the scenarios about one function each, and says what does not work.

use std::collections::{BTreeMap, BTreeSet};

use super::floor::Floor;
use crate::command::names::Name;
use crate::command::{Command, Topic};
use crate::event::Outcome;
use crate::missing::Missing;
use crate::plan::Case;
use crate::scenario::Scenario;
use crate::store::{ErrorKind, Function, StoreError};
use crate::target::{Ready, Target};
use crate::transcript::{Answer, Entry, Events};
use crate::verdict::Verdict;

/// What the scenarios about one function each found.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    outcomes: BTreeMap<String, Outcome>,
}

impl Calls {
    /// Runs the cases, of which none has begun, and notes in the target what it lacks; `others` are all that may be run.
    pub fn find<'a>(
        floor: &Floor,
        target: &Target,
        ready: &Ready,
        cases: &[Case],
        others: impl Iterator<Item = &'a Scenario>,
    ) -> Self {
        let mut outcomes = floor.run_all(ready, cases);
        outcomes.sort_by_key(|outcome| outcome.case.scenario.functions().last().copied());
        let (missing, said) = missing(&outcomes);
        let mut unjudged: BTreeMap<&str, usize> = BTreeMap::new();
        for scenario in others.filter(|one| ready.lacks(one).is_none()) {
            if let Some(by) = missing.lack(scenario) {
                *unjudged.entry(by).or_default() += 1;
            }
        }
        for outcome in &mut outcomes {
            let name = outcome.case.scenario.name.clone();
            let count = unjudged.get(name.as_str()).copied().unwrap_or(0);
            match said.get(&name) {
                Some(said) => tell(outcome, &missing.shown_by(&name), said, count),
                None => skip_for_another(outcome, &missing),
            }
        }
        target.lack(missing);
        let named = |outcome: Outcome| (outcome.case.scenario.name.clone(), outcome);
        Self { outcomes: outcomes.into_iter().map(named).collect() }
    }

    /// What became of the case of a scenario, if it is one of these.
    pub fn outcome(&self, scenario: &str) -> Option<&Outcome> {
        self.outcomes.get(scenario)
    }
}

/// What does not work, and for each scenario that shows it what was answered.
fn missing(outcomes: &[Outcome]) -> (Missing, BTreeMap<String, String>) {
    let is_mute = !outcomes.iter().flat_map(steps).any(|(_, entry)| delivers(&entry.answer));
    let mut found = Found { is_mute, ..Found::default() };
    outcomes.iter().for_each(|outcome| found.take(outcome));
    found.close()
}

#[derive(Default)]
struct Found {
    /// Whether no watch delivered anything.
    is_mute: bool,
    missing: Missing,
    /// What was answered, by the scenario that shows it.
    said: BTreeMap<String, String>,
    proven: BTreeSet<Function>,
    /// The functions that a case did not come to.
    unasked: BTreeSet<Function>,
}

impl Found {
    fn take(&mut self, outcome: &Outcome) {
        let name = &outcome.case.scenario.name;
        // What a command was to make that failed is not there for those after it.
        let mut unmade: Vec<Name> = Vec::new();
        for (command, entry) in steps(outcome) {
            let functions = command.functions();
            let is_unasked = command.uses().iter().any(|name| unmade.contains(name));
            match trouble(command, entry) {
                // That it opens shows little of a watch that never says anything.
                None if self.is_mute && matches!(command, Command::Watch(_)) => continue,
                None if entry.answer.error().is_none() => {
                    self.proven.extend(functions);
                    continue;
                }
                None => {}
                Some(_) if is_unasked => self.unasked.extend(functions),
                Some(trouble) => self.fault(name, &functions, trouble),
            }
            unmade.extend(command.makes());
        }
    }

    /// What is missing; so is a function that could not be asked, for want of what another was to make.
    fn close(mut self) -> (Missing, BTreeMap<String, String>) {
        let mute = self.missing.shown_for(&[Function::Watch]).filter(|_| self.is_mute);
        if let Some(by) = mute.map(String::from) {
            self.missing.add(Function::WatchFrom, &by);
        }
        let leases = self.missing.shown_for(&[Function::Lease]).map(String::from);
        for function in self.unasked.difference(&self.proven) {
            if let Some(by) = &leases
                && self.missing.first_of(&[*function]).is_none()
            {
                self.missing.add(*function, by);
            }
        }
        (self.missing, self.said)
    }

    /// Of the functions of a command that failed, the first that was not seen to work is to blame, unless one is already.
    fn fault(&mut self, name: &str, functions: &[Function], trouble: String) {
        let open = functions.iter().find(|one| !self.proven.contains(one));
        let (Some(function), None) = (open, self.missing.first_of(functions)) else { return };
        // The same words to another function are about the same lack.
        let same = self.said.iter().find(|(_, said)| **said == trouble && trouble.contains(": "));
        match same.map(|(by, _)| by.clone()) {
            Some(by) => self.missing.add(*function, &by),
            None => {
                self.missing.add(*function, name);
                self.said.insert(name.into(), trouble);
            }
        }
    }
}

/// The commands of a case with what each was seen to answer.
fn steps(outcome: &Outcome) -> impl Iterator<Item = (&Command, &Entry)> {
    let entries = outcome.transcript.iter().flat_map(|transcript| &transcript.entries);
    let commands = outcome.case.scenario.commands.iter().map(|(_, command)| command);
    commands.zip(entries)
}

/// Why a command's function does not work, if its answer shows that; a wrong answer shows only that it works wrongly.
fn trouble(command: &Command, entry: &Entry) -> Option<String> {
    if let Answer::Panic(said) = &entry.answer {
        return Some(format!("panicked: {said}"));
    }
    if let Answer::Events(events) = &entry.answer
        && is_without_revisions(command, events)
    {
        return Some("each event says mod_revision 0".into());
    }
    let error = entry.answer.error().filter(|error| is_refusal(error))?;
    Some(match (command.topic(), error.kind) {
        (Topic::Events, ErrorKind::DeadlineExceeded) => {
            format!("it opens, and delivers nothing: {}", error.in_short())
        }
        _ => error.in_short(),
    })
}

/// Whether an answer shows that a watch delivered something, were it only the fence.
fn delivers(answer: &Answer) -> bool {
    let came = |events: &Events| {
        !events.events.is_empty() || (events.error.is_none() && !events.is_write_lost)
    };
    matches!(answer, Answer::Events(events) if came(events))
}

/// Whether events that were to have revisions have none.
fn is_without_revisions(command: &Command, Events { order, .. }: &Events) -> bool {
    let is_wanted = command.functions().contains(&Function::EventRevisions);
    is_wanted && !order.is_empty() && order.last().is_none()
}

/// Whether an error says that the function does not work, rather than that it could not be asked.
fn is_refusal(error: &StoreError) -> bool {
    match error.kind {
        ErrorKind::Unavailable | ErrorKind::Closed => false,
        ErrorKind::Other | ErrorKind::InvalidArgument => !error.is_own(),
        _ => true,
    }
}

/// Says what is missing where a case shows it.
fn tell(outcome: &mut Outcome, functions: &[Function], said: &str, unjudged: usize) {
    let (Verdict::Failed(mismatch) | Verdict::Known(_, mismatch)) = &mut outcome.verdict else {
        return;
    };
    let names: Vec<_> = functions.iter().map(|function| function.as_str()).collect();
    let scenarios = if unjudged == 1 { "1 scenario" } else { &format!("{unjudged} scenarios") };
    let sentence = format!("{}: {said}; {scenarios} not judged for it", names.join(", "));
    mismatch.missing = Some(sentence);
}

/// Skips a case that failed for a function which another one is about.
fn skip_for_another(outcome: &mut Outcome, missing: &Missing) {
    let is_stopped = steps(outcome).any(|(command, entry)| {
        let is_missing = missing.first_of(&command.functions()).is_some();
        is_missing && (trouble(command, entry).is_some() || entry.answer.error().is_some())
    });
    if is_stopped
        && matches!(outcome.verdict, Verdict::Failed(_) | Verdict::Known(..))
        && let Some(reason) = missing.reason(&outcome.case.scenario)
    {
        outcome.verdict = Verdict::Skipped(reason);
    }
}
