//! Stores that look for what has ended and take it away a moment later, renewed meanwhile or not.

use std::sync::OnceLock;

use tokio::time::{Instant, sleep, sleep_until};

use super::fault::*;

mutants! {
    fn all(next, client);

    // The store below takes away each key by itself; the sweep hits those that were written again.
    "ttl-sweep-in-two-steps", C4,
    "Each second the expired keys are listed, and deleted 5 ms later, written again or not."
        [ends: Table<Vec<u8>>, swept: OnceLock<()>]
        Update { key, value } => {
            ends.lock().unwrap().remove(&key);
            next.update(&key, &value).await
        };
        UpdateWithTtl { key, value, ttl } => {
            swept.get_or_init(|| {
                sweep(next, ends, |next, key| async move { next.delete(&key).await });
            });
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            ends.lock().unwrap().insert(key, Instant::now() + granted);
            Ok(granted)
        };
        Delete { key } => {
            ends.lock().unwrap().remove(&key);
            next.delete(&key).await
        };

    "lease-sweep-in-two-steps", L10,
    "Each second the expired leases are listed, and revoked 5 ms later, kept alive or not."
        [ends: Table<LeaseId>, swept: OnceLock<()>] .with_lag(LINGER)
        any(call) => lingering(next, call, |lease, end| {
            ends.lock().unwrap().insert(lease, end);
            swept.get_or_init(|| {
                sweep(next, ends, |next, lease| async move { next.revoke(lease).await });
            });
        }).await;

    "lease-doomed-at-its-end", L10,
    "A lease goes 300 ms after its end, though it was said to be kept alive in that time."
        [ends: Table<LeaseId>] .with_lag(LINGER)
        any(call) => lingering(next, call, |lease, end| {
            ends.lock().unwrap().insert(lease, end);
            let (ends, store) = (ends.clone(), next.client());
            tokio::spawn(async move {
                sleep_until(end).await;
                if ends.lock().unwrap().get(&lease) == Some(&end) {
                    sleep(DOOM).await;
                    let _ = store.revoke(lease).await;
                }
            });
        }).await;
}

/// How often a store sweeps, and how long its second step comes after the first.
const PERIOD: Duration = Duration::from_secs(1);
const STEP: Duration = Duration::from_millis(5);

/// How long after its end a lease may still be there.
const LINGER: Duration = Duration::from_millis(1100);

/// How long after its end a doomed lease goes.
const DOOM: Duration = Duration::from_millis(300);

/// What has an end, and when.
type Table<K> = Arc<Mutex<BTreeMap<K, Instant>>>;

/// Sweeps from now on, in two steps.
fn sweep<K, F>(next: &MemoryStore, ends: &Table<K>, end: fn(Arc<MemoryStore>, K) -> F)
where
    K: Ord + Clone + Send + 'static,
    F: Future<Output = Result<()>> + Send + 'static,
{
    let (next, ends) = (Arc::new(next.client()), ends.clone());
    tokio::spawn(async move {
        loop {
            sleep(PERIOD).await;
            let ended = take_ended(&ends);
            sleep(STEP).await;
            for key in ended {
                let _ = end(next.clone(), key).await;
            }
        }
    });
}

/// Takes out what has ended.
fn take_ended<K: Ord + Clone>(ends: &Table<K>) -> Vec<K> {
    let (mut ends, now) = (ends.lock().unwrap(), Instant::now());
    let ended = ends.iter().filter(|(_, end)| **end <= now).map(|(key, _)| key.clone());
    let ended: Vec<_> = ended.collect();
    ends.retain(|_, end| *end > now);
    ended
}

/// Has leases outlive their ends in the store below, so that only a sweep ends them; `ends_at` is given each end.
async fn lingering(
    next: &MemoryStore,
    call: Call,
    ends_at: impl Fn(LeaseId, Instant),
) -> Result<Reply> {
    let kept = |ttl: Duration| ttl.max(MemoryStore::MIN_TTL).saturating_add(LINGER);
    let granted = match call {
        Call::Lease { ttl } => next.lease(kept(ttl)).await?,
        Call::LeaseWithId { id, ttl } => next.lease_with_id(id, kept(ttl)).await?,
        Call::KeepAlive { lease } => {
            let ttl = next.keep_alive(lease).await? - LINGER;
            ends_at(lease, Instant::now() + ttl);
            return Ok(ttl.into());
        }
        Call::TimeToLive { lease } => {
            let said = next.time_to_live(lease).await?;
            let (granted, remaining) =
                (said.granted - LINGER, said.remaining.saturating_sub(LINGER));
            return Ok(TimeToLive { granted, remaining, ..said }.into());
        }
        call => return call.perform(next).await,
    };
    let lease = Lease { ttl: granted.ttl - LINGER, ..granted };
    ends_at(lease.id, Instant::now() + lease.ttl);
    Ok(lease.into())
}
