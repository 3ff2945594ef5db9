//! Times to live: which key was granted which, and when it was seen to go, bounded on both sides.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::clients::Clients;
use crate::backend::Clock;
use crate::scenario::words::quote;
use crate::store::{ErrorKind, Lease, LeaseId, Result, Store};
use crate::transcript::{Expiry, Survival};

/// A time to live, and the moments between which it was granted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hold {
    pub granted: Duration,
    pub before: Instant,
    pub after: Instant,
}

/// What a key's life hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Tie {
    /// A time to live of its own, by its place in the list of those.
    Own(usize),
    /// A lease of the script.
    Lease(String),
}

/// A lease of the script.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    pub id: LeaseId,
    pub hold: Hold,
}

/// Every time to live of a case.
#[derive(Debug, Default)]
pub(super) struct Ties {
    pub leases: BTreeMap<String, Held>,
    own: Vec<Hold>,
    now: BTreeMap<Vec<u8>, Tie>,
    ever: BTreeMap<Vec<u8>, Vec<Tie>>,
}

impl Ties {
    pub fn lease(&mut self, name: &str, lease: Lease, before: Instant) {
        let hold = Hold { granted: lease.ttl, before, after: Instant::now() };
        self.leases.insert(name.into(), Held { id: lease.id, hold });
    }

    /// Notes that the key now lives by a time of its own.
    pub fn own(&mut self, key: &[u8], granted: Duration, before: Instant) {
        self.hold_own(key, Hold { granted, before, after: Instant::now() });
    }

    /// Notes that the key now lives by this time of its own.
    pub fn hold_own(&mut self, key: &[u8], hold: Hold) {
        self.own.push(hold);
        self.tie(key, Tie::Own(self.own.len() - 1));
    }

    fn tie(&mut self, key: &[u8], tie: Tie) {
        self.now.insert(key.into(), tie.clone());
        self.ever.entry(key.into()).or_default().push(tie);
    }

    /// Notes that the key now lives by a lease of the script.
    pub fn tie_to_lease(&mut self, key: &[u8], lease: &str) {
        self.tie(key, Tie::Lease(lease.into()));
    }

    /// Notes that the key hangs on nothing any more.
    pub fn untie(&mut self, key: &[u8]) {
        self.now.remove(key);
    }

    fn hold(&self, tie: &Tie) -> Option<Hold> {
        match tie {
            Tie::Own(index) => self.own.get(*index).copied(),
            Tie::Lease(name) => self.leases.get(name).map(|held| held.hold),
        }
    }

    fn hold_of(&self, key: &[u8]) -> Option<Hold> {
        self.now.get(key).and_then(|tie| self.hold(tie))
    }

    /// How long it may be until the first of the living keys that `is_meant` is gone, `lag` included.
    pub fn until_first_end(&self, lag: Duration, is_meant: impl Fn(&[u8]) -> bool) -> Duration {
        let now = Instant::now();
        let living = self.now.iter().filter(|(key, _)| is_meant(key));
        let ends = living
            .filter_map(|(_, tie)| self.hold(tie))
            .map(|hold| hold.after + hold.granted + lag);
        let left = ends.map(|end| end.saturating_duration_since(now));
        left.filter(|left| !left.is_zero()).min().unwrap_or_default()
    }

    /// The end of the last time to live that the key ever had.
    fn last_end(&self, key: &[u8]) -> Option<Instant> {
        let ends = self.ever.get(key)?.iter().filter_map(|tie| self.hold(tie));
        ends.map(|hold| hold.after + hold.granted).max()
    }
}

/// How the runner looks at keys whose time is running out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace {
    pub lag: Duration,
    /// How much the store's clock and the runner's may differ over the length of a script.
    tolerance: Duration,
    /// How long before a key's end the last look is that must still find it.
    margin: Duration,
    /// How long between looks once its end is near.
    step: Duration,
}

impl Pace {
    pub fn new(clock: Clock, lag: Duration) -> Self {
        let millis = Duration::from_millis;
        match clock {
            // In virtual time there is one clock, and the only difference is the timer's resolution of a millisecond.
            Clock::Virtual => {
                let step = (lag / 20).max(millis(1));
                Self { lag, tolerance: millis(1), margin: millis(2), step }
            }
            Clock::Wall => {
                Self { lag, tolerance: millis(20), margin: millis(60), step: millis(20) }
            }
        }
    }

    /// When to look next at what ends at `due`.
    fn next_look(&self, now: Instant, due: Instant) -> Instant {
        let left = due.saturating_duration_since(now);
        if left <= self.margin {
            return now + self.step;
        }
        now + (left / 4).max(self.step).min(left - self.margin)
    }
}

/// A key, or a lease, whose end is waited for.
struct Waited {
    name: String,
    key: Option<Vec<u8>>,
    tie: Option<Tie>,
    hold: Hold,
    seen: Option<Instant>,
    gone: Option<Instant>,
    apart_from: Option<String>,
}

impl Waited {
    /// After this moment a look that still finds it proves it late.
    fn bound(&self, pace: &Pace) -> Instant {
        self.hold.after + self.hold.granted + pace.lag + pace.tolerance + Duration::from_millis(1)
    }

    fn expiry(self, pace: &Pace) -> Expiry {
        let from = |moment: Instant| moment - self.hold.before;
        Expiry {
            name: self.name,
            granted: self.hold.granted,
            lag: pace.lag,
            tolerance: pace.tolerance,
            gone: self.gone.map(from),
            seen: self.seen.map(from),
            request: self.hold.after - self.hold.before,
            apart_from: self.apart_from,
        }
    }
}

/// Waits until the keys are gone, or proven late; `Ok(Err(key))` names one that was never granted a time to live.
pub(super) async fn expire_keys(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    ties: &Ties,
    pace: &Pace,
    keys: &[Vec<u8>],
) -> Result<std::result::Result<Vec<Expiry>, Vec<u8>>> {
    let mut waited = Vec::new();
    for key in keys {
        let Some(hold) = ties.hold_of(key) else { return Ok(Err(key.clone())) };
        let tie = ties.now.get(key).cloned();
        let name = quote(key);
        waited.push(Waited {
            name,
            key: Some(key.clone()),
            tie,
            hold,
            seen: None,
            gone: None,
            apart_from: None,
        });
    }
    watch_go(&mut waited, pace, async |waited| look_at_keys(clients, store, waited).await).await?;
    Ok(Ok(waited.into_iter().map(|waited| waited.expiry(pace)).collect()))
}

/// Waits until the lease is gone, or proven late.
pub(super) async fn expire_lease(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    pace: &Pace,
    name: &str,
    held: Held,
) -> Result<Vec<Expiry>> {
    let name = format!("lease {name}");
    let mut waited = [Waited {
        name,
        key: None,
        tie: None,
        hold: held.hold,
        seen: None,
        gone: None,
        apart_from: None,
    }];
    let look = async |waited: &mut [Waited]| {
        let leases = store.leases().ok_or(ErrorKind::Unsupported)?;
        let start = Instant::now();
        let alive = match clients.call(leases.time_to_live(held.id)).await {
            Ok(_) => true,
            Err(error) if error.kind == ErrorKind::LeaseNotFound => false,
            Err(error) => return Err(error),
        };
        note(&mut waited[0], alive, start);
        Ok(())
    };
    watch_go(&mut waited, pace, look).await?;
    Ok(waited.map(|waited| waited.expiry(pace)).into())
}

/// Looks again and again until everything is gone or proven late.
async fn watch_go(
    waited: &mut [Waited],
    pace: &Pace,
    mut look: impl AsyncFnMut(&mut [Waited]) -> Result<()>,
) -> Result<()> {
    loop {
        look(waited).await?;
        let now = Instant::now();
        let open = waited.iter().filter(|one| {
            one.gone.is_none() && one.seen.is_none_or(|seen| seen <= one.bound(pace))
        });
        let Some(due) = open.map(|one| one.hold.before + one.hold.granted).min() else {
            return Ok(());
        };
        tokio::time::sleep_until(pace.next_look(now, due)).await;
    }
}

/// One look at all keys: a read for one, a list for several, so that all are seen at one moment.
async fn look_at_keys(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    waited: &mut [Waited],
) -> Result<()> {
    let start = Instant::now();
    let there: Vec<bool> = match waited {
        [one] => {
            let key = clients.whole(one.key.as_deref().unwrap_or_default());
            vec![clients.call(store.read(&key)).await?.is_some()]
        }
        _ => {
            let prefix = clients.prefix.clone();
            let mut keys = clients.call(store.list(&prefix)).await?;
            keys.sort_unstable();
            let found = |one: &Waited| {
                keys.binary_search(&clients.whole(one.key.as_deref().unwrap_or_default())).is_ok()
            };
            waited.iter().map(found).collect()
        }
    };
    note_apart(waited, &there);
    waited.iter_mut().zip(there).for_each(|(one, there)| note(one, there, start));
    Ok(())
}

fn note(one: &mut Waited, there: bool, start: Instant) {
    if there {
        one.seen = Some(start);
    } else {
        one.gone.get_or_insert_with(Instant::now);
    }
}

/// Notes keys of one lease of which a single list had some and not others.
fn note_apart(waited: &mut [Waited], there: &[bool]) {
    for gone in 0..waited.len() {
        let shares = |other: &usize| {
            waited[*other].tie == waited[gone].tie
                && matches!(waited[gone].tie, Some(Tie::Lease(_)))
        };
        let other = (0..waited.len()).find(|other| !there[gone] && there[*other] && shares(other));
        if let Some(other) = other {
            let name = waited[other].name.clone();
            waited[gone].apart_from.get_or_insert(name);
        }
    }
}

/// Watches that the keys stay until every time to live that they ever had is over, lag included.
pub(super) async fn survive(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    ties: &Ties,
    pace: &Pace,
    keys: &[Vec<u8>],
) -> Result<std::result::Result<Vec<Survival>, Vec<u8>>> {
    let mut until = Instant::now();
    for key in keys {
        let Some(end) = ties.last_end(key) else { return Ok(Err(key.clone())) };
        until = until.max(end + pace.lag + pace.tolerance);
    }
    let start = Instant::now();
    let mut gone = vec![None; keys.len()];
    loop {
        let look = Instant::now();
        for (key, gone) in keys.iter().zip(&mut gone) {
            let whole = clients.whole(key);
            if clients.call(store.read(&whole)).await?.is_none() {
                gone.get_or_insert_with(|| start.elapsed());
            }
        }
        if look >= until || gone.iter().all(Option::is_some) {
            break;
        }
        tokio::time::sleep_until(pace.next_look(look, until).min(until)).await;
    }
    let watched = start.elapsed();
    let survival =
        |(key, gone): (&Vec<u8>, Option<Duration>)| Survival { key: key.clone(), watched, gone };
    Ok(Ok(keys.iter().zip(gone).map(survival).collect()))
}
