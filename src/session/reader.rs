//! Reads a watch: from its opening on, so that a read is always pending, or only when the script asks.

use std::any::Any;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::{FutureExt, StreamExt};
use tokio::sync::{Notify, oneshot};
use tokio::task::{JoinHandle, coop};
use tokio::time::Instant;

use crate::store::{ErrorKind, MOST_UNREAD, Result, StoreError, WatchEvent, WatchStream, bytes};

/// The events that a watch delivered in one step.
#[derive(Debug)]
pub(crate) struct Batch {
    /// When they came, on the store's clock.
    pub at: Instant,
    pub events: Vec<WatchEvent>,
}

/// Where the batches of a watch come from. Dropping it ends the watch.
pub(crate) enum Feed {
    /// A task reads the watch, and batches wait here.
    Read(Reader),
    /// No one reads the watch until the next batch is wanted.
    Unread(WatchStream),
}

impl Feed {
    /// Has a watch read from now on, or leaves it unread.
    pub async fn new(stream: WatchStream, is_unread: bool) -> Self {
        if is_unread {
            Self::Unread(stream)
        } else {
            Self::Read(Reader::start(stream, MOST_UNREAD).await)
        }
    }

    /// The next batch, or the error that the watch ended with. A panic of the stream goes on here.
    pub async fn next(&mut self) -> Result<Batch> {
        match self {
            Self::Read(reader) => reader.next().await,
            Self::Unread(stream) => match stream.next().await {
                Some(batch) => Ok(Batch { at: Instant::now(), events: batch?.events }),
                None => Err(silent_end()),
            },
        }
    }

    /// Whether all that will ever come is here, so that no write can add more.
    pub fn has_ended(&self) -> bool {
        match self {
            Self::Read(reader) => reader.shared.queue().end.is_some(),
            Self::Unread(_) => false,
        }
    }

    /// Whether an event waits to be asked for that `is_meant`.
    #[cfg(feature = "explore")]
    pub fn has(&self, is_meant: impl Fn(&WatchEvent) -> bool) -> bool {
        match self {
            Self::Read(reader) => {
                let queue = reader.shared.queue();
                queue.batches.iter().flat_map(|batch| &batch.events).any(is_meant)
            }
            Self::Unread(_) => false,
        }
    }

    /// Ends the watch, a pending read included. A panic of the stream that was not reported yet goes on here.
    pub async fn end(self) {
        match self {
            Self::Read(reader) => reader.end().await,
            Self::Unread(stream) => drop(stream),
        }
    }
}

/// A task that reads a watch, and what it has read.
pub(crate) struct Reader {
    shared: Arc<Shared>,
    task: JoinHandle<()>,
}

struct Shared {
    queue: Mutex<Queue>,
    arrived: Notify,
}

#[derive(Default)]
struct Queue {
    batches: VecDeque<Batch>,
    bytes: usize,
    end: Option<End>,
}

/// Why nothing more will come.
enum End {
    Error(StoreError),
    Panic(Box<dyn Any + Send>),
}

impl Reader {
    /// Starts to read, and returns once the first read is pending.
    async fn start(stream: WatchStream, room: usize) -> Self {
        let shared = Arc::new(Shared { queue: Mutex::default(), arrived: Notify::new() });
        let (begun, has_begun) = oneshot::channel();
        let task = tokio::spawn(read(stream, shared.clone(), room, begun));
        // Also where the first read panics: then the sender is dropped.
        let _ = has_begun.await;
        Self { shared, task }
    }

    async fn next(&mut self) -> Result<Batch> {
        loop {
            let arrived = self.shared.arrived.notified();
            if let Some(next) = self.shared.queue().take() {
                return next;
            }
            arrived.await;
        }
    }

    async fn end(mut self) {
        self.task.abort();
        if let Err(error) = (&mut self.task).await
            && error.is_panic()
        {
            resume_unwind(error.into_panic());
        }
        let end = self.shared.queue().end.take();
        if let Some(End::Panic(panic)) = end {
            resume_unwind(panic);
        }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn put(&mut self, events: Vec<WatchEvent>) {
        let batch = Batch { at: Instant::now(), events };
        self.bytes += bytes(&batch.events);
        self.batches.push_back(batch);
    }

    fn take(&mut self) -> Option<Result<Batch>> {
        if let Some(batch) = self.batches.pop_front() {
            self.bytes -= bytes(&batch.events);
            return Some(Ok(batch));
        }
        match self.end.take()? {
            End::Error(error) => {
                self.end = Some(End::Error(error.clone()));
                Some(Err(error))
            }
            End::Panic(panic) => {
                let message = "the stream of the watch panicked before";
                self.end = Some(End::Error(StoreError::own(ErrorKind::Canceled, message)));
                resume_unwind(panic)
            }
        }
    }
}

/// Reads a watch into its queue until it ends.
async fn read(
    mut stream: WatchStream,
    shared: Arc<Shared>,
    room: usize,
    begun: oneshot::Sender<()>,
) {
    let reading = read_on(&mut stream, &shared, room, begun);
    let end = AssertUnwindSafe(reading).catch_unwind().await.map_or_else(End::Panic, End::Error);
    shared.queue().end = Some(end);
    shared.arrived.notify_one();
}

/// Reads batch after batch; the error that ended the watch.
async fn read_on(
    stream: &mut WatchStream,
    shared: &Shared,
    room: usize,
    begun: oneshot::Sender<()>,
) -> StoreError {
    let mut begun = Some(begun);
    loop {
        let next = poll_fn(|context| {
            let polled = stream.poll_next_unpin(context);
            begun.take().map(|begun| begun.send(()));
            polled
        });
        match next.await {
            Some(Ok(batch)) => shared.queue().put(batch.events),
            Some(Err(error)) => return error,
            None => return silent_end(),
        }
        shared.arrived.notify_one();
        if shared.queue().bytes > room {
            return overflow(room);
        }
        // A stream that always has something ready must let others have their turn.
        coop::consume_budget().await;
    }
}

fn silent_end() -> StoreError {
    StoreError::own(ErrorKind::Canceled, "the watch ended without an error")
}

fn overflow(room: usize) -> StoreError {
    let message = format!(
        "kvspec stopped reading the watch: more than {room} bytes of events came that no command asked for"
    );
    StoreError::own(ErrorKind::Other, message)
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures_util::stream;

    use super::*;
    use crate::store::WatchBatch;

    fn batch(key: &str) -> Result<WatchBatch> {
        Ok(WatchEvent::put(key, "v").into())
    }

    #[tokio::test(start_paused = true)]
    async fn batches_keep_the_time_at_which_they_came() {
        let started = Instant::now();
        let ticks = stream::unfold(0, |tick| async move {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
            Some((batch("k"), tick + 1))
        });
        let mut feed = Feed::new(ticks.boxed(), false).await;
        tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
        for second in 1..=2 {
            assert_eq!(
                feed.next().await.unwrap().at,
                started + std::time::Duration::from_secs(second)
            );
        }
    }

    #[tokio::test]
    async fn a_stream_that_never_stops_overflows_and_says_so() {
        let endless = stream::repeat_with(|| batch("k"));
        let mut reader = Reader::start(endless.boxed(), 640).await;
        let error = loop {
            if let Err(error) = reader.next().await {
                break error;
            }
        };
        assert!(error.message.contains("more than 640 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_panic_of_the_stream_comes_out_once_where_it_is_asked_for() {
        let panics = stream::iter([batch("k")]).chain(stream::once(async { panic!("oh") }));
        let mut feed = Feed::new(panics.boxed(), false).await;
        assert!(feed.next().await.is_ok());
        let panic = AssertUnwindSafe(feed.next()).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"oh"));
        assert_eq!(feed.next().await.unwrap_err().kind, ErrorKind::Canceled);
    }

    #[tokio::test]
    async fn a_panic_that_nobody_asked_for_comes_out_at_the_end() {
        let feed = Feed::new(stream::once(async { panic!("oh") }).boxed(), false).await;
        let panic = AssertUnwindSafe(feed.end()).catch_unwind().await.unwrap_err();
        assert_eq!(panic.downcast_ref::<&str>(), Some(&"oh"));
    }

    #[tokio::test]
    async fn ending_drops_the_stream_while_its_read_is_pending() {
        struct Dropped(Arc<AtomicBool>);
        impl Drop for Dropped {
            fn drop(&mut self) {
                self.0.store(true, Ordering::Relaxed);
            }
        }
        let dropped = Arc::new(AtomicBool::new(false));
        let held = Dropped(dropped.clone());
        let pending = stream::once(async move {
            let _held = held;
            std::future::pending().await
        });
        Feed::new(pending.boxed(), false).await.end().await;
        assert!(dropped.load(Ordering::Relaxed));
    }
}
