//! Stores that are wrong about times to live.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Fault, Mutant, Site, mutant};
use crate::backend::memory::MemoryStore;
use crate::store::{ErrorKind, LeaseId, Leases, Result, Store};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<SecondEarly>(
            "ttl-second-early",
            "T1",
            "A key goes a second before its time is over.",
        ),
        mutant::<BitEarly>("ttl-bit-early", "T1", "A key goes 10 ms before its time is over."),
        mutant::<NeverEnds>("ttl-never-ends", "T2", "A time to live is granted and forgotten."),
        mutant::<Late>("ttl-late", "T2", "A key goes three seconds late."),
        mutant::<OneAtATime>(
            "ttl-first-granted-first",
            "T2",
            "No time ends before those that were granted earlier.",
        ),
        mutant::<SharedTimer>(
            "ttl-shared-timer",
            "T2",
            "Keys with the same time to live share the end of the first.",
        ),
        mutant::<TakesChildren>(
            "ttl-takes-children",
            "T3",
            "The end of a key takes the keys that begin with it.",
        ),
        mutant::<CutToSeconds>(
            "ttl-cut-to-seconds",
            "T4",
            "A part of a second is cut off the time granted.",
        ),
        mutant::<ZeroForever>(
            "ttl-zero-forever",
            "T4",
            "A time to live of nothing means for ever.",
        ),
        mutant::<FloorUnsaid>(
            "ttl-floor-unsaid",
            "T4",
            "A time below the floor is said to be granted as asked for.",
        ),
        mutant::<HugeForever>(
            "ttl-huge-forever",
            "T5",
            "A time to live that is too large means for ever.",
        ),
        mutant::<HugeAtOnce>(
            "ttl-huge-overflows",
            "T5",
            "A time to live that is too large overflows and ends at once.",
        ),
        mutant::<PlainKeepsTimer>(
            "ttl-survives-plain-write",
            "T6",
            "A plain write leaves the key's timer running.",
        ),
        mutant::<TimerByName>(
            "ttl-timer-by-name",
            "T6",
            "Every time granted deletes the key in the end, whatever became of it.",
        ),
        mutant::<LongerWins>(
            "ttl-longer-wins",
            "T6",
            "Of the old time and the new the longer one counts.",
        ),
        mutant::<ReadsRenew>(
            "ttl-reads-renew",
            "T7",
            "Reading a key sets its time back to the full.",
        ),
        mutant::<ListsRenew>(
            "ttl-lists-renew",
            "T7",
            "Listing a key sets its time back to the full.",
        ),
        mutant::<ReaperTooLate>(
            "ttl-reaper-checks-then-deletes",
            "C4",
            "A key whose time was found over is deleted 50 ms later, written again or not.",
        ),
    ]
}

const SECOND: Duration = Duration::from_secs(1);
const MAX: Duration = Duration::from_secs(9_000_000_000);

/// Writes with a time of its own choice, and says what the store below would have granted.
async fn write_for(
    at: &Site,
    key: &[u8],
    value: &[u8],
    ttl: Duration,
    real: Duration,
) -> Result<Duration> {
    if ttl > MAX {
        return Err(ErrorKind::TtlTooLarge.into());
    }
    at.store.update_with_ttl(key, value, real).await?;
    Ok(ttl.max(MemoryStore::MIN_TTL))
}

/// Faults that have a key live for another time than the one that is said to be granted.
macro_rules! changed_ttls {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn update_with_ttl(&self, at: &Site, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
                let change: fn(Duration) -> Duration = $change;
                write_for(at, key, value, ttl, change(ttl.max(MemoryStore::MIN_TTL))).await
            }
        }
    )*};
}

changed_ttls! {
    SecondEarly => |ttl| ttl.saturating_sub(SECOND);
    BitEarly => |ttl| ttl.saturating_sub(Duration::from_millis(10));
    Late => |ttl| ttl + 3 * SECOND;
}

#[derive(Default)]
struct NeverEnds;

#[async_trait]
impl Fault for NeverEnds {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        write_for(at, key, value, ttl, SECOND).await?;
        at.store.update(key, value).await?;
        Ok(ttl.max(MemoryStore::MIN_TTL))
    }
}

#[derive(Default)]
struct OneAtATime(Mutex<Option<Instant>>);

#[async_trait]
impl Fault for OneAtATime {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let end = {
            let mut last = self.0.lock().unwrap();
            let end = (Instant::now() + ttl.min(MAX)).max(last.unwrap_or_else(Instant::now));
            *last = Some(end);
            end
        };
        write_for(at, key, value, ttl, end - Instant::now()).await
    }
}

#[derive(Default)]
struct SharedTimer(Mutex<BTreeMap<Duration, LeaseId>>);

#[async_trait]
impl Fault for SharedTimer {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let known = self.0.lock().unwrap().get(&ttl).copied();
        if let Some(lease) = known
            && at.store.update_with_lease(key, value, lease).await.is_ok()
        {
            return Ok(ttl.max(MemoryStore::MIN_TTL));
        }
        let lease = at.store.lease(ttl).await?;
        self.0.lock().unwrap().insert(ttl, lease.id);
        at.store.update_with_lease(key, value, lease.id).await?;
        Ok(lease.ttl)
    }
}

/// Does something to the store after a time, whatever has happened since.
fn later<F>(
    store: &Arc<MemoryStore>,
    after: Duration,
    act: impl FnOnce(Arc<MemoryStore>) -> F + Send + 'static,
) where
    F: Future<Output = Result<()>> + Send,
{
    let store = store.clone();
    tokio::spawn(async move {
        tokio::time::sleep(after).await;
        act(store).await
    });
}

#[derive(Default)]
struct TakesChildren;

#[async_trait]
impl Fault for TakesChildren {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let granted = at.store.update_with_ttl(key, value, ttl).await?;
        let key = key.to_vec();
        later(&at.store, granted, async move |store: Arc<MemoryStore>| {
            for key in store.list(&key).await? {
                store.delete(&key).await?;
            }
            Ok(())
        });
        Ok(granted)
    }
}

#[derive(Default)]
struct CutToSeconds;

#[async_trait]
impl Fault for CutToSeconds {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        at.store.update_with_ttl(key, value, Duration::from_secs(ttl.as_secs())).await
    }
}

#[derive(Default)]
struct ZeroForever;

#[async_trait]
impl Fault for ZeroForever {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        if ttl.is_zero() {
            at.store.update(key, value).await?;
            return Ok(ttl);
        }
        at.store.update_with_ttl(key, value, ttl).await
    }
}

#[derive(Default)]
struct FloorUnsaid;

#[async_trait]
impl Fault for FloorUnsaid {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        at.store.update_with_ttl(key, value, ttl).await.map(|granted| granted.min(ttl))
    }
}

#[derive(Default)]
struct HugeForever;

#[async_trait]
impl Fault for HugeForever {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        if ttl > MAX {
            at.store.update(key, value).await?;
            return Ok(ttl);
        }
        at.store.update_with_ttl(key, value, ttl).await
    }
}

#[derive(Default)]
struct HugeAtOnce;

#[async_trait]
impl Fault for HugeAtOnce {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        if ttl > MAX {
            at.store.update(key, value).await?;
            at.store.delete(key).await?;
            return Ok(ttl);
        }
        at.store.update_with_ttl(key, value, ttl).await
    }
}

#[derive(Default)]
struct PlainKeepsTimer(Mutex<BTreeMap<Vec<u8>, Instant>>);

#[async_trait]
impl Fault for PlainKeepsTimer {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let end = self.0.lock().unwrap().remove(key);
        if let Some(end) = end.filter(|end| *end > Instant::now()) {
            let key = key.to_vec();
            later(&at.store, end - Instant::now(), async move |store: Arc<MemoryStore>| {
                store.delete(&key).await
            });
        }
        at.store.update(key, value).await
    }
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let granted = at.store.update_with_ttl(key, value, ttl).await?;
        self.0.lock().unwrap().insert(key.into(), Instant::now() + granted);
        Ok(granted)
    }
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        self.0.lock().unwrap().remove(key);
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct TimerByName;

#[async_trait]
impl Fault for TimerByName {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let granted = at.store.update_with_ttl(key, value, ttl).await?;
        let key = key.to_vec();
        later(&at.store, granted, async move |store: Arc<MemoryStore>| store.delete(&key).await);
        Ok(granted)
    }
}

#[derive(Default)]
struct LongerWins(Mutex<BTreeMap<Vec<u8>, Instant>>);

#[async_trait]
impl Fault for LongerWins {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let now = Instant::now();
        let old = self
            .0
            .lock()
            .unwrap()
            .get(key)
            .map_or(Duration::ZERO, |end| end.saturating_duration_since(now));
        let granted = write_for(at, key, value, ttl, ttl.max(old)).await?;
        self.0.lock().unwrap().insert(key.into(), now + granted.max(old));
        Ok(granted)
    }
}

/// Keeps keys by leases of their own, so that a fault can renew them.
#[derive(Default)]
struct Renewing(Mutex<BTreeMap<Vec<u8>, LeaseId>>);

impl Renewing {
    async fn write(&self, at: &Site, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let lease = at.store.lease(ttl).await?;
        at.store.update_with_lease(key, value, lease.id).await?;
        self.0.lock().unwrap().insert(key.into(), lease.id);
        Ok(lease.ttl)
    }

    async fn renew(&self, at: &Site, key: &[u8]) {
        let lease = self.0.lock().unwrap().get(key).copied();
        if let Some(lease) = lease {
            let _ = at.store.keep_alive(lease).await;
        }
    }
}

#[derive(Default)]
struct ReadsRenew(Renewing);

#[async_trait]
impl Fault for ReadsRenew {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        self.0.write(at, key, value, ttl).await
    }
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.0.renew(at, key).await;
        at.store.read(key).await
    }
}

#[derive(Default)]
struct ListsRenew(Renewing);

#[async_trait]
impl Fault for ListsRenew {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        self.0.write(at, key, value, ttl).await
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let keys = at.store.list(prefix).await?;
        for key in &keys {
            self.0.renew(at, key).await;
        }
        Ok(keys)
    }
}

#[derive(Default)]
struct ReaperTooLate;

#[async_trait]
impl Fault for ReaperTooLate {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let granted = at.store.update_with_ttl(key, value, ttl).await?;
        let key = key.to_vec();
        let written = value.to_vec();
        later(
            &at.store,
            granted.saturating_sub(Duration::from_millis(1)),
            async move |store: Arc<MemoryStore>| {
                let is_same = store.read(&key).await? == Some(written);
                tokio::time::sleep(Duration::from_millis(50)).await;
                if is_same { store.delete(&key).await } else { Ok(()) }
            },
        );
        Ok(granted)
    }
}
