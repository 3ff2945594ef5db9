//! Refuses scripts whose commands make no sense one after another, so that no store is blamed for them.

use std::collections::{BTreeMap, BTreeSet};

use super::command::Command;
use super::command::{NO_LEASES, watch_name};
use super::txn::{OpScript, TxnScript};

/// Finds the first command that makes no sense after those before it: its place, and why.
pub(super) fn nonsense(commands: &[Command]) -> Option<(usize, String)> {
    let mut sense = Sense::default();
    for (index, command) in commands.iter().enumerate() {
        if let Err(reason) = sense.take(command) {
            return Some((index, reason));
        }
        if let Command::Fill { name: Some(name), .. } = command {
            sense.fills.insert(name.clone(), index);
        }
    }
    let (name, index) = sense.fills.pop_first()?;
    Some((
        index,
        format!(
            "the fill '{name}' is never joined, so nobody would learn that it failed: add 'join {name}'"
        ),
    ))
}

/// What the commands so far have left behind.
#[derive(Debug, Default)]
struct Sense {
    leases: BTreeSet<String>,
    fills: BTreeMap<String, usize>,
    ended_watches: BTreeSet<String>,
    /// The keys with a time to live, and the lease that each hangs on, if it does.
    mortal: BTreeMap<Vec<u8>, Option<String>>,
    /// What the keys of fills with a time to live begin with.
    filled: BTreeMap<Vec<u8>, Option<String>>,
    /// The keys that ever had one.
    ever: BTreeSet<Vec<u8>>,
}

impl Sense {
    fn take(&mut self, command: &Command) -> Result<(), String> {
        match command {
            Command::Update { key, ttl: None, lease, .. } => self.write(&key.0, lease.as_ref()),
            Command::Update { key, ttl: Some(_), .. } => self.make_mortal(&key.0, None),
            Command::Delete { key } => self.make_permanent(&key.0),
            Command::Txn { words } => self.take_txn(words),
            Command::Fill { name, ttl, lease, key, .. } => {
                self.fill(name.as_ref(), ttl.is_some() || lease.is_some())?;
                if ttl.is_some() || lease.is_some() {
                    self.filled.insert(key.0.clone(), lease.clone());
                }
            }
            Command::Join { fill } => self.join(fill)?,
            Command::Lease { name, .. } => self.lease(name)?,
            Command::Revoke { lease } => {
                self.mortal.retain(|_, hangs_on| hangs_on.as_ref() != Some(lease));
                self.filled.retain(|_, hangs_on| hangs_on.as_ref() != Some(lease));
            }
            Command::Expire { keys, .. } => keys.iter().try_for_each(|key| self.expire(&key.0))?,
            Command::Survive { keys } => keys.iter().try_for_each(|key| self.survive(&key.0))?,
            Command::Watch { name, .. } => {
                self.ended_watches.remove(&watch_name(name));
            }
            Command::Unwatch { watch } => {
                self.watch(watch)?;
                self.ended_watches.insert(watch.clone());
            }
            Command::Next { watch } | Command::Events { watch, .. } => self.watch(watch)?,
            _ => {}
        }
        Ok(())
    }

    fn write(&mut self, key: &[u8], lease: Option<&String>) {
        match lease {
            Some(lease) if NO_LEASES.contains(&lease.as_str()) => {}
            Some(lease) => self.make_mortal(key, Some(lease.clone())),
            None => self.make_permanent(key),
        }
    }

    fn make_mortal(&mut self, key: &[u8], lease: Option<String>) {
        self.mortal.insert(key.into(), lease);
        self.ever.insert(key.into());
    }

    fn make_permanent(&mut self, key: &[u8]) {
        self.mortal.remove(key);
    }

    fn take_txn(&mut self, words: &[String]) {
        let Ok(script) = TxnScript::parse(words) else { return };
        for op in script.then.iter().chain(&script.otherwise) {
            if let OpScript::Put(key, _, Some(lease)) = op {
                self.write(&key.0, Some(lease));
            }
        }
    }

    fn is_filled(&self, key: &[u8]) -> bool {
        self.filled.keys().any(|start| key.starts_with(start))
    }

    fn expire(&mut self, key: &[u8]) -> Result<(), String> {
        if self.mortal.remove(key).is_some() || self.is_filled(key) {
            return Ok(());
        }
        let key = super::words::quote(key);
        Err(format!(
            "{key} has no time to live here that could end: write it with ttl= or lease= before"
        ))
    }

    fn survive(&mut self, key: &[u8]) -> Result<(), String> {
        let name = super::words::quote(key);
        if self.mortal.contains_key(key) {
            return Err(format!(
                "{name} has a time to live here and must not survive it: use expire"
            ));
        }
        if self.ever.contains(key) || self.is_filled(key) {
            return Ok(());
        }
        Err(format!(
            "{name} never had a time to live that it could survive: write it with ttl= or lease= before"
        ))
    }

    fn lease(&mut self, name: &str) -> Result<(), String> {
        if NO_LEASES.contains(&name) {
            return Err(format!(
                "'{name}' stands for a lease that was never granted: take another name"
            ));
        }
        if self.leases.insert(name.into()) {
            return Ok(());
        }
        Err(format!(
            "a lease called '{name}' was granted before: take another name, for keys may hang on the first"
        ))
    }

    fn fill(&mut self, name: Option<&String>, is_mortal: bool) -> Result<(), String> {
        let Some(name) = name else { return Ok(()) };
        if self.fills.contains_key(name) {
            return Err(format!("a fill called '{name}' is under way: join it first"));
        }
        if is_mortal {
            return Err("as= goes with neither ttl= nor lease=: nobody could tell when the time of its keys began".into());
        }
        Ok(())
    }

    fn join(&mut self, name: &str) -> Result<(), String> {
        self.fills
            .remove(name)
            .map(drop)
            .ok_or_else(|| format!("the fill '{name}' was joined before"))
    }

    fn watch(&self, name: &str) -> Result<(), String> {
        if self.ended_watches.contains(name) {
            return Err(format!("the watch '{name}' was ended by unwatch"));
        }
        Ok(())
    }
}
