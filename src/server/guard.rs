//! Holds one started server on a thread of its own, and takes it down whatever became of the rest of the process.
//!
//! The runtime that asked for the server may be gone, blocked or shutting down when the server has to go, so the thread
//! has its own. On Linux it is also the thread whose end kills a child process, hence it must outlive the child.

use std::fmt;
use std::future::Future;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{oneshot, watch};

use super::{Origin, StartError};

/// How long others wait for a server to be taken down: longer than every deadline of the taking down itself.
const TAKE_DOWN: Duration = Duration::from_secs(15);

/// Every server of this process that is starting, running, or being taken down.
static STARTED: Mutex<Vec<Weak<Shared>>> = Mutex::new(Vec::new());

/// What is known of a server once it runs.
#[derive(Debug)]
pub(super) struct Facts<A> {
    pub access: A,
    pub product: String,
    pub version: String,
    pub origin: Origin,
}

/// A running server, as the thread that holds it sees it.
#[async_trait(?Send)]
pub(super) trait Guarded {
    /// Does what is asked of the running server until it has to go.
    async fn serve(&mut self, stop: &mut Stop) {
        stop.asked().await;
    }

    /// Takes the server down, with a deadline of its own.
    async fn take_down(self: Box<Self>) -> Result<(), LeftBehind>;
}

/// Something that kvspec started and could not take away again.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{what} was left behind: {reason}")]
pub struct LeftBehind {
    /// What it is, so that a person finds it.
    pub what: String,
    /// Why it is still there.
    pub reason: String,
}

/// Asks a server's thread to end the server.
#[derive(Debug, Clone)]
pub(super) struct Stop(watch::Receiver<bool>);

impl Stop {
    /// Waits until the server has to go.
    pub async fn asked(&mut self) {
        // An error means that no one is left who could ask, which asks as well.
        let _ = self.0.wait_for(|asked| *asked).await;
    }

    /// Runs `work` until the server has to go; for work that may be abandoned at any point.
    pub async fn unless<T, E: From<String>>(
        &mut self,
        work: impl Future<Output = Result<T, E>>,
    ) -> Result<T, E> {
        tokio::select! {
            result = work => result,
            () = self.asked() => Err(Self::REASON.to_owned().into()),
        }
    }

    pub const REASON: &'static str = "taken down before it was ready";
}

struct Shared {
    stop: watch::Sender<bool>,
    ended: watch::Sender<bool>,
    outcome: Mutex<Option<Result<(), LeftBehind>>>,
    turned_out: Condvar,
}

impl Shared {
    fn outcome(&self) -> MutexGuard<'_, Option<Result<(), LeftBehind>>> {
        self.outcome.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self, outcome: Result<(), LeftBehind>) {
        self.outcome().get_or_insert(outcome);
        self.turned_out.notify_all();
        self.ended.send_replace(true);
    }

    fn ask(&self) {
        self.stop.send_replace(true);
    }

    fn wait(&self) -> Result<(), LeftBehind> {
        let waiting = self
            .turned_out
            .wait_timeout_while(self.outcome(), TAKE_DOWN, |outcome| outcome.is_none());
        let (outcome, _) = waiting.unwrap_or_else(PoisonError::into_inner);
        outcome.clone().unwrap_or_else(|| Err(too_slow()))
    }

    async fn wait_async(&self) -> Result<(), LeftBehind> {
        let mut ended = self.ended.subscribe();
        // Judged by the outcome below, which is there unless the deadline has passed.
        let _ = tokio::time::timeout(TAKE_DOWN, ended.wait_for(|ended| *ended)).await;
        self.outcome().clone().unwrap_or_else(|| Err(too_slow()))
    }
}

fn too_slow() -> LeftBehind {
    LeftBehind {
        what: "a server".into(),
        reason: format!("it was not down within {} s", TAKE_DOWN.as_secs()),
    }
}

/// Holds a server that kvspec started; dropping it takes the server down and waits for that.
pub(super) struct ServerGuard(Arc<Shared>);

impl ServerGuard {
    pub async fn stop(self) -> Result<(), LeftBehind> {
        self.0.ask();
        self.0.wait_async().await
    }
}

impl Drop for ServerGuard {
    fn drop(&mut self) {
        self.0.ask();
        // What is left behind is swept at the next start; a drop has no one to report it to.
        let _ = self.0.wait();
    }
}

impl fmt::Debug for ServerGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerGuard").finish_non_exhaustive()
    }
}

/// Informs the others that the thread has ended, also when it panicked or never began.
struct End(Arc<Shared>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.end(Ok(()));
    }
}

/// Takes down every server that this process started or is about to have started, and waits until they are gone.
///
/// For the last moments of a process, on any thread and with or without a runtime: after a signal, before
/// `std::process::exit`. It allocates and locks, so a thread that was informed of the signal calls it, not a signal handler.
pub fn take_down_all() -> Result<(), LeftBehind> {
    let started: Vec<_> = register().iter().filter_map(Weak::upgrade).collect();
    started.iter().for_each(|shared| shared.ask());
    started.iter().map(|shared| shared.wait()).fold(Ok(()), Result::and)
}

fn enrol(shared: &Arc<Shared>) {
    let mut register = register();
    register.retain(|started| started.strong_count() > 0);
    register.push(Arc::downgrade(shared));
}

fn register() -> MutexGuard<'static, Vec<Weak<Shared>>> {
    STARTED.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts a server by `start` on a thread of its own and holds it there.
///
/// `start` runs to its end even if this future is dropped; it looks at its [`Stop`] and leaves nothing when it fails.
pub(super) async fn guard<S, F, A>(start: S) -> Result<(ServerGuard, Facts<A>), String>
where
    S: FnOnce(Stop) -> F + Send + 'static,
    F: Future<Output = Result<(Facts<A>, Box<dyn Guarded>), StartError>>,
    A: Send + 'static,
{
    let (stop, asked) = watch::channel(false);
    let shared = Shared {
        stop,
        ended: watch::Sender::new(false),
        outcome: Mutex::new(None),
        turned_out: Condvar::new(),
    };
    let shared = Arc::new(shared);
    let guard = ServerGuard(Arc::clone(&shared));
    enrol(&shared);

    let (tell, told) = oneshot::channel();
    let end = End(shared);
    let thread = thread::Builder::new().name("kvspec-server".into());
    thread
        .spawn(move || run(start, Stop(asked), tell, &end))
        .map_err(|error| format!("no thread could be started: {error}"))?;
    let facts = told.await.map_err(|_| "the thread that was to start it panicked".to_owned())??;
    Ok((guard, facts))
}

fn run<S, F, A>(
    start: S,
    mut stop: Stop,
    tell: oneshot::Sender<Result<Facts<A>, String>>,
    end: &End,
) where
    S: FnOnce(Stop) -> F,
    F: Future<Output = Result<(Facts<A>, Box<dyn Guarded>), StartError>>,
{
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return drop(tell.send(Err(format!("no runtime could be started: {error}")))),
    };
    runtime.block_on(async {
        match start(stop.clone()).await {
            Err(reason) => drop(tell.send(Err(reason.to_string()))),
            Ok((facts, mut server)) => {
                // No one listens any more: then the guard is being dropped, and asks in a moment.
                let _ = tell.send(Ok(facts));
                server.serve(&mut stop).await;
                end.0.end(server.take_down().await);
            }
        }
    });
}
