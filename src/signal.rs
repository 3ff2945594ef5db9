//! Ends a run on Ctrl-C, SIGTERM or SIGHUP, cleanly if that is quick and anyway if it is not.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::runner::Abort;

/// How long a run that was asked to end may take to clean up by itself. Ctrl-C must be over in two seconds.
const CLEANUP_TIME: Duration = Duration::from_millis(1700);

/// Knows whether the process was asked to end.
#[derive(Debug, Clone, Default)]
pub struct Signals {
    received: Arc<AtomicI32>,
}

impl Signals {
    /// Listens from now on: the first signal throws `abort`; a second one, or a run that takes too long to end, takes
    /// down every server and exits.
    pub fn listen(abort: Abort) -> io::Result<Self> {
        let signals = Self::default();
        let received = signals.received.clone();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let mut caught = runtime.block_on(async { Caught::new() })?;
        let listen = move || {
            runtime.block_on(async {
                let number = caught.next().await;
                received.store(number, Ordering::Release);
                abort.throw();
                let _ = tokio::time::timeout(CLEANUP_TIME, caught.next()).await;
                leave(128 + number);
            });
        };
        thread::Builder::new().name("kvspec-signals".into()).spawn(listen)?;
        Ok(signals)
    }

    /// The number of the signal that asked the process to end; `None` if it was not.
    pub fn received(&self) -> Option<i32> {
        Some(self.received.load(Ordering::Acquire)).filter(|number| *number != 0)
    }

    /// The exit code of a process that was asked to end: 128 and the signal's number; `None` if it was not.
    pub fn exit_code(&self) -> Option<u8> {
        self.received().and_then(|number| u8::try_from(128 + number).ok())
    }
}

fn leave(code: i32) -> ! {
    #[cfg(any(feature = "etcd", feature = "redis"))]
    if let Err(left) = crate::server::take_down_all() {
        eprintln!("kvspec: {left}");
    }
    std::process::exit(code)
}

/// The signals that end a run.
struct Caught {
    signals: [(i32, Signal); 3],
}

impl Caught {
    fn new() -> io::Result<Self> {
        let one = |kind: SignalKind| signal(kind).map(|caught| (kind.as_raw_value(), caught));
        let signals = [
            one(SignalKind::interrupt())?,
            one(SignalKind::terminate())?,
            one(SignalKind::hangup())?,
        ];
        Ok(Self { signals })
    }

    async fn next(&mut self) -> i32 {
        let [(interrupt, first), (terminate, second), (hangup, third)] = &mut self.signals;
        tokio::select! {
            _ = first.recv() => *interrupt,
            _ = second.recv() => *terminate,
            _ = third.recv() => *hangup,
        }
    }
}
