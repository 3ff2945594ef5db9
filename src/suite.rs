//! Runs a plan: each target's cases side by side, exclusive ones alone.

mod alone;
mod calls;
mod ceiling;
mod floor;
mod told;
mod turns;

use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Instant, SystemTime};

pub(crate) use self::calls::Calls;
pub(crate) use self::floor::Floor;
pub(crate) use self::told::tell;
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::plan::{Case, Plan, Share};
use crate::runner::Settings;
use crate::scenario::Scenario;
use crate::target::Ready;
use crate::verdict::Verdict;

/// Takes the events of a run as they happen.
///
/// An error ends the run: no one is left to report.
pub type Listener<'a> = dyn FnMut(RunEvent<'_>) -> std::io::Result<()> + 'a;

/// Runs every case of a plan, and reports `listener` of each.
///
/// `jobs` is how many cases run at once. `None` leaves it to what is seen: on a store in real time a few dozen at first,
/// more while it answers quickly, fewer while it does not; on virtual time as many as there are cores.
pub fn run(
    plan: &Plan,
    settings: &Settings,
    jobs: Option<usize>,
    listener: &mut Listener,
) -> std::io::Result<Summary> {
    let started = Instant::now();
    let mut summary = Summary::default();
    listener(told::started(plan, SystemTime::now(), plan.len()))?;
    for share in &plan.shares {
        let name = share.target.name();
        let tally = run_share(plan, share, settings, jobs, &mut summary.ended_early, listener)?;
        listener(RunEvent::TargetFinished { name, tally: &tally })?;
        summary.tallies.push((name.into(), tally));
    }
    if settings.abort.is_thrown() {
        summary.ended_early.get_or_insert_with(|| told::INTERRUPTED.into());
    }
    summary.took = started.elapsed();
    listener(RunEvent::Finished { summary: &summary })?;
    Ok(summary)
}

fn run_share(
    plan: &Plan,
    share: &Share,
    settings: &Settings,
    jobs: Option<usize>,
    ended_early: &mut Option<String>,
    listener: &mut Listener,
) -> std::io::Result<Tally> {
    let started = Instant::now();
    let mut tally = Tally::default();
    let ready = share.target.ready();
    let floor = ready.ok().map(|ready| Floor::new(ready, settings, jobs));
    let calls =
        ready.ok().zip(floor.as_ref()).map(|(ready, floor)| find(plan, share, ready, floor));
    told::target_started(&share.target, share.cases.len(), listener)?;
    let mut told = |news: News| match news {
        News::Started(case) => listener(RunEvent::CaseStarted { case: &case }),
        News::Finished(outcome) => {
            tally.add(&outcome);
            if ended_early.is_none() {
                *ended_early = settings.abort.reason();
            }
            listener(RunEvent::CaseFinished { outcome: &outcome })
        }
    };
    let mut run = Vec::new();
    for case in &share.cases {
        // What was found since the plan was made decides too.
        let case = case.settled(&share.target);
        let found = calls.as_ref().and_then(|calls| calls.outcome(&case.scenario.name));
        match (found, &case.skip) {
            (Some(outcome), _) => told(News::Finished(Box::new(outcome.clone())))?,
            (None, Some(_)) => told(News::Finished(Box::new(skip(&case))))?,
            (None, None) => run.push(case),
        }
    }
    if let (Ok(ready), Some(floor)) = (ready, &floor) {
        let run: Vec<_> = run.iter().collect();
        side_by_side(ready, &run, floor, settings, &mut told)?;
    }
    tally.took = started.elapsed();
    Ok(tally)
}

/// Finds out what the store of a share has, by all scenarios that are about that.
fn find(plan: &Plan, share: &Share, ready: &Ready, floor: &Floor) -> Calls {
    let case = |scenario: &Arc<Scenario>| {
        Case::new(share.target.name(), scenario.clone()).settled(&share.target)
    };
    let cases: Vec<_> = plan.calls.iter().map(case).collect();
    let others = share.cases.iter().map(|case| case.scenario.as_ref());
    Calls::find(floor, &share.target, ready, &cases, others)
}

/// What a worker sends to the thread that reports.
enum News {
    Started(Case),
    Finished(Box<Outcome>),
}

/// Runs every case in a thread of its own, which waits for its turn.
fn side_by_side(
    ready: &Ready,
    cases: &[&Case],
    floor: &Floor,
    settings: &Settings,
    told: &mut dyn FnMut(News) -> std::io::Result<()>,
) -> std::io::Result<()> {
    // All are in the queue before the first turn is given, so that those come first that should.
    let queue: Vec<_> = cases.iter().map(|case| floor.queue(case)).collect();
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for queued in queue {
            let sender = sender.clone();
            scope.spawn(move || {
                let case = queued.case().clone();
                let begin = || {
                    // No one need hear that a case begins which the end of the run came before.
                    if !settings.abort.is_thrown() {
                        let _ = sender.send(News::Started(case));
                    }
                };
                let outcome = floor.run(queued, ready, begin);
                let _ = sender.send(News::Finished(Box::new(outcome)));
            });
        }
        drop(sender);
        let heard = receiver.iter().try_for_each(told);
        if heard.is_err() {
            settings.abort.throw();
        }
        heard
    })
}

fn skip(case: &Case) -> Outcome {
    let verdict = Verdict::Skipped(case.skip.clone().unwrap_or_default());
    Outcome { case: case.clone(), verdict, transcript: None, took: std::time::Duration::ZERO }
}
