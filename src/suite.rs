//! Runs a plan: each target's cases side by side, exclusive ones alone.

use std::collections::VecDeque;
use std::sync::{Mutex, mpsc};
use std::thread;
use std::time::{Instant, SystemTime};

use crate::backend::Clock;
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::known::weigh;
use crate::plan::{Case, Plan, Share};
use crate::runner::{self, Settings};
use crate::scenario;
use crate::target::Ready;
use crate::transcript::{End, Transcript};
use crate::verdict::{Verdict, judge};

/// How many cases run side by side on a store in real time: they wait more than they work.
pub const JOBS: usize = 128;

/// How often a case is run of which nothing could be said, before nothing is said of it.
const LOOKS: usize = 3;

/// Takes the events of a run as they happen.
///
/// An error ends the run: nobody is left to tell.
pub type Listener<'a> = dyn FnMut(RunEvent<'_>) -> std::io::Result<()> + 'a;

/// Runs every case of a plan, and tells `listener` of each.
///
/// `jobs` is the number of cases that run side by side; `None` leaves it to the store's clock.
pub fn run(
    plan: &Plan,
    settings: &Settings,
    jobs: Option<usize>,
    listener: &mut Listener,
) -> std::io::Result<Summary> {
    let started = Instant::now();
    let mut summary = Summary::default();
    let suite = scenario::suite_hash(plan.scenarios());
    let (kvspec, at) = (env!("CARGO_PKG_VERSION"), SystemTime::now());
    listener(RunEvent::Started { kvspec, suite: &suite, at, cases: plan.len() })?;
    for share in &plan.shares {
        let name = share.target.name();
        let tally = run_share(share, settings, jobs, &mut summary.ended_early, listener)?;
        listener(RunEvent::TargetFinished { name, tally: &tally })?;
        summary.tallies.push((name.into(), tally));
    }
    if settings.abort.is_thrown() {
        summary.ended_early.get_or_insert_with(|| "interrupted".into());
    }
    summary.took = started.elapsed();
    listener(RunEvent::Finished { summary: &summary })?;
    Ok(summary)
}

fn run_share(
    share: &Share,
    settings: &Settings,
    jobs: Option<usize>,
    ended_early: &mut Option<String>,
    listener: &mut Listener,
) -> std::io::Result<Tally> {
    let started = Instant::now();
    let mut tally = Tally::default();
    let name = share.target.name();
    let ready = share.target.ready();
    let about =
        ready.map(|ready| ready.about.as_str()).map_err(|unavailable| unavailable.reason.as_str());
    let version = ready.ok().and_then(|ready| ready.backend.version());
    let capabilities = ready.ok().map(|ready| &ready.capabilities);
    let (version, cases) = (version.as_deref(), share.cases.len());
    listener(RunEvent::TargetStarted { name, about, version, capabilities, cases })?;
    let mut told = |news: News| match news {
        News::Started(case) => listener(RunEvent::CaseStarted { case: &case }),
        News::Finished(outcome) => {
            tally.add(&outcome);
            if let Some(reason) = lost(&outcome) {
                let first = &outcome.case.scenario.name;
                ended_early.get_or_insert_with(|| {
                    format!("{name} was lost, which {first} noticed first: {reason}")
                });
            }
            listener(RunEvent::CaseFinished { outcome: &outcome })
        }
    };
    let (skipped, run): (Vec<&Case>, Vec<&Case>) =
        share.cases.iter().partition(|case| case.skip.is_some());
    for case in skipped {
        told(News::Finished(Box::new(skip(case))))?;
    }
    if let Ok(ready) = ready {
        let alone = |case: &&Case| case.scenario.exclusive.is_some() && ready.backend.is_shared();
        let (alone, together): (Vec<&Case>, Vec<&Case>) = run.into_iter().partition(alone);
        side_by_side(ready, alone, 1, settings, &mut told)?;
        side_by_side(ready, together, jobs.unwrap_or_else(|| fitting(ready)), settings, &mut told)?;
    }
    tally.took = started.elapsed();
    Ok(tally)
}

/// As many as there are cores where the store works, many where it waits.
fn fitting(ready: &Ready) -> usize {
    match ready.backend.clock() {
        Clock::Virtual => thread::available_parallelism().map_or(1, usize::from),
        Clock::Wall => JOBS,
    }
}

/// What a worker tells the thread that reports.
enum News {
    Started(Case),
    Finished(Box<Outcome>),
}

/// Runs cases on `jobs` threads, those with the longest waits first.
fn side_by_side(
    ready: &Ready,
    mut cases: Vec<&Case>,
    jobs: usize,
    settings: &Settings,
    told: &mut dyn FnMut(News) -> std::io::Result<()>,
) -> std::io::Result<()> {
    cases.sort_by_key(|case| std::cmp::Reverse(case.scenario.patience));
    let workers = jobs.clamp(1, cases.len().max(1));
    let queue = Mutex::new(VecDeque::from(cases));
    let (sender, receiver) = mpsc::channel();
    thread::scope(|scope| {
        for _ in 0..workers {
            let (sender, queue) = (sender.clone(), &queue);
            scope.spawn(move || {
                // The lock must be free again before the case runs.
                let next = || queue.lock().expect("no worker panics with the queue").pop_front();
                while let Some(case) = next() {
                    // Nobody need hear that a case begins which the end of the run came before.
                    if !settings.abort.is_thrown() {
                        let _ = sender.send(News::Started(case.clone()));
                    }
                    let outcome = run_case(case, ready, settings);
                    // At once, for the next case would only find out the same.
                    if lost(&outcome).is_some() {
                        settings.abort.throw();
                    }
                    let _ = sender.send(News::Finished(Box::new(outcome)));
                }
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

/// Runs one case and judges it, as often as a list of known failures says that it may need.
pub fn run_case(case: &Case, ready: &Ready, settings: &Settings) -> Outcome {
    let started = Instant::now();
    let tries = case.known.as_ref().and_then(|known| known.tries).unwrap_or(1);
    let (mut verdict, mut transcript) = seen_case(case, ready, settings);
    for _ in 1..tries {
        if verdict == Verdict::Passed || settings.abort.is_thrown() {
            break;
        }
        (verdict, transcript) = seen_case(case, ready, settings);
    }
    let verdict = weigh(verdict, case.known.as_ref());
    Outcome { case: case.clone(), verdict, transcript: Some(transcript), took: started.elapsed() }
}

/// Runs one case, and again where the machine was too busy to see what the store did: that says nothing of the store.
fn seen_case(case: &Case, ready: &Ready, settings: &Settings) -> (Verdict, Transcript) {
    let mut seen = try_case(case, ready, settings);
    for _ in 1..LOOKS {
        if !matches!(seen.0, Verdict::Inconclusive(_)) || settings.abort.is_thrown() {
            break;
        }
        seen = try_case(case, ready, settings);
    }
    seen
}

fn try_case(case: &Case, ready: &Ready, settings: &Settings) -> (Verdict, Transcript) {
    let transcript = match settings.abort.is_thrown() {
        true => Transcript { entries: Vec::new(), end: End::Aborted },
        false => runner::run_watched(&case.scenario, &ready.backend, settings),
    };
    (judge(&case.scenario, &transcript), transcript)
}

/// Why the server is not there any more, where a case found out.
fn lost(outcome: &Outcome) -> Option<&str> {
    match &outcome.transcript.as_ref()?.end {
        End::Lost(reason) => Some(reason),
        _ => None,
    }
}

fn skip(case: &Case) -> Outcome {
    let verdict = Verdict::Skipped(case.skip.clone().unwrap_or_default());
    Outcome { case: case.clone(), verdict, transcript: None, took: std::time::Duration::ZERO }
}
