//! One run of a scenario: what it holds, and how it is opened and left.

pub(crate) mod abort;
pub(crate) mod cleanup;
pub(crate) mod clients;
pub(crate) mod extensions;
pub(crate) mod fill;
pub(crate) mod marks;
pub(crate) mod meter;
pub(crate) mod panics;
pub(crate) mod reader;
pub(crate) mod ttls;
pub(crate) mod watches;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use self::abort::Abort;
use self::cleanup::{Traces, Unclean};
use self::clients::Clients;
use self::fill::Running;
use self::marks::Marks;
use self::meter::Meter;
use self::ttls::{PollSchedule, Ttls};
use self::watches::Watches;
use crate::backend::{Backend, Ending, Instance};
use crate::effect::{Effect, StateChange, Written};
use crate::store::{LeaseId, Result};
use crate::transcript::{Answer, End};

/// Keys that were written, as they come.
pub(crate) type Noted = Arc<Mutex<BTreeSet<Vec<u8>>>>;

/// What holds for every case of a run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How long one call of a store may take.
    pub deadline: Duration,
    /// The switch that ends the case early.
    pub abort: Abort,
    /// What measures how long calls take.
    pub meter: Meter,
}

impl Default for Settings {
    /// Ten seconds a call: far more than any store needs, and soon enough to learn of one that hangs.
    fn default() -> Self {
        Self { deadline: Duration::from_secs(10), abort: Abort::new(), meter: Meter::new() }
    }
}

/// One run of a scenario: its clients, watches and TTLs, and what it wrote.
pub(crate) struct Session<'a> {
    pub clients: Clients<'a>,
    pub watches: Watches,
    pub ttls: Ttls,
    pub marks: Marks,
    /// The ids of the leases that were granted, by the names of the leases.
    pub leases: BTreeMap<String, LeaseId>,
    /// The lease ids that a script calls by a name.
    pub ids: BTreeMap<String, LeaseId>,
    pub polls: PollSchedule,
    pub fills: BTreeMap<String, Running>,
    pub traces: Traces,
    /// Whether others use the store too, so that what the case wrote must be taken away.
    is_shared: bool,
}

impl<'a> Session<'a> {
    /// Opens the first client, and with it the case's own prefix. `are_unread`: whether watches are read only when the
    /// script asks; `max_wait`: how long the script waits.
    pub async fn open(
        instance: &'a dyn Instance,
        backend: &dyn Backend,
        settings: &Settings,
        are_unread: bool,
        max_wait: Duration,
    ) -> std::result::Result<Self, End> {
        let clients = Clients::open_first(instance, backend, settings, max_wait).await?;
        Ok(Self {
            clients,
            watches: Watches::new(are_unread),
            ttls: Ttls::default(),
            marks: Marks::default(),
            leases: BTreeMap::new(),
            ids: BTreeMap::new(),
            polls: PollSchedule::new(backend.clock(), &backend.limits()),
            fills: BTreeMap::new(),
            traces: Traces::default(),
            is_shared: backend.is_shared(),
        })
    }

    /// Notes the keys that a command may write, before it does: they must be taken away again.
    pub fn note_keys(&mut self, effects: &[Effect<'_>]) {
        for effect in effects {
            match effect {
                // Races note their keys themselves, and a directory cannot be deleted as a key is.
                Effect::Changed(StateChange::Wrote(
                    _,
                    Written::Directory | Written::Race(_),
                    _,
                )) => {}
                Effect::Changed(StateChange::Wrote(keys, ..)) => {
                    let keys = keys.each().into_iter().map(|key| self.clients.whole(&key));
                    self.traces.keys.extend(keys);
                }
                Effect::Either(then, otherwise) => {
                    self.note_keys(then);
                    self.note_keys(otherwise);
                }
                Effect::Changed(
                    StateChange::Deleted(_)
                    | StateChange::DeletedPrefix(_)
                    | StateChange::Granted(..)
                    | StateChange::Renewed(..)
                    | StateChange::Revoked(_)
                    | StateChange::Compacted(_),
                )
                | Effect::Watched(_)
                | Effect::Closed
                | Effect::Reopened
                | Effect::Passed(_)
                | Effect::Saw(..)
                | Effect::Refused(..) => {}
            }
        }
    }

    /// The id of a lease of the script, or one that no store granted.
    pub fn lease_id(&self, name: &str) -> LeaseId {
        match name {
            "zero" => 0,
            "negative" => -5,
            name => self.leases.get(name).copied().unwrap_or(i64::MAX - 5),
        }
    }

    /// The number behind an id that the script calls by a name: positive, and no one else's.
    pub fn chosen_id(&mut self, name: &str) -> LeaseId {
        let drawn = || LeaseId::try_from(clients::random() >> 2).unwrap_or(1).max(1);
        *self.ids.entry(name.into()).or_insert_with(drawn)
    }

    /// Reopens the store. Watches end, and clients are opened anew when they are next named.
    pub async fn reopen(&mut self, ending: Ending) -> Result<Answer> {
        if let Err(panic) = self.watches.reopen().await {
            return Ok(Answer::Panic(panic));
        }
        self.clients.reopen(ending).await?;
        Ok(Answer::Done)
    }

    /// Ends what is under way, and takes away what was written, unless the store goes with the case.
    pub async fn clean_up(
        &mut self,
        limit: impl Future<Output = ()>,
    ) -> std::result::Result<(), Unclean> {
        for running in std::mem::take(&mut self.fills).into_values() {
            running.abort();
            let _ = running.await;
        }
        // A watch whose pending read keeps others waiting must not keep the deletions waiting too.
        let ended = self.watches.close_all().await.map_err(Unclean::Panicked);
        if !self.is_shared {
            return ended;
        }
        self.traces.keys.extend(self.watches.standing_fences());
        for noted in std::mem::take(&mut self.traces.noted) {
            let noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
            self.traces.keys.extend(noted.iter().cloned());
        }
        let removed = self.traces.remove(&self.clients, limit).await.map_err(Unclean::Left);
        ended.and(removed)
    }

    /// Ends the watches and closes the clients.
    pub async fn close(&mut self) {
        // Where it panics, cleaning up has said so, or did not come so far.
        let _ = self.watches.close_all().await;
        self.clients.close_all().await;
    }
}

pub(crate) fn broken(reason: String) -> End {
    End::Broken(reason)
}
