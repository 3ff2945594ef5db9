//! The test of a backend that runs random programs on it.

use std::sync::Arc;

use libtest_mimic::{Completion, Failed, Trial};

use super::trials::{ONE_EACH, Trials};
use super::{is_process_per_test, is_server_required};
use crate::explore::{Explored, Search, Subject, explore};
use crate::target::{Ready, Target};

/// What all programs are drawn from, so that the test is the same in every run.
const SEED: u64 = 1;

/// The variable that sets how many programs are run.
const PROGRAMS: &str = "KVSPEC_EXPLORE";

/// How many programs are run, if any: what the variable says, or else what the test program says.
pub(super) fn programs(said: u64) -> Option<u64> {
    let set = std::env::var(PROGRAMS).ok().and_then(|number| number.parse().ok());
    Some(set.unwrap_or(said)).filter(|programs| *programs > 0)
}

/// The test of a target, called `BACKEND::explore`.
pub(super) fn trial(trials: &Arc<Trials>, target: Arc<Target>, programs: u64) -> Trial {
    let (trials, name) = (trials.clone(), format!("{}::explore", target.name()));
    let is_ignored = is_process_per_test() && target.starts_a_server() && !is_server_required();
    let trial = Trial::ignorable_test(name, move || test(&trials, &target, programs));
    trial.with_ignored_flag(is_ignored)
}

fn test(trials: &Trials, target: &Target, programs: u64) -> Result<Completion, Failed> {
    if is_process_per_test() && target.starts_a_server() {
        return Err(Failed::from(ONE_EACH));
    }
    let ready = match target.ready() {
        Ok(ready) => ready,
        Err(unavailable) if unavailable.is_named || is_server_required() => {
            return Err(Failed::from(&unavailable.story));
        }
        Err(unavailable) => return Ok(Completion::ignored_with(&unavailable.reason)),
    };
    let floor = trials.floor(target, ready);
    if let Err(said) = floor.preflight(target, ready) {
        return Err(Failed::from(format!("{} cannot be tested: {said}", target.name())));
    }
    let subject = Subject::new(target, ready).on(floor);
    let search = Search { seed: SEED, programs, within: None, findings: 1, jobs: None };
    let explored = explore(subject, None, &search, &trials.settings, &mut |_| {});
    told(target, ready, &explored)
}

fn told(target: &Target, ready: &Ready, explored: &Explored) -> Result<Completion, Failed> {
    if let Some(found) = explored.found.first() {
        let (name, count) = (target.name(), found.program.steps.len());
        return Err(Failed::from(format!(
            "{name} answers otherwise than the memory store to a program of {count} commands. As a script for \
             Harness::scenarios, once it has a title:\n\n{}",
            found.script
        )));
    }
    let rate = explored.programs as f64 / explored.took.as_secs_f64().max(0.001);
    println!("{}: {} programs, {rate:.0} a second", target.name(), explored.programs);
    match explored.programs == explored.not_compared() {
        true => Err(Failed::from(format!(
            "no program could be compared on {}: {}",
            ready.about,
            explored.unclear.keys().next().map_or("", String::as_str)
        ))),
        false => Ok(Completion::Completed),
    }
}
