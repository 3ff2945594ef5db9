//! The runtime of one case: on the thread of the case, or on several where the backend asks for them.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::runtime::{Builder, Runtime};
use tokio::time::Instant;

use super::watchdog::Pulse;
use crate::backend::{Backend, Clock};
use crate::session::panics::{self, caught};

/// A runtime, and the pulse that shows whether the thread of the case is blocked.
pub(super) struct CaseRuntime {
    runtime: Runtime,
    pulse: Arc<Pulse>,
    is_threaded: bool,
}

impl CaseRuntime {
    /// A runtime as the backend asks for it; panics on its threads go to `log`.
    pub fn new(
        backend: &dyn Backend,
        pulse: &Arc<Pulse>,
        log: panics::Log,
    ) -> std::io::Result<Self> {
        let threads = backend.threads();
        let is_threaded = threads > 1 && backend.clock() == Clock::Wall;
        let mut builder = match is_threaded {
            true => Builder::new_multi_thread(),
            false => Builder::new_current_thread(),
        };
        if is_threaded {
            builder.worker_threads(threads);
        } else {
            let (rests, wakes) = (pulse.clone(), pulse.clone());
            builder.start_paused(backend.clock() == Clock::Virtual);
            builder.on_thread_park(move || rests.beat()).on_thread_unpark(move || wakes.beat());
        }
        // The threads that the store blocks on are the case's too.
        let runtime = builder.enable_all().on_thread_start(move || log.take_thread()).build()?;
        Ok(Self { runtime, pulse: pulse.clone(), is_threaded })
    }

    /// Waits for a future on the thread of the case; what it said if it panics.
    pub fn guarded<T>(&self, future: impl Future<Output = T>) -> Result<T, String> {
        let future = AssertUnwindSafe(future).catch_unwind();
        let done = self.runtime.block_on(async {
            // The threads that rest and wake up are others then.
            if self.is_threaded { self.pulse.ticking(future).await } else { future.await }
        });
        done.map_err(caught)
    }

    /// The moment by the runtime's own clock, which may be virtual.
    pub fn now(&self) -> Instant {
        let _entered = self.runtime.enter();
        Instant::now()
    }

    /// Notes what is done next, for the case that it blocks its thread.
    pub fn note(&self, doing: String) {
        self.pulse.note(doing);
    }

    /// Ends the runtime. Tasks of the store that wait for something blocking must not hold up the run.
    pub fn end(self) {
        self.runtime.shutdown_background();
    }
}
