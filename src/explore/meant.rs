//! What a command means to the course of a program: what it waits for, what its answer says, and what it leaves behind.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::command::Command;
use crate::effect::{Effect, Passing, Sight, StateChange, Subject, WatchChange};

/// What a command waits for, what its answer says, and what it leaves behind.
#[derive(Debug, Default)]
pub(super) struct Meant {
    /// For how long it waits.
    pub span: Option<Duration>,
    /// The keys whose end it waits for.
    pub keys: BTreeSet<Vec<u8>>,
    /// The lease whose end it waits for.
    pub lease: Option<String>,
    /// The keys that it watches to stay.
    pub outlasted: Vec<Vec<u8>>,
    /// The watch whose events it gives.
    pub watch: Option<String>,
    /// Whether it gives one event of it and leaves the others.
    pub is_one_event: bool,
    /// The watch that it opens, and whether that begins in the past.
    pub opened: Option<(String, bool)>,
    /// The watch that it ends.
    pub unwatched: Option<String>,
    /// The lease that it asks for, and the id of the script's choice.
    pub granted: Option<(String, Option<String>)>,
    /// The lease that it revokes.
    pub revoked: Option<String>,
    /// The keys that it writes, as far as it does so in any case.
    pub written: Vec<Vec<u8>>,
    /// The keys that it deletes in any case.
    pub deleted: Vec<Vec<u8>>,
    /// The prefixes whose keys it deletes in any case.
    pub deleted_prefixes: Vec<Vec<u8>>,
    /// Whether it forgets the past.
    pub compacts: bool,
    /// Whether it closes its client.
    pub closes: bool,
}

impl Meant {
    /// What it means whatever the store answers.
    pub fn of(command: &Command) -> Self {
        let mut meant = Self::default();
        command.effects(None).iter().for_each(|effect| meant.take(effect));
        meant
    }

    fn take(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Passed(passing) => self.pass(passing),
            Effect::Changed(change) => self.change(change),
            Effect::Saw(Sight::Watch(watch), _) => self.watch = Some((*watch).into()),
            Effect::Watched(WatchChange::Opened {
                watch: Subject::Watch(watch),
                is_from_revision,
                ..
            }) => self.opened = Some((watch.to_string(), *is_from_revision)),
            Effect::Watched(WatchChange::Closed(Subject::Watch(watch))) => {
                self.unwatched = Some(watch.to_string());
            }
            Effect::Closed => self.closes = true,
            Effect::Watched(WatchChange::Opened { .. } | WatchChange::Closed(_))
            | Effect::Reopened
            | Effect::Saw(..)
            | Effect::Refused(..)
            | Effect::Either(..) => {}
        }
    }

    fn pass(&mut self, passing: &Passing<'_>) {
        match passing {
            Passing::Waited(span) => self.span = Some(*span),
            Passing::AwaitedEnd(Subject::Key(key)) => {
                self.keys.insert(key.to_vec());
            }
            Passing::AwaitedEnd(Subject::Lease(lease)) => self.lease = Some(lease.to_string()),
            Passing::Outlasted(key) => self.outlasted.push(key.to_vec()),
            Passing::AwaitedEvent(_) => self.is_one_event = true,
            Passing::AwaitedEnd(Subject::Fill(_) | Subject::Watch(_)) | Passing::TookItsTime => {}
        }
    }

    fn change(&mut self, change: &StateChange<'_>) {
        match change {
            StateChange::Granted(lease, _, id) => {
                self.granted = Some(((*lease).into(), id.map(String::from)));
            }
            StateChange::Compacted(_) => self.compacts = true,
            StateChange::Revoked(lease) => self.revoked = Some((*lease).into()),
            StateChange::Wrote(keys, ..) => self.written.extend(keys.each()),
            StateChange::Deleted(key) => self.deleted.push(key.to_vec()),
            StateChange::DeletedPrefix(prefix) => self.deleted_prefixes.push(prefix.to_vec()),
            StateChange::Renewed(..) => {}
        }
    }

    /// Whether it waits for the end of anything.
    pub fn awaits_an_end(&self) -> bool {
        !self.keys.is_empty() || self.lease.is_some() || !self.outlasted.is_empty()
    }
}
