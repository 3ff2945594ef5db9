//! Drives one scenario against one backend, and records what it sees.

mod abort;
mod bulk;
mod cleanup;
mod clients;
mod directory;
mod expiry;
mod fill;
mod keys;
mod lease;
mod marks;
mod perform;
mod race;
mod revision;
mod session;
mod txn;
mod watchdog;
mod watches;

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use goldenscript::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

pub use self::abort::Abort;
use self::session::Session;
use self::watchdog::Pulse;
pub use self::watchdog::run_watched;
use crate::backend::{Backend, Clock, Instance};
use crate::scenario::Scenario;
use crate::scenario::command::Command;
use crate::store::{ErrorKind, StoreError};
use crate::transcript::{Answer, End, Entry, Transcript};

/// How long cleaning up may take; less once somebody wants the run to end.
const CLEANUP: Duration = Duration::from_secs(30);
const CLEANUP_AFTER_ABORT: Duration = Duration::from_millis(1200);

/// How long a backend may take to give an instance.
const OPENING: Duration = Duration::from_secs(30);

/// What holds for every case of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long one call of a store may take.
    pub deadline: Duration,
    /// The switch that ends the case early.
    pub abort: Abort,
}

impl Default for Settings {
    /// Ten seconds a call: far more than any store needs, and soon enough to learn of one that hangs.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), abort: Abort::new() }
    }
}

/// Runs a scenario against a backend in a runtime of its own, and records what it sees.
///
/// Blocks the thread that calls it until the case is over and cleaned up. A store that blocks that thread too is waited
/// for without end; [`run_watched`] gives it up.
pub fn run(scenario: &Scenario, backend: &dyn Backend, settings: &Settings) -> Transcript {
    run_beating(scenario, backend, settings, &Arc::default())
}

fn run_beating(
    scenario: &Scenario,
    backend: &dyn Backend,
    settings: &Settings,
    pulse: &Arc<Pulse>,
) -> Transcript {
    let runtime = match runtime(backend.clock(), pulse) {
        Ok(runtime) => runtime,
        Err(error) => {
            return ended(broken(format!("no runtime could be started for the case: {error}")));
        }
    };
    let transcript = run_in(&runtime, scenario, backend, settings, pulse);
    // Tasks of the store that wait for something blocking must not hold up the run.
    runtime.shutdown_background();
    transcript
}

fn runtime(clock: Clock, pulse: &Arc<Pulse>) -> std::io::Result<Runtime> {
    let (rests, wakes) = (pulse.clone(), pulse.clone());
    Builder::new_current_thread()
        .enable_all()
        .start_paused(clock == Clock::Virtual)
        .on_thread_park(move || rests.beat())
        .on_thread_unpark(move || wakes.beat())
        .build()
}

fn run_in(
    runtime: &Runtime,
    scenario: &Scenario,
    backend: &dyn Backend,
    settings: &Settings,
    pulse: &Pulse,
) -> Transcript {
    let opening = async { Ok(clients::within(OPENING, backend.instance()).await) };
    let name = backend.name();
    let instance = match unless_aborted(runtime, &settings.abort, name, opening) {
        Ok(Some(Ok(instance))) => instance,
        Ok(Some(Err(error))) => {
            return ended(broken(format!("no instance of {name} could be had: {error}")));
        }
        Ok(None) => {
            return ended(broken(format!("no instance of {name} could be had within {OPENING:?}")));
        }
        Err(end) => return ended(end),
    };
    let mut transcript = run_on(runtime, scenario, backend, instance.as_ref(), settings, pulse);
    // Taken down inside the runtime, which what it is made of may need.
    let taken_down = guarded(runtime, async { drop(instance) });
    if let (End::Finished, Err(panic)) = (&transcript.end, taken_down) {
        let reason = format!("{name} panicked while it was taken down: {panic}");
        transcript.end = End::LeftBehind(reason);
    }
    transcript
}

fn run_on(
    runtime: &Runtime,
    scenario: &Scenario,
    backend: &dyn Backend,
    instance: &dyn Instance,
    settings: &Settings,
    pulse: &Pulse,
) -> Transcript {
    let opening = async { Session::open(instance, backend, settings).await.map_err(broken) };
    let session = match unless_aborted(runtime, &settings.abort, backend.name(), opening) {
        Ok(session) => session,
        Err(end) => return ended(end),
    };
    let started = now(runtime);
    let mut recorder =
        Recorder { runtime, session, settings, pulse, started, entries: Vec::new(), end: None };
    let ran = goldenscript::generate(&mut recorder, &scenario.text);
    recorder.finish(ran.err().map(|error| error.to_string()))
}

/// Waits for something of the backend, unless it panics or somebody ends the run.
fn unless_aborted<T>(
    runtime: &Runtime,
    abort: &Abort,
    name: &str,
    future: impl Future<Output = Result<T, End>>,
) -> Result<T, End> {
    let done = guarded(runtime, async {
        tokio::select! {
            biased;
            () = abort.thrown() => Err(End::Aborted),
            done = future => done,
        }
    });
    done.unwrap_or_else(|panic| Err(broken(format!("{name} panicked: {panic}"))))
}

fn broken(reason: String) -> End {
    End::Broken(reason)
}

/// The transcript of a run that ended before its first command.
fn ended(end: End) -> Transcript {
    Transcript { entries: Vec::new(), end }
}

fn guarded<T>(runtime: &Runtime, future: impl Future<Output = T>) -> Result<T, String> {
    runtime.block_on(AssertUnwindSafe(future).catch_unwind()).map_err(panic_message)
}

/// What a panic said.
pub(crate) fn panic_message(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// The moment by the runtime's own clock, which may be virtual.
fn now(runtime: &Runtime) -> Instant {
    let _entered = runtime.enter();
    Instant::now()
}

/// Runs the commands of a script, and writes down each answer; what the answers amount to is judged elsewhere.
struct Recorder<'a> {
    runtime: &'a Runtime,
    session: Session<'a>,
    settings: &'a Settings,
    pulse: &'a Pulse,
    started: Instant,
    entries: Vec<Entry>,
    end: Option<End>,
}

impl goldenscript::Runner for Recorder<'_> {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        let client = context.prefix.clone();
        let before = client.as_ref().map(|client| format!("{client}: ")).unwrap_or_default();
        self.pulse.note(before + &command.label());
        let (session, abort, runtime) = (&mut self.session, &self.settings.abort, self.runtime);
        let at = now(runtime);
        let perform = AssertUnwindSafe(session.perform(command, client.as_deref())).catch_unwind();
        let answer = runtime.block_on(async {
            tokio::select! {
                biased;
                () = abort.thrown() => None,
                answer = perform => Some(answer.unwrap_or_else(|panic| Answer::Panic(panic_message(panic)))),
            }
        });
        let Some(answer) = answer else { return self.stop(End::Aborted) };
        let lost = answer.error().is_some_and(unanswered);
        let took = now(runtime) - at;
        self.entries.push(Entry {
            client,
            label: command.label(),
            at: at - self.started,
            took,
            answer,
        });
        if lost && let Some(end) = self.lost() {
            return self.stop(end);
        }
        Ok(String::new())
    }
}

/// Whether an error may mean that the store is not there any more.
fn unanswered(error: &StoreError) -> bool {
    matches!(error.kind, ErrorKind::Unavailable | ErrorKind::DeadlineExceeded)
}

impl Recorder<'_> {
    fn stop(&mut self, end: End) -> Result<String, Box<dyn Error>> {
        self.end = Some(end);
        Err("stopped".into())
    }

    /// Asks whether the store is still there; how the run ends where it is not.
    fn lost(&self) -> Option<End> {
        let ping = async {
            match self.session.clients.lost().await {
                Some(reason) => Err(End::Lost(reason)),
                None => Ok(()),
            }
        };
        unless_aborted(self.runtime, &self.settings.abort, "the store's ping", ping).err()
    }

    /// Cleans up, and closes the transcript.
    fn finish(mut self, failed: Option<String>) -> Transcript {
        let end = self.end.take();
        let mut end = end.unwrap_or_else(|| failed.map_or(End::Finished, End::Broken));
        let mut cleaned = Ok(());
        if !matches!(end, End::Lost(_)) {
            let limit = cleaning_time(&self.settings.abort);
            cleaned = told(guarded(self.runtime, self.session.clean_up(limit)));
        }
        if let (End::Finished, Err(reason)) = (&end, &cleaned) {
            end = self.uncleaned(reason.clone());
        }
        let closed = told(guarded(self.runtime, async move { self.session.close().await }).map(Ok));
        if let (End::Finished, Err(reason)) = (&end, closed) {
            end = End::LeftBehind(reason);
        }
        Transcript { entries: self.entries, end }
    }

    /// How a run ended whose traces could not be taken away: mostly because the server is gone.
    fn uncleaned(&self, reason: String) -> End {
        if self.settings.abort.is_thrown() {
            return End::Aborted;
        }
        self.lost().unwrap_or(End::LeftBehind(reason))
    }
}

fn told(cleaned: Result<Result<(), String>, String>) -> Result<(), String> {
    cleaned
        .unwrap_or_else(|panic| Err(format!("the store panicked while kvspec cleaned up: {panic}")))
}

/// Ends when cleaning up has had its time.
async fn cleaning_time(abort: &Abort) {
    let hurried = async {
        abort.thrown().await;
        tokio::time::sleep(CLEANUP_AFTER_ABORT).await;
    };
    tokio::select! {
        () = tokio::time::sleep(CLEANUP) => {}
        () = hurried => {}
    }
}
