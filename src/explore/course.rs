//! Which command a program may go on with, so that every answer is decided on every store that is right.
//!
//! A store may take a key away at any moment between the end of its TTL and the end of its lag. A program therefore waits
//! for the end of every TTL that comes near, with `expire`, before it looks at anything again.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::meant::Meant;
use crate::command::names::Named;
use crate::command::{Command, Expire};
use crate::effect::lifetimes::{Lifetimes, Tie};
use crate::session::ttls::Hold;
use crate::words::Bytes;

/// How long before the end of a TTL a program must be done with it: what its commands may take together.
const MARGIN: Duration = Duration::from_millis(700);

/// How much later than a command that may take longer on another store the next one comes. Else what was granted before
/// and after a command that took no time here could not be distinguished.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// How long a program waits at most, which is the longest TTL that ends in it.
pub(super) const MOST_WAIT: Duration = Duration::from_secs(6);

/// What decides about the next command of a program.
#[derive(Debug)]
pub(super) struct Course {
    /// How much later than granted a key may go.
    lag: Duration,
    /// How long the program may still wait.
    left: Duration,
    /// When each of those commands ended that may take longer on another store, by the lag.
    uncertain: Vec<Instant>,
    /// The leases that are known to be gone because their end was waited for.
    over: BTreeSet<String>,
    /// What every key and lease depends on if nothing is refused, by which a script is checked that has no answers yet.
    planned: Lifetimes<()>,
    /// How many commands were run.
    commands: usize,
    /// The lease that has an id of the script's choice.
    ids: BTreeMap<String, String>,
    /// The leases whose id another one has now, so that their names are no longer theirs.
    shadowed: BTreeSet<String>,
    /// The clients that were closed.
    closed: BTreeSet<Option<String>>,
    /// The watches that began in the past and were not read since: etcd reads the past for them a moment later, and a
    /// compaction may overtake it.
    lagging: BTreeSet<String>,
    /// The watches that have events in them which may come in any order.
    mixed: BTreeSet<String>,
    pub any_order: Vec<BTreeSet<Vec<u8>>>,
}

impl Course {
    /// The course of a program that has not begun and waits for so long at most.
    pub fn new(lag: Duration, left: Duration) -> Self {
        Self {
            lag,
            left,
            uncertain: Vec::new(),
            over: BTreeSet::new(),
            planned: Lifetimes::default(),
            commands: 0,
            ids: BTreeMap::new(),
            shadowed: BTreeSet::new(),
            closed: BTreeSet::new(),
            lagging: BTreeSet::new(),
            mixed: BTreeSet::new(),
            any_order: Vec::new(),
        }
    }

    /// The command as the program may go on with it, if it may: one that waits also waits for all that would end meanwhile.
    pub fn admit(
        &self,
        lifetimes: &Lifetimes<Hold>,
        client: Option<&str>,
        command: Command,
    ) -> Option<Command> {
        let meant = Meant::of(&command);
        let leases = command.uses().into_iter().filter(|(named, _)| *named == Named::Lease);
        let mut leases = leases.collect::<Vec<_>>().into_iter();
        let is_shadowed = |(_, lease): (Named, String)| self.shadowed.contains(&lease);
        if leases.clone().any(is_shadowed) {
            return None;
        }
        let is_certain = |lease: &str| self.is_certain(lifetimes, lease);
        if meant.lease.is_none() && !leases.all(|(_, lease)| is_certain(&lease)) {
            return None;
        }
        if let Some((_, Some(id))) = &meant.granted
            && self.ids.get(id).is_some_and(|holder| !is_certain(holder))
        {
            return None;
        }
        if let Some(watch) = &meant.watch {
            // A fence is written by the client, and its event waited for.
            let is_open = !self.closed.contains(&client.map(String::from));
            let is_in_order = !meant.is_one_event || !self.mixed.contains(watch);
            return (is_open && is_in_order).then_some(command);
        }
        if meant.compacts && !self.lagging.is_empty() {
            return None;
        }
        let keys = self.ends(lifetimes, &meant)?;
        let waits = !keys.is_empty() || meant.lease.is_some() || !meant.outlasted.is_empty();
        let is_closed = self.closed.contains(&client.map(String::from));
        if waits && (is_closed || !self.is_planned(&keys, &meant)) {
            return None;
        }
        if keys.is_empty() {
            return Some(command);
        }
        let keys = keys.into_iter().map(Bytes).collect();
        Some(Command::Expire(Expire { keys, lease: None }))
    }

    /// The keys whose end must be waited for, so that the command, or that wait, leaves nothing undecided; `None` where
    /// that takes too long.
    fn ends(&self, lifetimes: &Lifetimes<Hold>, meant: &Meant) -> Option<BTreeSet<Vec<u8>>> {
        let mut keys = meant.keys.clone();
        let mut span = meant.span.unwrap_or_default();
        if let Some(lease) = &meant.lease {
            let hold = lifetimes.lease(lease)?;
            if self.over.contains(lease)
                || !self.is_certain(lifetimes, lease)
                || lifetimes.revoked_by(lease).is_some()
            {
                return None;
            }
            keys.extend(lifetimes.attached(lease).map(<[u8]>::to_vec));
            span = self.remaining(hold) + self.lag;
            self.is_affordable(self.remaining(hold))?;
        }
        for key in &meant.outlasted {
            let ends = lifetimes.ever(key).map(|hold| self.remaining(hold));
            let longest = ends.max()?;
            self.is_affordable(longest)?;
            span = span.max(longest + self.lag);
        }
        if meant.span.is_some() {
            self.is_affordable(span)?;
        }
        if meant.span.is_none() && !meant.awaits_an_end() {
            return Some(BTreeSet::new());
        }
        let all = self.lapsing(lifetimes, keys, span);
        // What survives must not be given up for another wait.
        if !meant.outlasted.is_empty() && !all.is_empty() {
            return None;
        }
        let ends = all.iter().flat_map(|key| self.remaining_of(lifetimes, key));
        match ends.max() {
            Some(last) => self.is_affordable(last).map(|()| all),
            None if all.is_empty() => Some(all),
            None => None,
        }
    }

    /// Whether the wait makes sense by what was asked for too, whatever was refused of it.
    fn is_planned(&self, keys: &BTreeSet<Vec<u8>>, meant: &Meant) -> bool {
        let planned = &self.planned;
        let can_end =
            |lease: &String| planned.lease(lease).is_some() && planned.revoked_by(lease).is_none();
        keys.iter().all(|key| planned.ties(key).next().is_some())
            && meant.lease.iter().all(can_end)
            && meant
                .outlasted
                .iter()
                .all(|key| planned.may_be_permanent(key) && planned.had_ttl(key))
    }

    fn is_affordable(&self, span: Duration) -> Option<()> {
        (span <= self.left).then_some(())
    }

    /// These keys, and all others that may end before that wait is over, or soon after.
    fn lapsing(
        &self,
        lifetimes: &Lifetimes<Hold>,
        mut keys: BTreeSet<Vec<u8>>,
        span: Duration,
    ) -> BTreeSet<Vec<u8>> {
        loop {
            let ends = keys.iter().flat_map(|key| self.remaining_of(lifetimes, key));
            let longest = ends.max().map_or(span, |last| span.max(last + self.lag));
            let before = keys.len();
            let more = lifetimes.grants().filter(|(_, hold)| !self.outlives(hold, longest));
            keys.extend(more.map(|(key, _)| key.to_vec()));
            if keys.len() == before {
                return keys;
            }
        }
    }

    fn remaining_of(&self, lifetimes: &Lifetimes<Hold>, key: &[u8]) -> Option<Duration> {
        let ends = lifetimes.ties(key).filter_map(|tie| lifetimes.grant(tie));
        ends.map(|hold| self.remaining(hold)).max()
    }

    /// How long the TTL lasts at most, on a store whose calls take no time.
    fn remaining(&self, hold: &Hold) -> Duration {
        hold.granted.saturating_sub(hold.before.elapsed())
    }

    /// Whether the TTL lasts longer than that on every store.
    fn outlives(&self, hold: &Hold, span: Duration) -> bool {
        let uncertain = self.uncertain.iter().filter(|end| **end > hold.before).count();
        let ran = hold.before.elapsed() + self.lag * u32::try_from(uncertain).unwrap_or(u32::MAX);
        ran + span + MARGIN < hold.granted
    }

    /// The keys whose end may be waited for.
    pub fn ending_keys(&self, lifetimes: &Lifetimes<Hold>) -> Vec<Vec<u8>> {
        let is_soon = |hold: &Hold| self.remaining(hold) <= self.left;
        let keys = lifetimes.grants().filter(|(_, hold)| is_soon(hold));
        keys.map(|(key, _)| key.to_vec()).collect()
    }

    /// The leases without keys whose end may be waited for.
    pub fn ending_leases(&self, lifetimes: &Lifetimes<Hold>) -> Vec<String> {
        let is_soon = |lease: &str, hold: &Hold| {
            self.remaining(hold) <= self.left
                && !self.over.contains(lease)
                && !self.shadowed.contains(lease)
                && self.outlives(hold, Duration::ZERO)
                && lifetimes.attached(lease).next().is_none()
        };
        let leases = lifetimes.leases().filter(|(lease, hold)| is_soon(lease, hold));
        leases.map(|(lease, _)| lease.into()).collect()
    }

    /// Whether the lease is there, or not there, on every store.
    fn is_certain(&self, lifetimes: &Lifetimes<Hold>, lease: &str) -> bool {
        let Some(hold) = lifetimes.lease(lease) else { return true };
        let is_gone = self.over.contains(lease)
            || lifetimes.revoked_by(lease).is_some()
            || hold.before.elapsed() > hold.granted + self.lag + MARGIN;
        is_gone || self.outlives(hold, Duration::ZERO)
    }

    /// Takes note of a command before it is run: in which groups the ends come that it waits for.
    pub fn begin(&mut self, lifetimes: &Lifetimes<Hold>, command: &Command, open: &[String]) {
        let keys = Meant::of(command).keys;
        let mut ends: BTreeMap<(Duration, Vec<u8>), BTreeSet<Vec<u8>>> = BTreeMap::new();
        for key in keys {
            let Some(tie) = lifetimes.ties(&key).next() else { continue };
            let Some(hold) = lifetimes.grant(tie) else { continue };
            let owner = match tie {
                Tie::Ttl(_) => key.clone(),
                Tie::Lease(lease) => {
                    self.over.insert(lease.clone());
                    [b"lease ", lease.as_bytes()].concat()
                }
            };
            ends.entry((self.remaining(hold), owner)).or_default().insert(key);
        }
        let ends: Vec<_> = ends.into_iter().collect();
        let is_close = |one: &((Duration, _), _), next: &((Duration, _), _)| {
            next.0.0 - one.0.0 < self.lag + MARGIN
        };
        let groups = ends.chunk_by(is_close).filter(|group| group.len() > 1);
        let groups: Vec<BTreeSet<_>> =
            groups.map(|group| group.iter().flat_map(|(_, keys)| keys.clone()).collect()).collect();
        if !groups.is_empty() {
            self.mixed.extend(open.iter().cloned());
        }
        self.any_order.extend(groups);
    }

    /// Takes note of a command that was run.
    pub fn end(&mut self, client: Option<&str>, command: &Command, took: Duration, is_done: bool) {
        self.left = self.left.saturating_sub(took);
        self.planned.take(self.commands, &command.effects(None), &mut |_, _| Some(()));
        self.commands += 1;
        let meant = Meant::of(command);
        if meant.awaits_an_end() {
            self.uncertain.push(Instant::now() + TICK);
        }
        self.over.extend(meant.lease);
        if let Some((lease, Some(id))) = meant.granted.filter(|_| is_done) {
            self.shadowed.extend(self.ids.insert(id, lease));
        }
        if meant.closes {
            self.closed.insert(client.map(String::from));
        }
        if let Some(watch) = meant.watch.filter(|_| !meant.is_one_event) {
            self.mixed.remove(&watch);
            self.lagging.remove(&watch);
        }
        if let Some(watch) = meant.unwatched {
            self.lagging.remove(&watch);
        }
        if let Some((watch, is_past)) = meant.opened {
            self.open(watch, is_past);
        }
    }

    /// Takes note of a watch that was opened.
    fn open(&mut self, watch: String, is_past: bool) {
        let sets = [
            (&mut self.mixed, is_past && !self.any_order.is_empty()),
            (&mut self.lagging, is_past),
        ];
        for (set, is_of) in sets {
            if is_of {
                set.insert(watch.clone());
            } else {
                set.remove(&watch);
            }
        }
    }
}
