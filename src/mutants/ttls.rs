//! Stores that are wrong about TTLs.

use tokio::time::Instant;

use super::fault::*;
use super::keys::delete_all;

mutants! {
    fn all(next, client);

    "ttl-second-early", T1, "A key expires a second early."
        UpdateWithTtl { key, value, ttl } =>
            write_for(next, &key, &value, ttl, floored(ttl).saturating_sub(SECOND)).await;

    "ttl-bit-early", T1, "A key expires 10 ms early."
        UpdateWithTtl { key, value, ttl } => {
            let real = floored(ttl).saturating_sub(Duration::from_millis(10));
            write_for(next, &key, &value, ttl, real).await
        };

    "ttl-never-ends", T2, "A TTL is granted and ignored."
        UpdateWithTtl { key, value, ttl } => {
            let granted = write_for(next, &key, &value, ttl, SECOND).await?;
            next.update(&key, &value).await?;
            Ok(granted)
        };

    "ttl-late", T2, "A key goes three seconds late."
        UpdateWithTtl { key, value, ttl } =>
            write_for(next, &key, &value, ttl, floored(ttl).saturating_add(3 * SECOND)).await;

    "ttl-first-granted-first", T2, "No time ends before those that were granted earlier."
        [last: Mutex<Option<Instant>>]
        UpdateWithTtl { key, value, ttl } => {
            let now = Instant::now();
            let end = last.lock().unwrap().unwrap_or(now).max(now + ttl.min(MAX));
            *last.lock().unwrap() = Some(end);
            write_for(next, &key, &value, ttl, end - now).await
        };

    "ttl-shared-timer", T2, "Keys with the same TTL expire with the first of them."
        [leases: Mutex<BTreeMap<Duration, LeaseId>>]
        UpdateWithTtl { key, value, ttl } => {
            let known = leases.lock().unwrap().get(&ttl).copied();
            if let Some(lease) = known && next.update_with_lease(&key, &value, lease).await.is_ok() {
                return Ok(floored(ttl));
            }
            let lease = next.lease(ttl).await?;
            leases.lock().unwrap().insert(ttl, lease.id);
            next.update_with_lease(&key, &value, lease.id).await?;
            Ok(lease.ttl)
        };

    "ttl-takes-children", T3, "The end of a key takes the keys that begin with it."
        UpdateWithTtl { key, value, ttl } => {
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            later(next, granted, |next| async move { delete_all(&next, next.list(&key).await?).await });
            Ok(granted)
        };

    "ttl-cut-to-seconds", T4, "A part of a second is cut off the time granted."
        UpdateWithTtl { key, value, ttl } =>
            next.update_with_ttl(&key, &value, Duration::from_secs(ttl.as_secs())).await;

    "ttl-zero-forever", T4, "A TTL of zero means permanent."
        UpdateWithTtl { key, value, ttl } if ttl.is_zero() =>
            next.update(&key, &value).await.map(|()| ttl);

    "ttl-floor-unsaid", T4, "A time below the floor is said to be granted as asked for."
        UpdateWithTtl { key, value, ttl } =>
            next.update_with_ttl(&key, &value, ttl).await.map(|granted| granted.min(ttl));

    "ttl-huge-forever", T5, "A TTL that is too large means permanent."
        UpdateWithTtl { key, value, ttl } if ttl > MAX =>
            next.update(&key, &value).await.map(|()| ttl);

    "ttl-huge-overflows", T5, "A TTL that is too large overflows and expires at once."
        UpdateWithTtl { key, value, ttl } if ttl > MAX => {
            next.update(&key, &value).await?;
            next.delete(&key).await.map(|()| ttl)
        };

    "ttl-survives-plain-write", T6, "A plain write leaves the key's timer running."
        [ends: Keys<Instant>]
        Update { key, value } => {
            let end = ends.lock().unwrap().remove(&key);
            if let Some(end) = end.filter(|end| *end > Instant::now()) {
                let key = key.clone();
                later(next, end - Instant::now(), |next| async move { next.delete(&key).await });
            }
            next.update(&key, &value).await
        };
        UpdateWithTtl { key, value, ttl } => {
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            ends.lock().unwrap().insert(key, Instant::now() + granted);
            Ok(granted)
        };
        Delete { key } => {
            ends.lock().unwrap().remove(&key);
            next.delete(&key).await
        };

    "ttl-timer-by-name", T6, "Every time granted deletes the key in the end, whatever became of it."
        UpdateWithTtl { key, value, ttl } => {
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            later(next, granted, |next| async move { next.delete(&key).await });
            Ok(granted)
        };

    "ttl-longer-wins", T6, "Of the old time and the new the longer one counts."
        [ends: Keys<Instant>]
        UpdateWithTtl { key, value, ttl } => {
            let now = Instant::now();
            let old = ends.lock().unwrap().get(&key).map(|end| end.saturating_duration_since(now));
            let old = old.unwrap_or_default();
            let granted = write_for(next, &key, &value, ttl, ttl.max(old)).await?;
            ends.lock().unwrap().insert(key, now + granted.max(old));
            Ok(granted)
        };

    "ttl-reads-renew", T7, "Reading a key sets its time back to the full."
        [leases: Keys<LeaseId>]
        UpdateWithTtl { key, value, ttl } => write_with_lease(next, leases, key, &value, ttl).await;
        Read { key } => {
            renew(next, leases, &key).await;
            next.read(&key).await
        };

    "ttl-lists-renew", T7, "Listing a key sets its time back to the full."
        [leases: Keys<LeaseId>]
        UpdateWithTtl { key, value, ttl } => write_with_lease(next, leases, key, &value, ttl).await;
        List { prefix } => {
            let keys = next.list(&prefix).await?;
            for key in &keys {
                renew(next, leases, key).await;
            }
            Ok(keys)
        };

    "ttl-reaper-checks-then-deletes", C4,
    "A key whose time was found over is deleted 50 ms later, written again or not."
        UpdateWithTtl { key, value, ttl } => {
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            let look = granted.saturating_sub(Duration::from_millis(1));
            later(next, look, |next| async move {
                let is_same = next.read(&key).await? == Some(value);
                tokio::time::sleep(Duration::from_millis(50)).await;
                if is_same { next.delete(&key).await } else { Ok(()) }
            });
            Ok(granted)
        };
}

const SECOND: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(9_000_000_000);

/// The time that the store below grants.
fn floored(ttl: Duration) -> Duration {
    ttl.max(MemoryStore::MIN_TTL)
}

/// Writes with a time of its own choice, and says what the store below would have granted.
async fn write_for(
    next: &MemoryStore,
    key: &[u8],
    value: &[u8],
    ttl: Duration,
    real: Duration,
) -> Result<Duration> {
    if ttl > MAX {
        return Err(ErrorKind::TtlTooLarge.into());
    }
    next.update_with_ttl(key, value, real).await?;
    Ok(floored(ttl))
}

/// Keeps a key by a lease of its own, so that it can be renewed.
async fn write_with_lease(
    next: &MemoryStore,
    leases: &Keys<LeaseId>,
    key: Vec<u8>,
    value: &[u8],
    ttl: Duration,
) -> Result<Duration> {
    let lease = next.lease(ttl).await?;
    next.update_with_lease(&key, value, lease.id).await?;
    leases.lock().unwrap().insert(key, lease.id);
    Ok(lease.ttl)
}

async fn renew(next: &MemoryStore, leases: &Keys<LeaseId>, key: &[u8]) {
    let lease = leases.lock().unwrap().get(key).copied();
    if let Some(lease) = lease {
        let _ = next.keep_alive(lease).await;
    }
}
