//! What the life of every key and lease depends on: one fold over the effects of commands, used by every part that needs it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Effect, Keys, Lifetime, Passing, StateChange, Subject};

/// What the life of a key depends on.
#[derive(Debug, Clone, PartialEq)]
pub enum Tie<G> {
    /// A TTL of its own.
    Ttl(G),
    /// A lease of the script.
    Lease(String),
}

impl<G> Tie<G> {
    /// The lease, if it is one.
    pub fn lease(&self) -> Option<&str> {
        match self {
            Self::Ttl(_) => None,
            Self::Lease(name) => Some(name),
        }
    }
}

/// What every key and lease depends on, after some commands. `G` is what is known of the grant of a TTL.
#[derive(Debug, Clone)]
pub struct Lifetimes<G> {
    leases: BTreeMap<String, Held<G>>,
    keys: BTreeMap<Vec<u8>, State<G>>,
    /// Every TTL and lease that a key ever had.
    ever: BTreeMap<Vec<u8>, Vec<Tie<G>>>,
}

/// A lease, and the command that decided about it last.
#[derive(Debug, Clone)]
struct Held<G> {
    grant: Option<G>,
    is_revoked: bool,
    by: usize,
}

/// What a key may depend on, of which `None` is nothing: several where only an answer would say which. And the command
/// that came last.
#[derive(Debug, Clone)]
struct State<G> {
    ties: Vec<Option<Tie<G>>>,
    by: usize,
}

impl<G> Default for Lifetimes<G> {
    fn default() -> Self {
        Self { leases: BTreeMap::new(), keys: BTreeMap::new(), ever: BTreeMap::new() }
    }
}

impl<G: Clone + PartialEq> Lifetimes<G> {
    /// Takes in the effects of a command, whose place in the script is `by`. `grant` makes what is known of a TTL that
    /// was granted to a key or lease just now; if it is `None` there is no such TTL.
    pub fn take(
        &mut self,
        by: usize,
        effects: &[Effect<'_>],
        grant: &mut dyn FnMut(&Subject<'_>, Option<Duration>) -> Option<G>,
    ) {
        for effect in effects {
            self.take_one(by, effect, grant);
        }
    }

    fn take_one(
        &mut self,
        by: usize,
        effect: &Effect<'_>,
        grant: &mut dyn FnMut(&Subject<'_>, Option<Duration>) -> Option<G>,
    ) {
        match effect {
            Effect::Changed(change) => self.change(by, change, grant),
            Effect::Passed(Passing::AwaitedEnd(Subject::Key(key))) => self.set(by, key, None),
            Effect::Either(then, otherwise) => {
                let mut other = self.clone();
                self.take(by, then, grant);
                other.take(by, otherwise, grant);
                self.join(other);
            }
            Effect::Passed(_)
            | Effect::Watched(_)
            | Effect::Closed
            | Effect::Reopened
            | Effect::Saw(..)
            | Effect::Refused(..) => {}
        }
    }

    fn change(
        &mut self,
        by: usize,
        change: &StateChange<'_>,
        grant: &mut dyn FnMut(&Subject<'_>, Option<Duration>) -> Option<G>,
    ) {
        match change {
            StateChange::Wrote(keys, _, lifetime) => self.write(by, keys, lifetime, grant),
            StateChange::Deleted(key) => self.set(by, key, None),
            StateChange::DeletedPrefix(prefix) => {
                self.clear(by, |key, _| key.starts_with(prefix));
            }
            StateChange::Granted(name, ttl, _) => {
                let granted = grant(&Subject::Lease((*name).into()), Some(*ttl));
                self.leases.insert((*name).into(), Held { grant: granted, is_revoked: false, by });
            }
            StateChange::Renewed(name, ttl) => {
                let Some(held) = self.leases.get_mut(*name) else { return };
                if let Some(renewed) = grant(&Subject::Lease((*name).into()), *ttl) {
                    *held = Held { grant: Some(renewed), is_revoked: false, by };
                }
            }
            StateChange::Revoked(name) => {
                self.clear(by, |_, tie| matches!(tie, Tie::Lease(lease) if lease == name));
                if let Some(held) = self.leases.get_mut(*name) {
                    (held.is_revoked, held.by) = (true, by);
                }
            }
            StateChange::Compacted(_) => {}
        }
    }

    fn write(
        &mut self,
        by: usize,
        keys: &Keys<'_>,
        lifetime: &Lifetime<'_>,
        grant: &mut dyn FnMut(&Subject<'_>, Option<Duration>) -> Option<G>,
    ) {
        for key in keys.each() {
            let tie = match lifetime {
                Lifetime::Permanent => None,
                Lifetime::Ttl(ttl) => grant(&Subject::key(&key), Some(*ttl)).map(Tie::Ttl),
                // An id that was never granted is refused, and changes nothing.
                Lifetime::Lease(name) if !self.leases.contains_key(name.as_ref()) => continue,
                Lifetime::Lease(name) => Some(Tie::Lease(name.to_string())),
            };
            self.ever.entry(key.clone()).or_default().extend(tie.clone());
            self.set(by, &key, tie);
        }
    }

    fn set(&mut self, by: usize, key: &[u8], tie: Option<Tie<G>>) {
        self.keys.insert(key.into(), State { ties: vec![tie], by });
    }

    /// Ends what `is_meant` of the keys that depend on something.
    fn clear(&mut self, by: usize, is_meant: impl Fn(&[u8], &Tie<G>) -> bool) {
        for (key, state) in &mut self.keys {
            let is_meant = |tie: &Tie<G>| is_meant(key, tie);
            for tie in state.ties.iter_mut().filter(|tie| tie.as_ref().is_some_and(is_meant)) {
                *tie = None;
                state.by = by;
            }
        }
    }

    /// Takes in what else may have happened.
    fn join(&mut self, other: Self) {
        for (key, state) in other.keys {
            let own = self.keys.entry(key).or_insert(State { ties: vec![None], by: state.by });
            own.by = own.by.max(state.by);
            for tie in state.ties {
                if !own.ties.contains(&tie) {
                    own.ties.push(tie);
                }
            }
        }
        for (key, ties) in other.ever {
            self.ever.entry(key).or_default().extend(ties);
        }
    }

    /// What the key may depend on, if on anything.
    pub fn ties(&self, key: &[u8]) -> impl Iterator<Item = &Tie<G>> {
        self.keys.get(key).into_iter().flat_map(|state| state.ties.iter().flatten())
    }

    /// Whether the key may depend on nothing: it is gone, or stays.
    pub fn may_be_permanent(&self, key: &[u8]) -> bool {
        self.keys.get(key).is_none_or(|state| state.ties.contains(&None))
    }

    /// The place of the command that last decided about the key.
    pub fn decided_by(&self, key: &[u8]) -> Option<usize> {
        self.keys.get(key).map(|state| state.by)
    }

    /// Where the lease was revoked: the place of the command.
    pub fn revoked_by(&self, lease: &str) -> Option<usize> {
        self.leases.get(lease).filter(|held| held.is_revoked).map(|held| held.by)
    }

    /// The last grant of a lease, revoked or not.
    pub fn lease(&self, name: &str) -> Option<&G> {
        self.leases.get(name)?.grant.as_ref()
    }

    /// The leases that were not revoked.
    pub fn leases(&self) -> impl Iterator<Item = (&str, &G)> {
        let held = self.leases.iter().filter(|(_, held)| !held.is_revoked);
        held.filter_map(|(name, held)| Some((name.as_str(), held.grant.as_ref()?)))
    }

    /// The keys that are attached to a lease.
    pub fn attached(&self, lease: &str) -> impl Iterator<Item = &[u8]> {
        let is_meant =
            move |tie: &Option<Tie<G>>| matches!(tie, Some(Tie::Lease(name)) if name == lease);
        let keys = self.keys.iter().filter(move |(_, state)| state.ties.iter().any(is_meant));
        keys.map(|(key, _)| key.as_slice())
    }

    /// Every key that may depend on a TTL, with its own one or its lease's.
    pub fn grants(&self) -> impl Iterator<Item = (&[u8], &G)> {
        let keys = self.keys.keys();
        keys.flat_map(|key| {
            self.ties(key).filter_map(|tie| Some((key.as_slice(), self.grant(tie)?)))
        })
    }

    /// The keys that have a TTL of their own, with it.
    pub fn own(&self) -> impl Iterator<Item = (&[u8], &G)> {
        let keys = self.keys.keys();
        keys.flat_map(|key| {
            self.ties(key).filter_map(|tie| match tie {
                Tie::Ttl(grant) => Some((key.as_slice(), grant)),
                Tie::Lease(_) => None,
            })
        })
    }

    /// The grant of a TTL or lease.
    pub fn grant<'a>(&'a self, tie: &'a Tie<G>) -> Option<&'a G> {
        match tie {
            Tie::Ttl(grant) => Some(grant),
            Tie::Lease(name) => self.lease(name),
        }
    }

    /// Every TTL that the key ever had, its own and those of its leases.
    pub fn ever(&self, key: &[u8]) -> impl Iterator<Item = &G> {
        self.ever.get(key).into_iter().flatten().filter_map(|tie| self.grant(tie))
    }

    /// Whether the key ever had a TTL.
    pub fn had_ttl(&self, key: &[u8]) -> bool {
        self.ever.get(key).is_some_and(|ties| !ties.is_empty())
    }

    /// Changes every grant.
    pub fn for_each(&mut self, mut change: impl FnMut(&mut G)) {
        self.leases.values_mut().filter_map(|held| held.grant.as_mut()).for_each(&mut change);
        let now = self.keys.values_mut().flat_map(|state| state.ties.iter_mut().flatten());
        for tie in now.chain(self.ever.values_mut().flatten()) {
            match tie {
                Tie::Ttl(grant) => change(grant),
                Tie::Lease(_) => {}
            }
        }
    }
}
