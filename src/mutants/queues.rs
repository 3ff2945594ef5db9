//! Stores that are wrong about how watches wait, and about what they have to do with each other.

use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OnceCell, mpsc};
use tokio_stream::wrappers::ReceiverStream;

use super::fault::*;
use super::watches::{changed, filtered, is_fence};

mutants! {
    fn all(next, client);

    "watch-needs-push", W14, "An event is delivered only when the next one comes."
        Watch { prefix } => {
            let mut held = Vec::new();
            Ok(changed(next.watch(&prefix).await?, move |events| {
                // A fence goes straight through: only `next` can tell this store from a right one.
                if events.iter().any(|event| is_fence(event.key())) {
                    return [std::mem::take(&mut held), events].concat();
                }
                std::mem::replace(&mut held, events)
            }))
        };

    "watch-drops-when-full", W15, "Unread events beyond a thousand are dropped."
        Watch { prefix } => {
            let (mut inner, (sender, receiver)) = (next.watch(&prefix).await?, mpsc::channel(1000));
            tokio::spawn(async move {
                while let Some(batch) = inner.next().await {
                    // What finds no room is lost.
                    let _ = sender.try_send(batch);
                }
            });
            Ok(ReceiverStream::new(receiver).boxed())
        };

    "watch-blocks-writers", A1,
    "A watch with a thousand unread events keeps every client from writing."
        // The room left in the queue of each open watch.
        [rooms: Mutex<Vec<(Vec<u8>, mpsc::Sender<()>)>>]
        Update { key, value } => {
            let rooms = rooms.lock().unwrap().clone();
            for (_, room) in rooms.into_iter().filter(|(prefix, _)| key.starts_with(prefix)) {
                let _ = room.send(()).await;
            }
            next.update(&key, &value).await
        };
        Watch { prefix } => {
            let (sender, mut receiver) = mpsc::channel(1000);
            rooms.lock().unwrap().push((prefix.clone(), sender));
            let read = move |_: &Result<_>| receiver.try_recv().unwrap_or_default();
            Ok(next.watch(&prefix).await?.inspect(read).boxed())
        };

    "watch-shared-queue", A1, "A watch that is not read delays the events of the others."
        [watches: Arc<Mutex<Vec<Served>>>, server: OnceCell<()>]
        Watch { prefix } => {
            let (sender, receiver) = mpsc::channel(1000);
            watches.lock().unwrap().push((prefix, sender));
            server.get_or_try_init(async || {
                tokio::spawn(serve(next.watch(b"").await?, watches.clone()));
                Result::<()>::Ok(())
            }).await?;
            Ok(ReceiverStream::new(receiver).boxed())
        };

    "watch-cancels-all", A2, "Ending one watch ends the others of its client in silence."
        [ended: Mutex<BTreeMap<usize, Arc<AtomicUsize>>>]
        Watch { prefix } => {
            let ended = ended.lock().unwrap().entry(client).or_default().clone();
            let (before, ending) = (ended.load(Ordering::Relaxed), Ending(ended));
            Ok(filtered(next.watch(&prefix).await?, move |_| {
                let Ending(ended) = &ending;
                ended.load(Ordering::Relaxed) == before
            }))
        };

    "watch-name-reused", A2,
    "A new watch of a prefix that was watched before begins with what it missed."
        // The revision at which each prefix was first watched.
        [first: Keys<i64>]
        Watch { prefix } => {
            let now = next.revision().await? + 1;
            let first = *first.lock().unwrap().entry(prefix.clone()).or_insert(now);
            next.watch_from(&prefix, first).await
        };
}

/// A watch's prefix, and its queue of a thousand.
type Served = (Vec<u8>, mpsc::Sender<Result<WatchBatch>>);

/// Serves all watches in turn.
async fn serve(mut inner: WatchStream, watches: Arc<Mutex<Vec<Served>>>) {
    while let Some(Ok(batch)) = inner.next().await {
        let all = watches.lock().unwrap().clone();
        for (prefix, sender) in all {
            let own = batch.events.iter().filter(|event| event.key().starts_with(&prefix));
            let own: WatchBatch = own.cloned().collect();
            if !own.events.is_empty() {
                let _ = sender.send(Ok(own)).await;
            }
        }
    }
}

/// Counts, when a watch ends, the watches of its client that did.
struct Ending(Arc<AtomicUsize>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}
