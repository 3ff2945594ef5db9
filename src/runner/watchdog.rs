//! Gives up a case whose store blocks the thread that it runs on, which no deadline on that thread could end.

use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use super::{Settings, run_beating};
use crate::backend::Backend;
use crate::scenario::Scenario;
use crate::session::{broken, panics};
use crate::transcript::{End, Transcript};

/// How often a case's pulse is felt.
const TICK: Duration = Duration::from_millis(200);

/// How many ticks a case has for its end once it is asked to end: more than it takes to clean up in a hurry.
const TICKS_AFTER_ABORT: u64 = 9;

/// Distinguishes a case that works or waits from one whose thread is blocked.
#[derive(Debug, Default)]
pub(super) struct Pulse {
    /// Odd while the thread rests until something wakes it.
    beats: AtomicU64,
    doing: Mutex<String>,
}

impl Pulse {
    /// The thread goes to rest, or wakes up.
    pub fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// Waits for a future, and shows every now and then that the thread which waits is not blocked.
    pub async fn ticking<T>(&self, future: impl Future<Output = T>) -> T {
        let mut future = pin!(future);
        loop {
            match tokio::time::timeout(TICK / 2, &mut future).await {
                Ok(done) => return done,
                // Awake all the time, so that the number stays even.
                Err(_) => self.beats.fetch_add(2, Ordering::Relaxed),
            };
        }
    }

    /// Notes the command that is being run.
    pub fn note(&self, doing: String) {
        *self.doing.lock().unwrap_or_else(PoisonError::into_inner) = doing;
    }

    fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    fn reason(&self, backend: &str) -> String {
        let doing = self.doing.lock().unwrap_or_else(PoisonError::into_inner);
        let during = if doing.is_empty() {
            "before its first command".into()
        } else {
            format!("at '{doing}'")
        };
        format!(
            "{backend} blocked the thread of its case {during}, and the case was given up with what it wrote: \
             a store must wait without holding its thread, or block on another one"
        )
    }
}

/// Runs a scenario as [`run`](super::run) does, on a thread of its own that is given up if the store blocks it.
pub fn run_watched(
    scenario: &Arc<Scenario>,
    backend: &Arc<dyn Backend>,
    settings: &Settings,
) -> Transcript {
    let pulse = Arc::new(Pulse::default());
    let (sender, receiver) = mpsc::sync_channel(1);
    let thread = thread::Builder::new().name(scenario.name.clone()).spawn({
        let (scenario, backend) = (scenario.clone(), backend.clone());
        let (settings, pulse) = (settings.clone(), pulse.clone());
        move || {
            // No one listens any more where the case was given up.
            let _ = sender.send(run_beating(&scenario, backend.as_ref(), &settings, &pulse));
        }
    });
    match thread {
        Ok(_) => watch(&receiver, &pulse, backend.name(), settings).unwrap_or_else(|| {
            Transcript::ended(broken(own_panic(backend.name(), &scenario.name)))
        }),
        Err(error) => {
            Transcript::ended(broken(format!("no thread could be started for the case: {error}")))
        }
    }
}

/// Why there is no transcript, where the runner itself panicked.
fn own_panic(backend: &str, scenario: &str) -> String {
    let said = panics::of_tasks(&panics::case_name(backend, scenario));
    match said.last() {
        Some(said) => format!("kvspec itself panicked: {said}"),
        None => "kvspec itself panicked; its message is printed above".into(),
    }
}

/// Waits for the transcript as long as there is a pulse; `None` where it cannot come any more.
fn watch(
    receiver: &mpsc::Receiver<Transcript>,
    pulse: &Pulse,
    backend: &str,
    settings: &Settings,
) -> Option<Transcript> {
    // Ticks are counted instead of time, so that a machine that stood still blames no one.
    let max_wait = 5 + 3 * u64::try_from(settings.deadline.as_millis() / TICK.as_millis())
        .unwrap_or(u64::MAX / 4);
    let (mut last, mut missed, mut since_abort) = (0, 0, 0);
    loop {
        match receiver.recv_timeout(TICK) {
            Ok(transcript) => return Some(transcript),
            Err(RecvTimeoutError::Disconnected) => return None,
            Err(RecvTimeoutError::Timeout) => {}
        }
        let beats = pulse.beats();
        let is_still = beats == last && beats.is_multiple_of(2);
        missed = if is_still { missed + 1 } else { 0 };
        last = beats;
        since_abort += u64::from(settings.abort.is_thrown());
        if missed > 0 && since_abort > TICKS_AFTER_ABORT {
            return Some(Transcript::ended(End::Aborted));
        }
        if missed > max_wait {
            return Some(Transcript::ended(broken(pulse.reason(backend))));
        }
    }
}
