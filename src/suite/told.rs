//! The events of a run that say what it is made of, and those of cases that were run elsewhere.

use std::time::{Duration, Instant, SystemTime};

use super::Listener;
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::plan::Plan;
use crate::runner::Abort;
use crate::target::Target;

/// Why a run that was interrupted ended early.
pub(super) const INTERRUPTED: &str = "interrupted";

/// The beginning of a run.
pub(super) fn started(plan: &Plan, at: SystemTime, cases: usize) -> RunEvent<'_> {
    let (kvspec, suite, shard) = (env!("CARGO_PKG_VERSION"), plan.suite.as_str(), plan.shard);
    RunEvent::Started { kvspec, suite, at, cases, shard }
}

/// Reports the beginning of a target's cases; opens it if it was not before.
pub(super) fn target_started(
    target: &Target,
    cases: usize,
    listener: &mut Listener,
) -> std::io::Result<()> {
    let (name, ready) = (target.name(), target.ready());
    let about =
        ready.map(|ready| ready.about.as_str()).map_err(|unavailable| unavailable.reason.as_str());
    let version = ready.ok().and_then(|ready| ready.backend.version());
    let capabilities = target.capabilities();
    let version = version.as_deref();
    let capabilities = capabilities.as_ref();
    listener(RunEvent::TargetStarted { name, about, version, capabilities, cases })
}

/// Reports cases that were run in any order, each with the moment at which it was over, as [`run`](super::run) reports its own.
///
/// Targets of which no case was run are left out.
pub(crate) fn tell(
    plan: &Plan,
    at: SystemTime,
    abort: &Abort,
    outcomes: Vec<(Instant, Outcome)>,
    listener: &mut Listener,
) -> std::io::Result<Summary> {
    let mut summary = Summary { took: span(outcomes.iter()), ..Summary::default() };
    listener(started(plan, at, outcomes.len()))?;
    for share in &plan.shares {
        let name = share.target.name();
        let own: Vec<_> = outcomes.iter().filter(|(_, one)| one.case.backend == name).collect();
        if own.is_empty() {
            continue;
        }
        target_started(&share.target, own.len(), listener)?;
        let mut tally = Tally { took: span(own.iter().copied()), ..Tally::default() };
        for (_, outcome) in own {
            tally.add(outcome);
            listener(RunEvent::CaseFinished { outcome })?;
        }
        listener(RunEvent::TargetFinished { name, tally: &tally })?;
        summary.tallies.push((name.into(), tally));
    }
    if abort.is_thrown() {
        summary.ended_early = Some(abort.reason().unwrap_or_else(|| INTERRUPTED.into()));
    }
    listener(RunEvent::Finished { summary: &summary })?;
    Ok(summary)
}

/// The time from the beginning of the first case to the end of the last.
fn span<'a>(outcomes: impl Iterator<Item = &'a (Instant, Outcome)> + Clone) -> Duration {
    let ends = outcomes.clone().map(|(end, _)| *end).max();
    let begins = outcomes.filter_map(|(end, outcome)| end.checked_sub(outcome.took)).min();
    ends.zip(begins).map_or(Duration::ZERO, |(end, begin)| end - begin)
}
