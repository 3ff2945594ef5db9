//! Drives one scenario against one backend, and records what it sees.

mod preflight;
mod runtime;
mod watchdog;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use goldenscript::Context;
use tokio::time::Instant;

pub use self::preflight::{foreign_writes, preflight};
use self::runtime::CaseRuntime;
use self::watchdog::Pulse;
pub use self::watchdog::run_watched;
use crate::backend::{Backend, Instance};
use crate::command::Command;
use crate::scenario::{Reading, Scenario};
use crate::session::cleanup::Unclean;
use crate::session::panics;
use crate::session::{Session, broken, clients};
pub use crate::session::{
    Settings,
    abort::Abort,
    meter::{Meter, Sample},
};
use crate::transcript::{Answer, End, Entry, Transcript};

/// How long cleaning up may take in which no key is taken away; less once the run is asked to end.
const CLEANUP: Duration = Duration::from_secs(30);
const CLEANUP_AFTER_ABORT: Duration = Duration::from_millis(1200);

/// How long an instance may take to be taken down: longer than a server that kvspec started.
const CLOSING: Duration = Duration::from_secs(20);
/// How long a backend may take to give an instance.
const OPENING: Duration = Duration::from_secs(30);

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
    let log = panics::Log::of(panics::case_name(backend.name(), &scenario.name));
    log.take_thread();
    let runtime = match CaseRuntime::new(backend, pulse, log) {
        Ok(runtime) => runtime,
        Err(error) => {
            return Transcript::ended(broken(format!(
                "no runtime could be started for the case: {error}"
            )));
        }
    };
    let transcript = run_in(&runtime, scenario, backend, settings);
    runtime.end();
    transcript
}

fn run_in(
    runtime: &CaseRuntime,
    scenario: &Scenario,
    backend: &dyn Backend,
    settings: &Settings,
) -> Transcript {
    let endings = scenario.endings();
    let given = async {
        if endings.is_empty() {
            backend.instance().await
        } else {
            backend.reopenable(&endings).await
        }
    };
    let opening = async { Ok(clients::within(OPENING, given).await) };
    let name = backend.name();
    let making = format!("making a store of {name}");
    let instance = match unless_aborted(runtime, &settings.abort, &making, opening) {
        Ok(Some(Ok(instance))) => instance,
        Ok(Some(Err(error))) => {
            return Transcript::ended(broken(format!("{making} failed: {error}")));
        }
        Ok(None) => {
            return Transcript::ended(broken(format!("{making} did not end within {OPENING:?}")));
        }
        Err(end) => return Transcript::ended(end),
    };
    let mut transcript = run_on(runtime, scenario, backend, instance.as_ref(), settings);
    // Taken down inside the runtime, which what it is made of may need.
    let closed = match runtime.guarded(clients::within(CLOSING, instance.close())) {
        Ok(Some(Ok(()))) => return transcript,
        Ok(Some(Err(error))) => format!("{name} could not be taken down: {error}"),
        Ok(None) => format!("{name} was not taken down within {CLOSING:?}"),
        Err(panic) => format!("{name} panicked while it was taken down: {panic}"),
    };
    if transcript.end == End::Finished {
        transcript.end = End::Collapsed(closed);
    }
    transcript
}

fn run_on(
    runtime: &CaseRuntime,
    scenario: &Scenario,
    backend: &dyn Backend,
    instance: &dyn Instance,
    settings: &Settings,
) -> Transcript {
    let are_unread = matches!(scenario.reading, Reading::WhenAsked(_));
    let opening = Session::open(instance, backend, settings, are_unread, scenario.max_wait);
    let what = format!("opening a client of {}", backend.name());
    let session = match unless_aborted(runtime, &settings.abort, &what, opening) {
        Ok(session) => session,
        Err(end) => return Transcript::ended(end),
    };
    let started = runtime.now();
    let mut recorder =
        Recorder { runtime, session, settings, started, entries: Vec::new(), end: None };
    let ran = goldenscript::generate(&mut recorder, &scenario.text);
    recorder.finish(ran.err().map(|error| error.to_string()))
}

/// Waits for something of the backend, unless it panics or the run is ended.
fn unless_aborted<T>(
    runtime: &CaseRuntime,
    abort: &Abort,
    what: &str,
    future: impl Future<Output = Result<T, End>>,
) -> Result<T, End> {
    let done = runtime.guarded(async {
        tokio::select! {
            biased;
            () = abort.thrown() => Err(End::Aborted),
            done = future => done,
        }
    });
    done.unwrap_or_else(|panic| Err(broken(format!("{what} panicked: {panic}"))))
}

/// Runs the commands of a script, and writes down each answer; what the answers amount to is judged elsewhere.
struct Recorder<'a> {
    runtime: &'a CaseRuntime,
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
        let before = client.as_ref().map(|client| format!("{client}: ")).unwrap_or_default();
        self.runtime.note(before + &command.label());
        let (session, abort, runtime) = (&mut self.session, &self.settings.abort, self.runtime);
        let at = runtime.now();
        let perform = command.perform(session, client.as_deref());
        let answer = runtime.guarded(async {
            tokio::select! {
                biased;
                () = abort.thrown() => None,
                answer = perform => Some(answer),
            }
        });
        let answer = answer.unwrap_or_else(|panic| Some(Answer::Panic(panic)));
        let Some(answer) = answer else { return self.stop(End::Aborted) };
        if let Some(reason) = self.session.clients.unopened() {
            return self.stop(End::Unopened(reason));
        }
        let lost = answer.error().is_some_and(clients::is_unanswered);
        let took = runtime.now() - at;
        self.entries.push(Entry {
            client,
            label: command.label(),
            at: at - self.started,
            took,
            answer,
        });
        if let Some(reason) = self.session.clients.limit.used_up() {
            return self.stop(End::Slow(reason));
        }
        if lost && let Some(end) = self.lost() {
            return self.stop(end);
        }
        Ok(String::new())
    }
}

impl Recorder<'_> {
    fn stop(&mut self, end: End) -> Result<String, Box<dyn Error>> {
        self.end = Some(end);
        Err("stopped".into())
    }

    /// Asks whether the store is still there; how the run ends if it is not.
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
        let (end, clock) = (self.end.take(), self.session.clients.clock);
        let mut end = end.unwrap_or_else(|| failed.map_or(End::Finished, End::Broken));
        let mut cleaned = Ok(());
        if !matches!(end, End::Lost(_)) {
            let limit = cleaning_time(self.session.traces.taken.clone(), &self.settings.abort);
            cleaned = told(self.runtime.guarded(self.session.clean_up(limit)));
        }
        if let (End::Finished, Err(unclean)) = (&end, cleaned) {
            end = self.uncleaned(unclean);
        }
        let closed = told(self.runtime.guarded(self.session.close()).map(Ok));
        if let (End::Finished | End::LeftBehind(_), Err(unclean)) = (&end, closed) {
            end = unclean.into();
        }
        Transcript { entries: self.entries, end, clock }
    }

    /// How a run ended whose traces could not be taken away: mostly because the server is gone.
    fn uncleaned(&self, unclean: Unclean) -> End {
        if self.settings.abort.is_thrown() {
            return End::Aborted;
        }
        self.lost().unwrap_or_else(|| unclean.into())
    }
}

fn told(cleaned: Result<Result<(), Unclean>, String>) -> Result<(), Unclean> {
    let panicked = |panic| format!("the store panicked while kvspec cleaned up: {panic}");
    cleaned.unwrap_or_else(|panic| Err(Unclean::Panicked(panicked(panic))))
}

impl From<Unclean> for End {
    fn from(unclean: Unclean) -> Self {
        match unclean {
            Unclean::Left(reason) => Self::LeftBehind(reason),
            Unclean::Panicked(reason) => Self::Collapsed(reason),
        }
    }
}

/// Ends when cleaning up has had its time: once no key was taken away for a while, or the run is asked to end.
async fn cleaning_time(taken: Arc<AtomicUsize>, abort: &Abort) {
    let idle = async {
        let mut before = None;
        while before != Some(taken.load(Ordering::Relaxed)) {
            before = Some(taken.load(Ordering::Relaxed));
            tokio::time::sleep(CLEANUP).await;
        }
    };
    let hurried = async {
        abort.thrown().await;
        tokio::time::sleep(CLEANUP_AFTER_ABORT).await;
    };
    tokio::select! {
        () = idle => {}
        () = hurried => {}
    }
}
