//! Which keys were written while a watch was open that was not read since, for stores that look up the value of an event when
//! it is delivered.

use std::collections::{BTreeMap, BTreeSet};

use super::meant::Meant;

/// The keys that were written, with the watches that were open and not read since.
#[derive(Debug, Default)]
pub(super) struct Unread(BTreeMap<Vec<u8>, BTreeSet<String>>);

impl Unread {
    /// Whether the command changes such a key again.
    pub fn is_changed_by(&self, meant: &Meant, revoked: &[Vec<u8>]) -> bool {
        let is_changed = |key: &Vec<u8>| {
            meant.written.contains(key)
                || meant.deleted.contains(key)
                || meant.deleted_prefixes.iter().any(|prefix| key.starts_with(prefix))
                || revoked.contains(key)
        };
        self.0.keys().any(is_changed)
    }

    /// Takes note of a command that was run while these watches were open.
    pub fn take(&mut self, meant: &Meant, open: &[String]) {
        let read = meant.watch.iter().filter(|_| !meant.is_one_event);
        let opened = meant.opened.iter().map(|(watch, _)| watch);
        for watch in read.chain(&meant.unwatched).chain(opened) {
            self.0.values_mut().for_each(|watches| {
                watches.remove(watch);
            });
        }
        self.0
            .extend(meant.written.iter().map(|key| (key.clone(), open.iter().cloned().collect())));
        self.0.retain(|_, watches| !watches.is_empty());
    }
}
