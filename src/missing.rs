//! What a store turned out not to have: the functions that do not work in their plainest use.

use std::collections::BTreeMap;

use crate::capability::Capabilities;
use crate::scenario::Scenario;
use crate::store::Function;

/// The folder of the scenarios that are about one function each, and are run before all others.
pub const CALLS: &str = "calls/";

/// The functions that do not work, each with the scenario that shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Missing(BTreeMap<Function, String>);

impl Missing {
    /// Notes that a function does not work, as a scenario showed.
    pub fn add(&mut self, function: Function, shown_by: &str) {
        self.0.entry(function).or_insert_with(|| shown_by.into());
    }

    /// The scenario that shows the first of these functions that is missing.
    pub fn shown_for(&self, functions: &[Function]) -> Option<&str> {
        self.first_of(functions).and_then(|function| self.0.get(&function)).map(String::as_str)
    }

    /// The functions that a scenario showed not to work.
    pub fn shown_by(&self, scenario: &str) -> Vec<Function> {
        self.0.iter().filter(|(_, by)| *by == scenario).map(|(function, _)| *function).collect()
    }

    /// The first function that is missing of these.
    pub fn first_of(&self, functions: &[Function]) -> Option<Function> {
        functions.iter().copied().find(|function| self.0.contains_key(function))
    }

    /// The scenario of [`CALLS`] for whose failure this one is not judged.
    pub fn lack(&self, scenario: &Scenario) -> Option<&str> {
        if is_about_a_call(&scenario.name) {
            return None;
        }
        self.shown_for(&scenario.functions())
    }

    /// Why a scenario is skipped if it is skipped for want of a function.
    pub fn reason(&self, scenario: &Scenario) -> Option<String> {
        let function = self.first_of(&scenario.functions())?;
        Some(format!("{} does not work: {} says why", function, self.0[&function]))
    }

    /// The capabilities that are left of what the type of a store has.
    pub fn taken_from(&self, capabilities: &Capabilities) -> Capabilities {
        let has = |function| !self.0.contains_key(&function);
        Capabilities {
            leases: capabilities.leases && has(Function::Lease),
            revisions: capabilities.revisions && has(Function::Revision),
            transactions: capabilities.transactions && has(Function::Txn),
            ..capabilities.clone()
        }
    }
}

/// Whether a scenario is one of those that are about one function each.
pub fn is_about_a_call(scenario: &str) -> bool {
    scenario.starts_with(CALLS)
}
