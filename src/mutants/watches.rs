//! Stores that are wrong about watches.

use super::fault::*;
use super::lists::{is_whole_segment, matches};

mutants! {
    fn all(next, client);

    "watch-newest-first", W1, "Events that wait together come newest first."
        Watch { prefix } => Ok(heaped(next.watch(&prefix).await?, |mut events| {
            but_last(&mut events).reverse();
            events
        }));

    "watch-by-key", W1, "Events that wait together come key by key."
        Watch { prefix } => Ok(heaped(next.watch(&prefix).await?, |mut events| {
            but_last(&mut events).sort_by(|a, b| a.key().cmp(b.key()));
            events
        }));

    "watch-sorts-revision", W1,
    "Events of one revision come in key order, not in the order of the writes."
        Watch { prefix } => Ok(changed(next.watch(&prefix).await?, |mut events| {
            events.sort_by(|a, b| a.key().cmp(b.key()));
            events
        }));

    "watch-twice", W2, "Every event comes twice."
        Watch { prefix } => Ok(each(next.watch(&prefix).await?, |event| vec![event.clone(), event]));

    "watch-expiry-twice", W2, "The event of an expiry is delivered twice."
        [named: Named]
        Delete { key } => note(next, named, next.delete(&key).await?).await;
        Watch { prefix } => {
            let named = named.clone();
            Ok(each(next.watch(&prefix).await?, move |event| {
                let again = (!is_named(&named, &event)).then(|| event.clone());
                [event].into_iter().chain(again).collect()
            }))
        };

    "watch-one-shot", W3, "A watch gives one event and falls silent."
        Watch { prefix } => {
            Ok(next.watch(&prefix).await?.take(1).chain(stream::pending()).boxed())
        };

    "watch-coalesces", W3, "Of the events of one key that wait together only the last is given."
        Watch { prefix } => Ok(heaped(next.watch(&prefix).await?, |events| {
            let is_last = |(index, event): &(usize, &WatchEvent)| {
                !events[index + 1..].iter().any(|later| later.key() == event.key())
            };
            events.iter().enumerate().filter(is_last).map(|(_, event)| event.clone()).collect()
        }));

    "watch-no-expiry", W3, "Expiry, by lease or TTL, causes no event."
        [named: Named]
        Delete { key } => note(next, named, next.delete(&key).await?).await;
        Txn { txn } => note(next, named, next.txn(txn).await?).await;
        Watch { prefix } => {
            let named = named.clone();
            Ok(filtered(next.watch(&prefix).await?, move |event| is_named(&named, event)))
        };

    "watch-no-deletes", W3, "Deletions cause no events."
        Watch { prefix } => Ok(filtered(next.watch(&prefix).await?, is_put));

    "watch-folds-same-value", W3, "An event with the value of the one before it is dropped."
        Watch { prefix } => {
            let mut last = None;
            Ok(filtered(next.watch(&prefix).await?, move |event| {
                let now = match event {
                    WatchEvent::Put { key, value, .. } => Some((key.clone(), value.clone())),
                    WatchEvent::Delete { .. } => None,
                };
                now.is_none() | (std::mem::replace(&mut last, now.clone()) != now)
            }))
        };

    "watch-starts-late", W3, "A watch is said to be open a moment before it is."
        Watch { prefix } => {
            next.read(b"any").await?;
            let next = next.clone();
            let opened = tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(1)).await;
                next.watch(&prefix).await.unwrap_or_else(|_| stream::pending().boxed())
            });
            let opened = async move { opened.await.expect("opening does not panic") };
            Ok(stream::once(opened).flatten().boxed())
        };

    "watch-own-writes-only", W3, "A client sees its own writes only."
        [writers: Writers]
        Update { key, value } => write(next, client, writers, &key, &value).await;
        Watch { prefix } => {
            Ok(written(next.watch(&prefix).await?, writers, move |writer| writer == client))
        };

    "watch-others-only", W3, "A client does not see its own writes."
        [writers: Writers]
        Update { key, value } => write(next, client, writers, &key, &value).await;
        Watch { prefix } => {
            Ok(written(next.watch(&prefix).await?, writers, move |writer| writer != client))
        };

    "watch-splits-revision", W4, "Each event of a revision comes alone."
        Watch { prefix } => {
            let single = |batch: Result<WatchBatch>| match batch {
                Ok(batch) => batch.events.into_iter().map(|event| Ok(event.into())).collect(),
                Err(error) => vec![Err(error)],
            };
            Ok(next.watch(&prefix).await?.map(single).flat_map(stream::iter).boxed())
        };

    "watch-replays-present", W7, "A watch begins with the keys that are there."
        Watch { prefix } => {
            let mut present = Vec::new();
            for key in next.list(&prefix).await? {
                let value = next.read(&key).await?.unwrap_or_default();
                present.push(Ok(WatchEvent::put(key, value).into()));
            }
            Ok(stream::iter(present).chain(next.watch(&prefix).await?).boxed())
        };

    "watch-empty-is-delete", W10, "A write of an empty value is delivered as a deletion."
        Watch { prefix } => Ok(each(next.watch(&prefix).await?, |event| vec![match event {
            WatchEvent::Put { key, value, mod_revision } if value.is_empty() => {
                WatchEvent::Delete { key, mod_revision }
            }
            event => event,
        }]));

    "watch-delete-is-put", W10, "A deletion is delivered as a write of an empty value."
        Watch { prefix } => Ok(each(next.watch(&prefix).await?, |event| vec![match event {
            WatchEvent::Delete { key, mod_revision } => {
                WatchEvent::Put { key, value: Vec::new(), mod_revision }
            }
            event => event,
        }]));

    "watch-reads-value-late", W10,
    "An event has the value that the key has when it is delivered."
        Watch { prefix } => {
            let store = next.clone();
            let reread = move |batch: Result<WatchBatch>| {
                let store = store.clone();
                async move {
                    let mut batch = batch?;
                    for event in &mut batch.events {
                        if let WatchEvent::Put { key, value, .. } = event {
                            *value = store.read(key).await?.unwrap_or_default();
                        }
                    }
                    Ok(batch)
                }
            };
            Ok(next.watch(&prefix).await?.then(reread).boxed())
        };

    "watch-cuts-values", W10, "A value in an event is cut off after 8000 bytes."
        Watch { prefix } => Ok(each(next.watch(&prefix).await?, |mut event| {
            if let WatchEvent::Put { value, .. } = &mut event {
                value.truncate(8000);
            }
            vec![event]
        }));

    "watch-delete-old-revision", W10, "A deletion has the revision of the write before it."
        Watch { prefix } => {
            let mut written = BTreeMap::new();
            Ok(each(next.watch(&prefix).await?, move |mut event| {
                match &mut event {
                    WatchEvent::Put { key, mod_revision, .. } => {
                        written.insert(key.clone(), *mod_revision);
                    }
                    WatchEvent::Delete { key, mod_revision } => {
                        *mod_revision = written.get(key).copied().unwrap_or(*mod_revision);
                    }
                }
                vec![event]
            }))
        };

    "watch-folds-case", W12, "A watch matches its prefix without regard to case."
        Watch { prefix } => ranged(next, prefix, |prefix, key| {
            key.to_ascii_lowercase().starts_with(&prefix.to_ascii_lowercase())
        }).await;

    "watch-is-directory", W12, "A watch sees whole path segments only."
        Watch { prefix } => ranged(next, prefix, |prefix, key| {
            key.starts_with(prefix) && is_whole_segment(prefix, key)
        }).await;

    "watch-exact-key", W12, "A watch sees the one key that equals its prefix."
        Watch { prefix } => ranged(next, prefix, |prefix, key| prefix == key).await;

    "watch-takes-pattern", P2, "Wildcards in a watch's prefix are a pattern."
        Watch { prefix } => ranged(next, prefix, |prefix, key| {
            !prefix.contains(&b'[') && matches(prefix, key, b"*%", b"?_")
        }).await;

    "watch-last-byte-overflows", P2,
    "The end of a watch's range is the last byte plus one, which wraps at 0xff."
        Watch { prefix } => ranged(next, prefix, |prefix, key| {
            key.starts_with(prefix) && !prefix.ends_with(b"\xff")
        }).await;
}

/// Passes on what is made of each batch.
pub(super) fn changed(
    inner: WatchStream,
    mut change: impl FnMut(Vec<WatchEvent>) -> Vec<WatchEvent> + Send + 'static,
) -> WatchStream {
    inner.map(move |batch| Ok(change(batch?.events).into())).boxed()
}

/// Passes on what is made of each event; the change remembers as it likes.
pub(super) fn each(
    inner: WatchStream,
    mut change: impl FnMut(WatchEvent) -> Vec<WatchEvent> + Send + 'static,
) -> WatchStream {
    changed(inner, move |events| events.into_iter().flat_map(&mut change).collect())
}

/// Passes on the events for which `pass` says so; it remembers as it likes.
pub(super) fn filtered(
    inner: WatchStream,
    mut pass: impl FnMut(&WatchEvent) -> bool + Send + 'static,
) -> WatchStream {
    changed(inner, move |events| events.into_iter().filter(&mut pass).collect())
}

/// Passes on what is made of all the events that wait together.
fn heaped(inner: WatchStream, change: fn(Vec<WatchEvent>) -> Vec<WatchEvent>) -> WatchStream {
    let heaps = inner.ready_chunks(10_000).map(move |heap| {
        let heap: Result<Vec<WatchBatch>> = heap.into_iter().collect();
        let events = heap?.into_iter().flat_map(|batch| batch.events);
        Ok(change(events.collect()).into())
    });
    heaps.boxed()
}

/// All events but the last, which stays last, or the fence would hide what comes after it.
fn but_last(events: &mut [WatchEvent]) -> &mut [WatchEvent] {
    let end = events.len().saturating_sub(1);
    &mut events[..end]
}

/// Whether a key is a fence. Fences are spared: without them a watch would only seem to hang.
pub(super) fn is_fence(key: &[u8]) -> bool {
    key.windows(7).any(|window| window == b"~fence-")
}

pub(super) fn is_put(event: &WatchEvent) -> bool {
    matches!(event, WatchEvent::Put { .. })
}

/// The revisions of what clients deleted by name: what else is deleted, time deleted.
type Named = Arc<Mutex<BTreeSet<i64>>>;

/// Notes the present revision, and passes an answer on.
async fn note<T>(next: &MemoryStore, named: &Named, answer: T) -> Result<T> {
    let revision = next.revision().await?;
    named.lock().unwrap().insert(revision);
    Ok(answer)
}

fn is_named(named: &Named, event: &WatchEvent) -> bool {
    let named = named.lock().unwrap();
    is_put(event) || event.mod_revision().is_some_and(|revision| named.contains(&revision))
}

/// Which client wrote which revision.
type Writers = Arc<Mutex<BTreeMap<i64, usize>>>;

async fn write(
    next: &MemoryStore,
    client: usize,
    writers: &Writers,
    key: &[u8],
    value: &[u8],
) -> Result<()> {
    next.update(key, value).await?;
    let revision = next.revision().await?;
    writers.lock().unwrap().insert(revision, client);
    Ok(())
}

/// Passes on the events that certain clients wrote, and those that none did.
fn written(
    inner: WatchStream,
    writers: &Writers,
    is_told: impl Fn(usize) -> bool + Send + 'static,
) -> WatchStream {
    let writers = writers.clone();
    filtered(inner, move |event| {
        let writers = writers.lock().unwrap();
        let writer = event.mod_revision().and_then(|revision| writers.get(&revision));
        is_fence(event.key()) || writer.is_none_or(|writer| is_told(*writer))
    })
}

/// Watches everything and chooses by a rule of its own: prefix, key.
async fn ranged(
    next: &MemoryStore,
    prefix: Vec<u8>,
    is_watched: fn(&[u8], &[u8]) -> bool,
) -> Result<WatchStream> {
    Ok(filtered(next.watch(b"").await?, move |event| {
        let key = event.key();
        is_watched(&prefix, key) || (is_fence(key) && key.starts_with(&prefix))
    }))
}
