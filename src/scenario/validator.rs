//! Refuses scripts whose commands make no sense one after another, so that no store is blamed for them.

use std::collections::BTreeMap;

use crate::command::names::Named;
use crate::command::{Command, NO_LEASES};
use crate::effect::lifetimes::Lifetimes;
use crate::effect::{Effect, Passing, Subject, WatchChange};
use crate::words::quote;

/// Finds the first command that makes no sense after those before it: its place, and why. `texts` are the commands as the
/// script writes them.
pub(super) fn validate(commands: &[Command], texts: &[&str]) -> Result<(), (usize, String)> {
    let mut validator = Validator { texts, ..Validator::default() };
    for (index, command) in commands.iter().enumerate() {
        validator.take(index, command).map_err(|reason| (index, reason))?;
    }
    match validator.under_way.pop_first() {
        None => Ok(()),
        Some((name, index)) => Err((
            index,
            format!(
                "the fill '{name}' is never joined, so its failure would go unnoticed: add 'join {name}'"
            ),
        )),
    }
}

/// What the commands so far have left behind.
#[derive(Debug, Default)]
struct Validator<'a> {
    texts: &'a [&'a str],
    lifetimes: Lifetimes<()>,
    /// The names that were given, in that order.
    names: Vec<(Named, String)>,
    /// The fills that were not joined yet, and the place of each.
    under_way: BTreeMap<String, usize>,
    /// Every watch, and the place of the command that ended it, if one did.
    watches: BTreeMap<String, Option<usize>>,
}

impl Validator<'_> {
    fn take(&mut self, index: usize, command: &Command) -> Result<(), String> {
        command.check()?;
        for (named, name) in command.uses() {
            self.use_name(named, &name)?;
        }
        let effects = command.effects(None);
        effects.iter().try_for_each(|effect| self.check(effect))?;
        effects.iter().for_each(|effect| self.note_watches(index, effect));
        self.lifetimes.take(index, &effects, &mut |_, _| Some(()));
        command.makes().map_or(Ok(()), |(named, name)| self.make_name(index, named, name))
    }

    fn use_name(&mut self, named: Named, name: &str) -> Result<(), String> {
        let given = self.names.iter().filter(|(of, _)| *of == named).map(|(_, name)| name.as_str());
        let given: Vec<_> = given.collect();
        let is_no_lease = named == Named::Lease && NO_LEASES.contains(&name);
        if !is_no_lease && !given.contains(&name) {
            let before = match given.as_slice() {
                [] => format!("there is no {named} before this line"),
                given => format!("expected one of {}", given.join(", ")),
            };
            return Err(format!("unknown {named} '{name}': {before}"));
        }
        match (named, self.watches.get(name)) {
            (Named::Watch, Some(Some(by))) => {
                let by = self.texts[*by].split(' ').next().unwrap_or_default();
                Err(format!("the watch '{name}' was ended by {by}"))
            }
            (Named::Fill, _) if self.under_way.remove(name).is_none() => {
                Err(format!("the fill '{name}' was joined before"))
            }
            (Named::Watch | Named::Fill | Named::Lease | Named::Mark, _) => Ok(()),
        }
    }

    fn make_name(&mut self, index: usize, named: Named, name: String) -> Result<(), String> {
        match named {
            Named::Lease if NO_LEASES.contains(&name.as_str()) => {
                return Err(format!(
                    "invalid lease name '{name}': it is reserved for a lease that was never granted; use another name"
                ));
            }
            Named::Lease if self.names.contains(&(named, name.clone())) => {
                return Err(format!(
                    "a lease called '{name}' was granted before: use another name, because keys may be attached to the first"
                ));
            }
            Named::Fill if self.under_way.insert(name.clone(), index).is_some() => {
                return Err(format!("a fill called '{name}' is under way: join it first"));
            }
            Named::Lease | Named::Fill | Named::Watch | Named::Mark => {}
        }
        if !self.names.contains(&(named, name.clone())) {
            self.names.push((named, name));
        }
        Ok(())
    }

    /// Refuses an effect that cannot be meant here.
    fn check(&self, effect: &Effect<'_>) -> Result<(), String> {
        match effect {
            Effect::Passed(Passing::AwaitedEnd(Subject::Key(key))) => self.can_end(key),
            Effect::Passed(Passing::AwaitedEnd(Subject::Lease(lease))) => self.can_end_lease(lease),
            Effect::Passed(Passing::Outlasted(key)) => self.can_outlast(key),
            Effect::Reopened => self.under_way.keys().next().map_or(Ok(()), |fill| {
                Err(format!("the fill '{fill}' is under way: join it before the store is reopened"))
            }),
            Effect::Passed(
                Passing::AwaitedEnd(Subject::Fill(_) | Subject::Watch(_))
                | Passing::Waited(_)
                | Passing::TookItsTime
                | Passing::AwaitedEvent(_),
            )
            | Effect::Changed(_)
            | Effect::Watched(_)
            | Effect::Closed
            | Effect::Saw(..)
            | Effect::Refused(..)
            | Effect::Either(..) => Ok(()),
        }
    }

    /// A key whose end is waited for must have a TTL; after a transaction, on one branch at least.
    fn can_end(&self, key: &[u8]) -> Result<(), String> {
        if self.lifetimes.ties(key).next().is_some() {
            return Ok(());
        }
        let after = self.lifetimes.decided_by(key).map(|by| format!(" after '{}'", self.texts[by]));
        Err(format!(
            "{} has no TTL here that could expire{}: write it with ttl= or lease= before",
            quote(key),
            after.unwrap_or_default()
        ))
    }

    fn can_end_lease(&self, lease: &str) -> Result<(), String> {
        if self.lifetimes.lease(lease).is_none() {
            return Err(format!("no lease is called '{lease}' that was granted before this line"));
        }
        self.lifetimes.revoked_by(lease).map_or(Ok(()), |by| {
            Err(format!("the lease '{lease}' cannot expire after '{}'", self.texts[by]))
        })
    }

    fn can_outlast(&self, key: &[u8]) -> Result<(), String> {
        let name = quote(key);
        if !self.lifetimes.may_be_permanent(key) {
            return Err(format!("{name} has a TTL here and must not survive it: use expire"));
        }
        match self.lifetimes.had_ttl(key) {
            true => Ok(()),
            false => Err(format!(
                "{name} never had a TTL that it could survive: write it with ttl= or lease= before"
            )),
        }
    }

    fn note_watches(&mut self, index: usize, effect: &Effect<'_>) {
        match effect {
            Effect::Watched(WatchChange::Opened { watch: Subject::Watch(name), .. }) => {
                self.watches.insert(name.to_string(), None);
            }
            Effect::Watched(WatchChange::Closed(Subject::Watch(name))) => {
                self.watches.insert(name.to_string(), Some(index));
            }
            Effect::Reopened => {
                let open = self.watches.values_mut().filter(|ended| ended.is_none());
                open.for_each(|ended| *ended = Some(index));
            }
            Effect::Watched(_)
            | Effect::Changed(_)
            | Effect::Closed
            | Effect::Passed(_)
            | Effect::Saw(..)
            | Effect::Refused(..)
            | Effect::Either(..) => {}
        }
    }
}
