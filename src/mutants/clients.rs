//! Stores that are wrong about clients: what they share, what they block, and how they end.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::Mutex as Lock;
use tokio::task::yield_now;

use super::fault::*;
use super::watches::changed;

mutants! {
    fn all(next, client);

    "clients-have-own-keys", C1, "Every client has a key space of its own." .with_own_stores()

    "keys-go-with-client", C1, "Closing a client deletes the keys that it wrote."
        [writers: Keys<usize>]
        Update { key, value } => {
            next.update(&key, &value).await?;
            writers.lock().unwrap().insert(key, client);
            Ok(())
        };
        Close {} => {
            let writers = writers.lock().unwrap().clone();
            for (key, _) in writers.into_iter().filter(|(_, writer)| *writer == client) {
                let _ = next.delete(&key).await;
            }
            next.close().await
        };

    "concurrent-writes-lost", C2, "Of two writes under way at once one is lost."
        [under_way: AtomicUsize]
        Update { key, value } => {
            let others = under_way.fetch_add(1, Ordering::Relaxed);
            yield_now().await;
            let written = if others == 0 { next.update(&key, &value).await } else { Ok(()) };
            under_way.fetch_sub(1, Ordering::Relaxed);
            written
        };

    "reads-from-replica", C3, "A client may read the value before the last from a replica."
        // Who wrote each key last, and the value before.
        [old: Keys<(usize, Option<Vec<u8>>)>]
        Update { key, value } => {
            let before = next.read(&key).await?;
            next.update(&key, &value).await?;
            old.lock().unwrap().insert(key, (client, before));
            Ok(())
        };
        Read { key } => {
            let now = next.read(&key).await?;
            let mut old = old.lock().unwrap();
            let is_old = old.get(&key).is_some_and(|(writer, _)| *writer != client);
            Ok(if is_old { old.remove(&key).and_then(|(_, before)| before) } else { now })
        };

    "watch-holds-lock", A1, "An open watch holds the lock that a write needs."
        [lock: Arc<Lock<()>>]
        Update { key, value } => {
            let _held = lock.lock().await;
            next.update(&key, &value).await
        };
        Watch { prefix } => {
            let held = lock.clone().lock_owned().await;
            Ok(next.watch(&prefix).await?.map(move |batch| (&held, batch).1).boxed())
        };

    "locks-cross", A1, "Writes and watches take two locks in opposite order."
        [first: Lock<()>, second: Lock<()>]
        Update { key, value } => {
            let _first = first.lock().await;
            yield_now().await;
            let _second = second.lock().await;
            next.update(&key, &value).await
        };
        Watch { prefix } => {
            let _second = second.lock().await;
            yield_now().await;
            let _first = first.lock().await;
            next.watch(&prefix).await
        };

    "delivery-holds-lock", A1, "The lock is held from an event until the next is asked for."
        [lock: Arc<Lock<()>>]
        Read { key } => {
            let _held = lock.lock().await;
            next.read(&key).await
        };
        Watch { prefix } => {
            let (inner, lock) = (next.watch(&prefix).await?, lock.clone());
            Ok(stream::unfold((inner, None), move |(mut inner, held)| {
                let lock = lock.clone();
                async move {
                    drop(held);
                    let batch = inner.next().await?;
                    Some((batch, (inner, Some(lock.lock_owned().await))))
                }
            }).boxed())
        };

    "second-watch-replaces", A1, "A second watch of a client silences its first."
        [watches: Arc<Mutex<BTreeMap<usize, usize>>>]
        Watch { prefix } => {
            *watches.lock().unwrap().entry(client).or_default() += 1;
            let watches = watches.clone();
            let own = watches.lock().unwrap()[&client];
            Ok(changed(next.watch(&prefix).await?, move |events| {
                if watches.lock().unwrap()[&client] == own { events } else { Vec::new() }
            }))
        };

    "close-does-nothing", A3, "A closed client goes on as if nothing had happened."
        Close {} => Ok(());

    "close-twice-fails", A3, "Closing a client again is an error."
        Close {} => {
            next.read(b"any").await?;
            next.close().await
        };

    "closed-watch-panics", A3, "Opening a watch on a closed client panics."
        Watch { prefix } => match next.watch(&prefix).await {
            watch if refuses(&watch, ErrorKind::Closed) => panic!("use of closed client"),
            watch => watch,
        };

    "closed-reads-nothing", A3, "A closed client reads every key as missing."
        Read { key } => match next.read(&key).await {
            value if refuses(&value, ErrorKind::Closed) => Ok(None),
            value => value,
        };

    "watch-hangs-after-close", A4, "The watch of a closed client hangs for ever."
        Watch { prefix } => {
            let inner = next.watch(&prefix).await?;
            let alive = inner.take_while(|batch| std::future::ready(batch.is_ok()));
            Ok(alive.chain(stream::pending()).boxed())
        };

    "close-ends-all-watches", A4, "Closing a client ends the watches of all."
        [closed: Arc<AtomicBool>]
        Close {} => {
            closed.store(true, Ordering::Relaxed);
            next.close().await
        };
        Watch { prefix } => {
            let closed = closed.clone();
            let ended = move |batch| match closed.load(Ordering::Relaxed) {
                true => Err(ErrorKind::Closed.into()),
                false => batch,
            };
            Ok(next.watch(&prefix).await?.map(ended).boxed())
        };
}
