//! One run of a scenario: what it holds, and how it is opened and left.

use std::collections::BTreeMap;

use super::Settings;
use super::cleanup::Traces;
use super::clients::Clients;
use super::expiry::{Pace, Ties};
use super::fill::Running;
use super::marks::Marks;
use super::watches::Watches;
use crate::backend::{Backend, Instance};
use crate::store::LeaseId;

/// One run of a scenario: its clients, watches and times to live, and what it wrote.
pub(super) struct Session<'a> {
    pub clients: Clients<'a>,
    pub watches: Watches,
    pub ties: Ties,
    pub marks: Marks,
    /// The lease ids that a script calls by a name.
    pub ids: BTreeMap<String, LeaseId>,
    pub pace: Pace,
    pub fills: BTreeMap<String, Running>,
    pub traces: Traces,
}

impl<'a> Session<'a> {
    /// Opens the first client, and with it the case's own prefix.
    pub async fn open(
        instance: &'a dyn Instance,
        backend: &dyn Backend,
        settings: &Settings,
    ) -> std::result::Result<Self, String> {
        let name = backend.name();
        let opened = Clients::open_first(instance, settings.deadline).await;
        let clients =
            opened.map_err(|error| format!("no client of {name} could be opened: {error}"))?;
        Ok(Self {
            clients,
            watches: Watches::new(),
            ties: Ties::default(),
            marks: Marks::default(),
            ids: BTreeMap::new(),
            pace: Pace::new(backend.clock(), backend.limits().expiry_lag),
            fills: BTreeMap::new(),
            traces: Traces::default(),
        })
    }

    /// The whole key, noted as one that must be taken away again.
    pub fn touch(&mut self, key: &[u8]) -> Vec<u8> {
        let whole = self.clients.whole(key);
        self.traces.keys.insert(whole.clone());
        whole
    }

    /// Ends what is under way, and takes away what was written.
    pub async fn clean_up(
        &mut self,
        limit: impl Future<Output = ()>,
    ) -> std::result::Result<(), String> {
        for running in std::mem::take(&mut self.fills).into_values() {
            running.abort();
            let _ = running.await;
        }
        self.traces.keys.extend(self.watches.standing_fences());
        self.traces.remove(&self.clients, limit).await
    }

    /// Ends the watches and closes the clients.
    pub async fn close(&mut self) {
        self.watches.close_all();
        self.clients.close_all().await;
    }
}
