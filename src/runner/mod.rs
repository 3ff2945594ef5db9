//! Drives one scenario against one backend, and records what it sees.

mod abort;
mod cleanup;
mod clients;
mod expiry;
mod fill;
mod keys;
mod lease;
mod perform;
mod race;
mod revision;
mod txn;
mod watches;

use std::error::Error;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use goldenscript::Context;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

pub use self::abort::Abort;
use self::perform::Session;
use crate::backend::{Backend, Clock};
use crate::scenario::Scenario;
use crate::scenario::command::Command;
use crate::store::{ErrorKind, StoreError};
use crate::transcript::{Answer, End, Entry, Transcript};

/// How long cleaning up may take; less once somebody wants the run to end.
const CLEANUP: Duration = Duration::from_secs(30);
const CLEANUP_AFTER_ABORT: Duration = Duration::from_millis(1500);

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
/// Blocks the thread that calls it until the case is over and cleaned up.
pub fn run(scenario: &Scenario, backend: &dyn Backend, settings: &Settings) -> Transcript {
    let runtime = match runtime(backend.clock()) {
        Ok(runtime) => runtime,
        Err(error) => {
            let end = End::Broken(format!("no runtime could be started for the case: {error}"));
            return Transcript { entries: Vec::new(), end };
        }
    };
    let transcript = run_in(&runtime, scenario, backend, settings);
    // Tasks of the store that wait for something blocking must not hold up the run.
    runtime.shutdown_background();
    transcript
}

fn runtime(clock: Clock) -> std::io::Result<Runtime> {
    Builder::new_current_thread().enable_all().start_paused(clock == Clock::Virtual).build()
}

fn run_in(
    runtime: &Runtime,
    scenario: &Scenario,
    backend: &dyn Backend,
    settings: &Settings,
) -> Transcript {
    let broken = |reason: String| Transcript { entries: Vec::new(), end: End::Broken(reason) };
    let instance = match guarded(runtime, backend.instance()) {
        Ok(Ok(instance)) => instance,
        Ok(Err(error)) => {
            return broken(format!("no instance of {} could be had: {error}", backend.name()));
        }
        Err(panic) => return broken(format!("{} panicked: {panic}", backend.name())),
    };
    let session = match guarded(runtime, Session::open(instance.as_ref(), backend, settings)) {
        Ok(Ok(session)) => session,
        Ok(Err(reason)) => return broken(reason),
        Err(panic) => return broken(format!("{} panicked: {panic}", backend.name())),
    };
    let started = runtime.block_on(async { Instant::now() });
    let mut recorder =
        Recorder { runtime, session, settings, started, entries: Vec::new(), end: None };
    let ran = goldenscript::generate(&mut recorder, &scenario.text);
    recorder.finish(ran.err().map(|error| error.to_string()))
}

fn guarded<T>(runtime: &Runtime, future: impl Future<Output = T>) -> Result<T, String> {
    runtime.block_on(AssertUnwindSafe(future).catch_unwind()).map_err(panic_message)
}

fn panic_message(panic: Box<dyn std::any::Any + Send>) -> String {
    let text = panic.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| panic.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// Runs the commands of a script, and writes down each answer; what the answers amount to is judged elsewhere.
struct Recorder<'a> {
    runtime: &'a Runtime,
    session: Session<'a>,
    settings: &'a Settings,
    started: Instant,
    entries: Vec<Entry>,
    end: Option<End>,
}

impl goldenscript::Runner for Recorder<'_> {
    type Command = Command;

    fn run(&mut self, command: &Command, context: &Context) -> Result<String, Box<dyn Error>> {
        let client = context.prefix.clone();
        let (session, abort, runtime) = (&mut self.session, &self.settings.abort, self.runtime);
        let at = runtime.block_on(async { Instant::now() });
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
        let took = runtime.block_on(async { at.elapsed() });
        self.entries.push(Entry {
            client,
            label: command.label(),
            at: at - self.started,
            took,
            answer,
        });
        if lost && let Some(reason) = runtime.block_on(self.session.clients.lost()) {
            return self.stop(End::Lost(reason));
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

    /// Cleans up, and closes the transcript.
    fn finish(mut self, failed: Option<String>) -> Transcript {
        let end = self.end.take();
        let mut end = end.unwrap_or_else(|| failed.map_or(End::Finished, End::Broken));
        if !matches!(end, End::Lost(_)) {
            let cleaned = self.clean_up();
            if let (End::Finished, Err(reason)) = (&end, cleaned) {
                end = self.uncleaned(reason);
            }
        }
        Transcript { entries: self.entries, end }
    }

    /// Takes away what was written, for less long from the moment on that somebody wants the run to end.
    fn clean_up(&mut self) -> Result<(), String> {
        let (session, abort) = (&mut self.session, &self.settings.abort);
        let cut_short = async {
            abort.thrown().await;
            tokio::time::sleep(CLEANUP_AFTER_ABORT).await;
        };
        let cleaned = async {
            tokio::select! {
                cleaned = session.clean_up(CLEANUP) => cleaned,
                () = cut_short => Err("cleaning up was cut short".into()),
            }
        };
        guarded(self.runtime, cleaned).unwrap_or_else(Err)
    }

    /// How a run ended whose traces could not be taken away: mostly because the server is gone.
    fn uncleaned(&self, reason: String) -> End {
        if self.settings.abort.is_thrown() {
            return End::Aborted;
        }
        match self.runtime.block_on(self.session.clients.lost()) {
            Some(lost) => End::Lost(lost),
            None => End::Broken(reason),
        }
    }
}
