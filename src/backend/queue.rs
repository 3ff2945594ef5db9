//! The queue of a watch: events that were not read yet, up to a number of bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream::unfold;
use tokio::sync::mpsc;

use crate::store::{ErrorKind, Result, StoreError, WatchBatch, WatchStream, bytes};

/// Where the events of a watch are put in.
#[derive(Debug)]
pub(super) struct Queue {
    batches: mpsc::UnboundedSender<Result<WatchBatch>>,
    /// How many bytes wait.
    waiting: Arc<AtomicUsize>,
    room: usize,
}

impl Queue {
    /// A queue with room for so many bytes, and the watch that is read from it. The watch ends with its first error;
    /// `broken_off` is the one where the queue is dropped without.
    pub fn new(room: usize, broken_off: fn() -> Option<StoreError>) -> (Self, WatchStream) {
        let (batches, receiver) = mpsc::unbounded_channel::<Result<WatchBatch>>();
        let waiting = Arc::new(AtomicUsize::new(0));
        let taken = waiting.clone();
        let watch = unfold(Some(receiver), move |receiver| {
            let taken = taken.clone();
            async move {
                let mut receiver = receiver?;
                match receiver.recv().await.or_else(|| broken_off().map(Err))? {
                    Ok(batch) => {
                        taken.fetch_sub(bytes(&batch.events), Ordering::Relaxed);
                        Some((Ok(batch), Some(receiver)))
                    }
                    Err(lost) => Some((Err(lost), None)),
                }
            }
        });
        (Self { batches, waiting, room }, watch.boxed())
    }

    /// Puts events in. Once they do not fit, the watch ends, after all that waits, with an error that says so; `false`
    /// then, or if the watch was dropped.
    pub fn put(&self, batch: WatchBatch) -> bool {
        let size = bytes(&batch.events);
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        match before + size <= self.room {
            true => self.batches.send(Ok(batch)).is_ok(),
            false => {
                self.end(overflow(self.room));
                false
            }
        }
    }

    /// Ends the watch with an error, after all that waits.
    pub fn end(&self, lost: StoreError) {
        // No one listens any more where the watch was dropped.
        let _ = self.batches.send(Err(lost));
    }

    /// Waits until the watch is dropped.
    #[cfg(any(feature = "etcd", feature = "redis"))]
    pub async fn dropped(&self) {
        self.batches.closed().await;
    }
}

fn overflow(room: usize) -> StoreError {
    let message =
        format!("the watch was ended: more than {room} bytes of its events were not read");
    StoreError::new(ErrorKind::Other, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::WatchEvent;

    #[tokio::test]
    async fn what_does_not_fit_ends_the_watch_after_what_waits() {
        let (queue, mut watch) = Queue::new(1000, || None);
        let value = vec![b'v'; 300];
        let put = || queue.put(WatchEvent::put("k", value.clone()).into());
        assert!(put() && put());
        assert!(watch.next().await.unwrap().is_ok());
        assert!(put() && !put());
        assert!(watch.next().await.unwrap().is_ok());
        assert!(watch.next().await.unwrap().is_ok());
        let error = watch.next().await.unwrap().unwrap_err();
        assert!(error.message.contains("more than 1000 bytes"), "{error}");
        assert!(watch.next().await.is_none());
        assert!(!put());
    }

    #[tokio::test]
    async fn a_queue_that_is_dropped_ends_the_watch() {
        for broken_off in [|| None, || Some(StoreError::from(ErrorKind::Canceled))] {
            let (queue, mut watch) = Queue::new(1000, broken_off);
            drop(queue);
            assert_eq!(watch.next().await, broken_off().map(Err));
        }
    }
}
