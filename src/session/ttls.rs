//! TTLs: which key was granted which, and when it was seen to go, bounded on both sides.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::clients::Clients;
use crate::backend::Clock;
use crate::effect::lifetimes::{Lifetimes, Tie};
use crate::effect::{Effect, Subject};
use crate::store::{ErrorKind, LeaseId, Limits, Result, Store};
use crate::transcript::{Expiry, Survival};
use crate::words::quote_value;

/// A TTL, and the moments between which it was granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Hold {
    pub granted: Duration,
    pub before: Instant,
    pub after: Instant,
    /// Whether the store was reopened since: then all of the time may be left at any moment until it ends.
    pub is_extended: bool,
}

impl Hold {
    /// A TTL whose request began at `before` and was answered just now.
    pub fn until_now(granted: Duration, before: Instant) -> Self {
        Self { granted, before, after: Instant::now(), is_extended: false }
    }
}

/// The TTLs of a case: what every key and lease depends on, and when each TTL was granted.
#[derive(Debug, Default)]
pub(crate) struct Ttls {
    lifetimes: Lifetimes<Hold>,
    /// What the command that is under way was granted.
    granted: BTreeMap<Subject<'static>, Hold>,
    /// How many commands are over.
    commands: usize,
}

impl Ttls {
    /// Notes what a key or lease was granted, before the command that asked for it is over.
    pub fn grant(&mut self, subject: Subject<'static>, hold: Hold) {
        self.granted.insert(subject, hold);
    }

    /// Takes in what a command did.
    pub fn take(&mut self, effects: &[Effect<'_>]) {
        let granted = std::mem::take(&mut self.granted);
        let grant = |subject: &Subject<'_>| granted.get(subject).copied();
        self.lifetimes.take(self.commands, effects, &mut |subject, _| grant(subject));
        self.commands += 1;
        for effect in effects {
            if *effect == Effect::Reopened {
                self.reopened();
            }
        }
    }

    /// Notes that the store was reopened: what has not ended yet may be given its full time again from now on.
    fn reopened(&mut self) {
        let now = Instant::now();
        self.lifetimes.for_each(|hold| {
            hold.after = now;
            hold.is_extended = true;
        });
    }

    /// What every key and lease depends on.
    #[cfg(feature = "explore")]
    pub fn lifetimes(&self) -> &Lifetimes<Hold> {
        &self.lifetimes
    }

    /// The TTL of a lease.
    pub fn lease(&self, name: &str) -> Option<Hold> {
        self.lifetimes.lease(name).copied()
    }

    fn of_key(&self, key: &[u8]) -> Option<(&Tie<Hold>, Hold)> {
        let tie = self.lifetimes.ties(key).next()?;
        Some((tie, *self.lifetimes.grant(tie)?))
    }

    /// How long it may be until the first of the living keys that `is_meant` is gone, `lag` included.
    pub fn until_first_end(&self, lag: Duration, is_meant: impl Fn(&[u8]) -> bool) -> Duration {
        let now = Instant::now();
        let living = self.lifetimes.grants().filter(|(key, _)| is_meant(key));
        let ends = living.map(|(_, hold)| hold.after + hold.granted + lag);
        let left = ends.map(|end| end.saturating_duration_since(now));
        left.filter(|left| !left.is_zero()).min().unwrap_or_default()
    }

    /// The end of the last TTL that the key ever had.
    fn last_end(&self, key: &[u8]) -> Option<Instant> {
        self.lifetimes.ever(key).map(|hold| hold.after + hold.granted).max()
    }
}

/// How the runner looks at keys whose time is running out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PollSchedule {
    pub lag: Duration,
    /// How much later than its write an event may come.
    pub event_lag: Duration,
    /// How much the store's clock and the runner's may differ over the length of a script.
    pub tolerance: Duration,
    /// How long before a key's end the last look is that must still find it.
    margin: Duration,
    /// How long between looks once its end is near.
    step: Duration,
}

impl PollSchedule {
    pub fn new(clock: Clock, limits: &Limits) -> Self {
        let millis = Duration::from_millis;
        let (lag, event_lag) = (limits.expiry_lag, limits.event_lag);
        match clock {
            // In virtual time there is one clock, and the only difference is the timer's resolution of a millisecond.
            Clock::Virtual => {
                let step = (lag / 20).max(millis(1));
                Self { lag, event_lag, tolerance: millis(1), margin: millis(2), step }
            }
            Clock::Wall => {
                let [tolerance, margin, step] = [20, 60, 20].map(millis);
                Self { lag, event_lag, tolerance, margin, step }
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
    lease: Option<String>,
    hold: Hold,
    seen: Option<Instant>,
    gone: Option<Instant>,
    apart_from: Option<String>,
}

impl Waited {
    /// After this moment a look that still finds it shows it late.
    fn bound(&self, polls: &PollSchedule) -> Instant {
        self.hold.after + self.hold.granted + polls.lag + polls.tolerance + Duration::from_millis(1)
    }

    fn expiry(self, polls: &PollSchedule) -> Expiry {
        let from = |moment: Instant| moment - self.hold.before;
        Expiry {
            name: self.name,
            granted: self.hold.granted,
            lag: polls.lag,
            tolerance: polls.tolerance,
            gone: self.gone.map(from),
            seen: self.seen.map(from),
            request: self.hold.after - self.hold.before,
            apart_from: self.apart_from,
        }
    }
}

/// Waits until the keys are gone, or shown late; `Ok(Err(key))` names one that was never granted a TTL.
pub(crate) async fn expire_keys(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    ttls: &Ttls,
    polls: &PollSchedule,
    keys: &[Vec<u8>],
) -> Result<std::result::Result<Vec<Expiry>, Vec<u8>>> {
    let mut waited = Vec::new();
    for key in keys {
        let Some((tie, hold)) = ttls.of_key(key) else { return Ok(Err(key.clone())) };
        let lease = tie.lease().map(String::from);
        let name = quote_value(key);
        waited.push(Waited {
            name,
            key: Some(key.clone()),
            lease,
            hold,
            seen: None,
            gone: None,
            apart_from: None,
        });
    }
    watch_go(&mut waited, polls, async |waited| look_at_keys(clients, store, waited).await).await?;
    Ok(Ok(waited.into_iter().map(|waited| waited.expiry(polls)).collect()))
}

/// Waits until the lease is gone, or shown late.
pub(crate) async fn expire_lease(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    polls: &PollSchedule,
    name: &str,
    id: LeaseId,
    hold: Hold,
) -> Result<Vec<Expiry>> {
    let name = format!("lease {name}");
    let mut waited =
        [Waited { name, key: None, lease: None, hold, seen: None, gone: None, apart_from: None }];
    let look = async |waited: &mut [Waited]| {
        let leases = store.leases().ok_or(ErrorKind::Unsupported)?;
        let start = Instant::now();
        let alive = match clients.call(leases.time_to_live(id)).await {
            Ok(_) => true,
            Err(error) if error.kind == ErrorKind::LeaseNotFound => false,
            Err(error) => return Err(error),
        };
        note(&mut waited[0], alive, start);
        Ok(())
    };
    watch_go(&mut waited, polls, look).await?;
    Ok(waited.map(|waited| waited.expiry(polls)).into())
}

/// Looks again and again until everything is gone or shown late.
async fn watch_go(
    waited: &mut [Waited],
    polls: &PollSchedule,
    mut look: impl AsyncFnMut(&mut [Waited]) -> Result<()>,
) -> Result<()> {
    loop {
        look(waited).await?;
        let now = Instant::now();
        let open = waited.iter().filter(|one| {
            one.gone.is_none() && one.seen.is_none_or(|seen| seen <= one.bound(polls))
        });
        let Some(due) = open.map(|one| one.hold.before + one.hold.granted).min() else {
            return Ok(());
        };
        tokio::time::sleep_until(polls.next_look(now, due)).await;
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
            waited[gone].lease.is_some() && waited[*other].lease == waited[gone].lease
        };
        let other = (0..waited.len()).find(|other| !there[gone] && there[*other] && shares(other));
        if let Some(other) = other {
            let name = waited[other].name.clone();
            waited[gone].apart_from.get_or_insert(name);
        }
    }
}

/// Watches that the keys stay until every TTL that they ever had is over, lag included.
pub(crate) async fn survive(
    clients: &mut Clients<'_>,
    store: &dyn Store,
    ttls: &Ttls,
    polls: &PollSchedule,
    keys: &[Vec<u8>],
) -> Result<std::result::Result<Vec<Survival>, Vec<u8>>> {
    let mut until = Instant::now();
    for key in keys {
        let Some(end) = ttls.last_end(key) else { return Ok(Err(key.clone())) };
        until = until.max(end + polls.lag + polls.tolerance);
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
        tokio::time::sleep_until(polls.next_look(look, until).min(until)).await;
    }
    let watched = start.elapsed();
    let survival =
        |(key, gone): (&Vec<u8>, Option<Duration>)| Survival { key: key.clone(), watched, gone };
    Ok(Ok(keys.iter().zip(gone).map(survival).collect()))
}
