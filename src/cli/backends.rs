//! Backends by the names that the command line calls them.

use std::sync::Arc;

#[cfg(feature = "redis")]
use super::servers::RedisArgs;
use super::{Problem, said};
use crate::builtin;
use crate::event::{Outcome, RunEvent};
use crate::mutants;
use crate::plan::Plan;
use crate::report::paint::Paint;
use crate::report::terminal::Waiting;
use crate::report::warning::warn;
use crate::runner::{Abort, Settings};
use crate::scenario::Scenario;
#[cfg(feature = "etcd")]
use crate::server::ServerOptions;
use crate::suite;
use crate::target::{Capabilities, Target};

/// What stands before the name of a mutant.
const MUTANT: &str = "mutant:";

/// What the targets need to be opened.
pub(super) struct Openers<'a> {
    #[cfg(feature = "etcd")]
    pub server: ServerOptions,
    #[cfg(feature = "redis")]
    pub redis: &'a RedisArgs,
    #[cfg_attr(
        not(any(feature = "etcd", feature = "redis")),
        expect(dead_code, reason = "only a search for a server can be interrupted")
    )]
    pub abort: &'a Abort,
}

/// Accepts the names of backends, and `mutant:NAME`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_mutant = |name: &str| mutants::all().iter().any(|mutant| mutant.name == name);
    match text.strip_prefix(MUTANT) {
        Some(name) if is_mutant(name) => Ok(text.into()),
        Some(name) => Err(format!("'{name}' is no mutant; `kvspec self-check` names them all")),
        None if builtin::NAMES.contains(&text) => Ok(text.into()),
        None => Err(format!("there are: {}, and {MUTANT}NAME", builtin::NAMES.join(", "))),
    }
}

impl Openers<'_> {
    /// The target of that name, not opened yet.
    pub fn target(&self, name: &str) -> Result<Target, Problem> {
        if let Some(mutant) = name.strip_prefix(MUTANT) {
            let found = mutants::all().into_iter().find(|one| one.name == mutant);
            return found
                .map(|mutant| Target::new(mutant).called(name))
                .ok_or_else(|| said(format!("'{mutant}' is no mutant")));
        }
        match name {
            "memory" => Ok(builtin::memory_target()),
            #[cfg(feature = "etcd")]
            "etcd" => Ok(builtin::etcd_target(self.server.clone(), self.abort.clone())),
            #[cfg(feature = "redis")]
            "redis" => Ok(builtin::redis_target(self.redis.options()?, self.abort.clone())),
            #[cfg(feature = "etcd-v2")]
            "etcd-v2" => Ok(builtin::etcd_v2_target(self.server.clone(), self.abort.clone())),
            _ => Err(said(format!(
                "{name} is not in this kvspec; there are: {}",
                builtin::NAMES.join(", ")
            ))),
        }
    }
}

/// What became of every case on one target, sorted by name; its capabilities, and what it is.
type Ran = (Vec<Outcome>, Option<Capabilities>, String);

/// Runs the scenarios on one target with nothing told but that it is being waited for.
pub(super) fn run_one(
    target: Target,
    scenarios: &[Arc<Scenario>],
    settings: &Settings,
) -> Result<Ran, Problem> {
    let name = target.name().to_string();
    let _waiting = Waiting::new(format!("running {name}"));
    let mut plan = Plan::new(vec![target], scenarios);
    plan.open();
    let ready = plan.shares[0].target.ready();
    if let Err(unavailable) = ready {
        warn(unavailable, Paint::auto(owo_colors::Stream::Stderr))?;
    }
    let capabilities = ready.ok().map(|ready| ready.capabilities.clone());
    let about = ready.map_or_else(|missing| missing.reason.clone(), |ready| ready.about.clone());
    let mut outcomes = Vec::new();
    let mut collect = |event: RunEvent<'_>| {
        if let RunEvent::CaseFinished { outcome } = event {
            outcomes.push(outcome.clone());
        }
        Ok(())
    };
    let summary = suite::run(&plan, settings, None, &mut collect)?;
    if let Some(reason) = summary.ended_early {
        return Err(said(format!("the run ended early: {reason}")));
    }
    outcomes.sort_by(|one, other| one.case.scenario.name.cmp(&other.case.scenario.name));
    Ok((outcomes, capabilities, format!("{name}: {about}")))
}
