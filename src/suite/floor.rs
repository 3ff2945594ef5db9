//! Runs the cases of one target: each in its turn, and again where the first run gave no verdict.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::alone::{self, Alone};
use super::ceiling::Ceiling;
use super::turns::{Ticket, Turn, Turns};
use crate::backend::Clock;
use crate::command::Command;
use crate::event::Outcome;
use crate::known::weigh;
use crate::lock::{Held, Lock};
use crate::plan::Case;
use crate::runner::{self, Meter, Settings};
use crate::scenario::Scenario;
use crate::scenario::fit::Fit;
use crate::store::{ErrorKind, Function};
use crate::target::{Ready, Target};
use crate::transcript::{End, Transcript};
use crate::verdict::{Verdict, judge};

/// How often a case is run of which nothing could be said, before nothing is said of it.
const LOOKS: usize = 3;

/// How often a case is run whose clients could not be opened, and how long the first pause before the next try is.
const OPENINGS: usize = 6;
const PAUSE: Duration = Duration::from_millis(100);

/// From how many calls on a case is felt by those next to it.
const BULKY: usize = 200;

/// How long the calls of a case may take together, if the store does one after the other, before it makes fewer of them;
/// and to which parts of its sizes.
const BULK: Duration = Duration::from_secs(4);
/// How long the calls of all such cases may take together on a store whose calls wait for each other.
const BULK_TOGETHER: Duration = Duration::from_secs(40);
const PARTS: [u32; 5] = [2, 5, 10, 20, 50];

/// By how much times are multiplied at most, and how long a case may wait then.
const MOST_TIMES: u32 = 8;
const LONGEST_RUN: Duration = Duration::from_secs(90);

/// Where the cases of one target run.
pub(crate) struct Floor {
    settings: Settings,
    turns: Arc<Turns>,
    /// Whether other cases could be in the way of an exclusive one.
    is_shared: bool,
    lock: Option<Lock>,
    /// The largest value that the store must take, in bytes.
    max_value: usize,
    /// Set once a call was measured.
    measured: OnceLock<()>,
    alone: Alone,
    is_virtual: bool,
    /// The cases with sizes that were queued, and how many calls they make.
    bulk: Mutex<(u32, u32)>,
}

/// A case in the queue.
pub(crate) struct Queued<'a> {
    case: &'a Case,
    turn: Turn,
    ticket: Ticket,
}

impl Queued<'_> {
    /// The case.
    pub fn case(&self) -> &Case {
        self.case
    }
}

/// What one run of a case amounts to.
type Seen = (Verdict, Transcript);

impl Floor {
    /// A floor for the cases of a target; `at_once` is how many run at once, `None` leaves it to what is seen.
    pub fn new(ready: &Ready, settings: &Settings, at_once: Option<usize>) -> Self {
        let backend = &ready.backend;
        let meter = Meter::new();
        let settings = Settings { meter: meter.clone(), ..settings.clone() };
        let ceiling = match (at_once, backend.clock()) {
            (Some(count), _) => Ceiling::Fixed(count),
            // Where time is virtual the store works, and never waits.
            (None, Clock::Virtual) => {
                Ceiling::Fixed(thread::available_parallelism().map_or(1, usize::from))
            }
            (None, Clock::Wall) => Ceiling::seen(),
        };
        let turns = Turns::new(ceiling, meter, settings.abort.clone());
        let is_shared = backend.is_shared();
        let is_reached_by_others = is_shared && backend.clock() == Clock::Wall;
        let lock = is_reached_by_others.then(|| Lock::of(&ready.place));
        let max_value = backend.limits().max_value;
        let (measured, alone) = (OnceLock::new(), Alone::new());
        let is_virtual = backend.clock() == Clock::Virtual;
        let bulk = Mutex::default();
        Self { settings, turns, is_shared, lock, max_value, measured, alone, is_virtual, bulk }
    }

    /// Whether the store answers the plainest calls, which is asked once a process, and not while another process has the
    /// store alone.
    pub fn preflight(&self, target: &Target, ready: &Ready) -> Result<(), String> {
        let _held = self.hold(false);
        target.preflight(ready, &self.settings).clone()
    }

    fn hold(&self, is_alone: bool) -> Option<Held> {
        self.lock.as_ref().map(|lock| lock.hold(is_alone, &self.settings.abort))
    }

    /// Takes a place in the queue for a case.
    pub fn queue<'a>(&self, case: &'a Case) -> Queued<'a> {
        let scenario = &case.scenario;
        if !scenario.scales.is_empty() {
            let mut bulk = self.bulk();
            *bulk = (bulk.0 + 1, bulk.1.saturating_add(calls(scenario)));
        }
        let turn = match scenario.exclusive.is_some() && self.is_shared {
            true => Turn::Exclusive,
            false => {
                let is_bulky = self.is_shared && scenario.calls() >= BULKY;
                Turn::Together { max_wait: scenario.max_wait, is_bulky }
            }
        };
        Queued { case, turn, ticket: self.turns.queue(turn) }
    }

    /// Runs cases side by side and says nothing of it before all are over; skips those that are to be.
    pub fn run_all(&self, ready: &Ready, cases: &[Case]) -> Vec<Outcome> {
        let (skipped, open): (Vec<_>, Vec<_>) = cases.iter().partition(|case| case.skip.is_some());
        let queue: Vec<_> = open.into_iter().map(|case| self.queue(case)).collect();
        let ran: Vec<_> = thread::scope(|scope| {
            let run = |queued| scope.spawn(move || self.run(queued, ready, || {}));
            let running: Vec<_> = queue.into_iter().map(run).collect();
            let join = |ran: thread::ScopedJoinHandle<'_, Outcome>| {
                ran.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            };
            running.into_iter().map(join).collect()
        });
        ran.into_iter().chain(skipped.into_iter().map(super::skip)).collect()
    }

    /// Waits for the turn of a case, says so, runs the case and judges it.
    pub fn run(&self, queued: Queued<'_>, ready: &Ready, begin: impl FnOnce()) -> Outcome {
        let Queued { case: given, turn, ticket } = queued;
        let mut case = given.clone();
        let mut fit = Fit { max_value: self.max_value, ..Fit::PLAIN };
        let (script, is_unknown) = (case.scenario.clone(), case.known.is_none());
        let (mut took, mut beside) = (Duration::ZERO, BTreeSet::new());
        let mut run = |turn: Turn, ticket: Ticket, fit: &mut Fit, begin: &mut dyn FnMut()| {
            let _pass = ticket.wait();
            // Before anything is written, to measure the store too.
            let _held = self.hold(turn.is_alone());
            fit.parts = self.parts(&script, ready).max(fit.parts);
            if let Some(fitted) = fit.apply(&script) {
                case.scenario = Arc::new(fitted);
            }
            begin();
            let started = Instant::now();
            self.alone.enter(&script.name);
            let seen = self.as_often_as_known(&case, ready);
            beside.extend(self.alone.leave(&script.name));
            took += started.elapsed();
            seen
        };
        let mut begin = Some(begin);
        let mut first = || {
            if let Some(begin) = begin.take() {
                begin();
            }
        };
        let mut seen = run(turn, ticket, &mut fit, &mut first);
        let (mut looks, mut openings) = (1, 1);
        while !self.settings.abort.is_thrown() {
            let turn = match Again::of(&seen) {
                Some(Again::Unopened) if openings < OPENINGS => {
                    thread::sleep(PAUSE * (1 << openings));
                    openings += 1;
                    if openings < OPENINGS { turn } else { Turn::Last }
                }
                Some(Again::Smaller) if fit.parts < smallest(&script) => {
                    fit.parts = smallest(&script);
                    Turn::Late
                }
                Some(Again::Unclear) if looks < LOOKS => {
                    looks += 1;
                    if looks < LOOKS {
                        Turn::Late
                    } else {
                        fit.times = times(&script, &seen.1, fit.times);
                        Turn::Last
                    }
                }
                _ => break,
            };
            seen = run(turn, self.turns.queue(turn), &mut fit, &mut || {});
        }
        if let End::Unopened(reason) = &seen.1.end
            && openings == OPENINGS
            && self.is_shared
        {
            // Nothing was next to it any more that could have taken the room.
            self.lose(given, reason);
        }
        let cost = |seen: &Seen| seen.1.length().max(script.max_wait);
        if is_unknown
            && let Verdict::Failed(mismatch) = &seen.0
            && self.is_shared
            && !self.is_virtual
            && !self.settings.abort.is_thrown()
            && self.alone.takes(mismatch, cost(&seen))
        {
            let again = run(Turn::Last, self.turns.queue(Turn::Last), &mut fit, &mut || {});
            if let Verdict::Failed(mismatch) = seen.0 {
                let is_exclusive = script.exclusive.is_some();
                seen.0 = alone::weighed(mismatch, &again.0, is_exclusive, &beside);
            }
        }
        let (verdict, transcript) = seen;
        let verdict = weigh(verdict, case.known.as_ref());
        Outcome { case, verdict, transcript: Some(transcript), took }
    }

    /// Makes a call if none was measured yet: how many calls the first cases make must follow the store too.
    fn measure(&self, ready: &Ready) {
        self.measured.get_or_init(|| {
            if !self.is_virtual && self.settings.meter.fastest().is_none() {
                // What is wrong with it, the cases say.
                let _ = runner::preflight(&ready.backend, &self.settings);
            }
        });
    }

    fn bulk(&self) -> MutexGuard<'_, (u32, u32)> {
        self.bulk.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How long one call takes, and how long those of one case may take together: on a store whose calls wait for each
    /// other a share of what all cases may.
    fn allowance(&self) -> (Duration, Duration) {
        let fastest = self.settings.meter.fastest().unwrap_or_default();
        let (cases, calls) = *self.bulk();
        match self.settings.meter.crowded() {
            Some(each) if each.saturating_mul(calls) > BULK_TOGETHER => {
                (each.max(fastest), BULK.min(BULK_TOGETHER / cases.max(1)))
            }
            Some(_) | None => (fastest, BULK),
        }
    }

    /// Into how many parts the sizes of a script are divided, so that its calls do not take too long together.
    fn parts(&self, script: &Scenario, ready: &Ready) -> u32 {
        if script.scales.is_empty() {
            return 1;
        }
        self.measure(ready);
        let (each, most) = self.allowance();
        // A watch may deliver the events of its writes more slowly than those are answered.
        let is_watched = script.functions().iter().any(Function::is_watch);
        let pace = self.settings.meter.pace().filter(|_| is_watched).unwrap_or_default();
        let all = each.max(pace).saturating_mul(calls(script));
        let fit = |parts| Fit { parts, ..Fit::PLAIN };
        let is_fitting = |parts: &u32| fit(*parts).apply(script).is_some();
        let mut fitting = PARTS.into_iter().filter(is_fitting).peekable();
        if all <= most || fitting.peek().is_none() {
            return 1;
        }
        let enough = |parts: &u32| all / *parts <= most;
        fitting.find(enough).unwrap_or_else(|| smallest(script))
    }

    /// Runs one case, as often as a list of known failures says that it may need.
    fn as_often_as_known(&self, case: &Case, ready: &Ready) -> Seen {
        let tries = case.known.as_ref().and_then(|known| known.tries).unwrap_or(1);
        let mut seen = self.once(case, ready);
        for _ in 1..tries {
            if seen.0 == Verdict::Passed || self.settings.abort.is_thrown() {
                break;
            }
            seen = self.once(case, ready);
        }
        seen
    }

    /// Ends the run, which has no store any more.
    fn lose(&self, case: &Case, reason: &str) {
        let (backend, first) = (&case.backend, &case.scenario.name);
        let reason = format!("{backend} was lost, which {first} noticed first: {reason}");
        self.settings.abort.throw_for(reason);
    }

    fn once(&self, case: &Case, ready: &Ready) -> Seen {
        let abort = &self.settings.abort;
        let mut transcript = match abort.is_thrown() {
            true => Transcript::ended(End::Aborted),
            false => runner::run_watched(&case.scenario, &ready.backend, &self.settings),
        };
        if let End::Lost(reason) = &transcript.end {
            // At once, for the next case would only find out the same.
            self.lose(case, reason);
        }
        if let (End::Lost(_) | End::Aborted, Some(reason)) = (&transcript.end, abort.reason()) {
            transcript.end = End::Lost(reason);
        }
        let verdict = judge(&case.scenario, &transcript);
        if matches!(verdict, Verdict::Failed(_))
            // A failure that is known needs no other cause.
            && case.known.is_none()
            // Nor does one that hung.
            && !hung(&transcript)
            && case.scenario.exclusive.is_some()
            && self.is_shared
            && let Some(moved) = runner::foreign_writes(&ready.backend, &self.settings)
        {
            transcript.end = End::Disturbed(format!(
                "others write to the store: its revision moved by {moved} in a second in which kvspec wrote nothing"
            ));
            return (judge(&case.scenario, &transcript), transcript);
        }
        (verdict, transcript)
    }
}

/// Why a case is run once more.
enum Again {
    /// It made more calls, or awaited more events, than the store has time for.
    Smaller,
    /// A client could not be opened, maybe because there were too many.
    Unopened,
    /// There is no verdict on the store, or only that it could not keep up.
    Unclear,
}

impl Again {
    fn of((verdict, transcript): &Seen) -> Option<Self> {
        match (verdict, &transcript.end) {
            (_, End::Unopened(_)) => Some(Self::Unopened),
            // It had more than its time.
            (_, End::Slow(_)) => Some(Self::Smaller),
            (Verdict::Unclear(_), _) => Some(Self::Unclear),
            (Verdict::Failed(_), _) if is_overloaded(transcript) => Some(Self::Unclear),
            _ => None,
        }
    }
}

fn calls(script: &Scenario) -> u32 {
    u32::try_from(script.calls()).unwrap_or(u32::MAX)
}

/// The most parts into which the sizes of a script can be divided.
fn smallest(script: &Scenario) -> u32 {
    let is_fitting = |parts: &u32| Fit { parts: *parts, ..Fit::PLAIN }.apply(script).is_some();
    PARTS.into_iter().rfind(is_fitting).unwrap_or(1)
}

/// Whether a call or a wait for an event was given up.
fn hung(transcript: &Transcript) -> bool {
    let mut errors = transcript.entries.iter().filter_map(|entry| entry.answer.error());
    errors.any(|error| error.kind == ErrorKind::DeadlineExceeded)
}

/// Whether the store said that it could not serve, which under load breaks no clause.
fn is_overloaded(transcript: &Transcript) -> bool {
    let errors = transcript.entries.iter().filter_map(|entry| entry.answer.error());
    errors.into_iter().any(|error| error.kind == ErrorKind::Unavailable)
}

/// By how much the times of a script are multiplied after a run in which they were too short for the calls that it makes,
/// so that those take a third of the shortest; at least twice as much as they were.
fn times(script: &Scenario, transcript: &Transcript, before: u32) -> u32 {
    let spans = script.commands.iter().map(|(_, command)| command.max_wait());
    let Some(shortest) = spans.filter(|span| !span.is_zero()).min() else { return before };
    let entries = script.commands.iter().zip(&transcript.entries);
    let spent: Duration =
        entries.filter(|((_, command), _)| is_one_call(command)).map(|(_, entry)| entry.took).sum();
    let needed = (3.0 * spent.as_secs_f64() / shortest.as_secs_f64()).ceil() as u32;
    let most = (LONGEST_RUN.as_secs_f64() / script.max_wait.as_secs_f64().max(1.0)) as u32;
    needed.max(2 * before).min(MOST_TIMES).min(most).max(1)
}

/// Whether a command is one call, whose answer waits for nothing.
fn is_one_call(command: &Command) -> bool {
    !matches!(
        command,
        Command::Wait(_)
            | Command::Expire(_)
            | Command::Survive(_)
            | Command::Fill(_)
            | Command::Join(_)
            | Command::Race(_)
            | Command::Next(_)
            | Command::Events(_)
    )
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;
    use crate::backend::Shared;
    use crate::backend::memory::MemoryStore;

    const SCALED: &str = "# A store takes what it is given.\n# clauses: K1\n# source: this test\n# scales: 20\nfill k count=20\n---\nok\n";

    #[test]
    fn no_client_is_opened_while_another_process_has_the_store_alone() {
        let is_opened = Arc::new(AtomicBool::new(false));
        let seen = is_opened.clone();
        let target = Target::new(Shared::new("lock-of-a-floor", move || {
            seen.store(true, Ordering::Release);
            async { Ok(MemoryStore::new()) }
        }));
        let ready = target.ready().expect("the target is ready");
        is_opened.store(false, Ordering::Release);
        let script = Scenario::parse("a.kv".as_ref(), "a".into(), SCALED.into()).unwrap();
        let case = Case::new("lock-of-a-floor", Arc::new(script));
        let settings = Settings::default();
        let floor = || Floor::new(ready, &settings, None);
        let others = floor().lock.expect("a store in real time has a lock");
        let alone = others.hold(true, &settings.abort);
        thread::scope(|scope| {
            scope.spawn(|| floor().preflight(&target, ready));
            scope.spawn(|| {
                let floor = floor();
                floor.run(floor.queue(&case), ready, || {})
            });
            // Long enough for either to come as far as it can.
            thread::sleep(Duration::from_millis(200));
            assert!(!is_opened.load(Ordering::Acquire));
            drop(alone);
        });
        assert!(is_opened.load(Ordering::Acquire));
    }
}
