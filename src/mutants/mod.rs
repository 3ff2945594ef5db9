//! Mutants: the memory store broken on purpose, each in one way, so that the suite can show that it would notice.

mod busy;
mod clients;
mod closed;
mod delivery;
mod directories;
mod fault;
mod history;
mod keys;
mod lease_terms;
mod leases;
mod limits;
mod lists;
mod matrix;
mod missing;
mod queues;
mod reopening;
mod sweepers;
mod transactions;
mod ttls;
mod txn_forms;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;

pub use self::matrix::{Extent, Kill, Matrix, Unjudged, self_check};
use crate::backend::memory::{Damage, MemoryBackend, MemoryStore};
use crate::backend::{Backend, Clock, Ending, Instance};
use crate::scenario::{Need, Scenario};
use crate::store::{Layer, Layered, Limits, Result, Store};

/// A store broken on purpose in one way.
#[derive(Clone)]
pub struct Mutant {
    /// Its name: short, lower case, with hyphens.
    pub name: &'static str,
    /// The clause that it breaks.
    pub clause: &'static str,
    /// What it does wrong, in one sentence.
    pub sentence: &'static str,
    make: fn() -> Arc<dyn Layer<MemoryStore>>,
    has_directories: bool,
    has_own_stores: bool,
    /// What is lost when it is reopened, and after which endings.
    damage: Option<(Damage, &'static [Ending])>,
    /// How much later than granted its keys may go: most of the stores below take them away at once.
    lag: Option<Duration>,
    /// The scenarios that neither pass nor fail on it, each with the reason.
    unclear: &'static [(&'static str, &'static str)],
}

impl Mutant {
    /// A mutant whose every instance has a layer of its own over the memory store, made by `make`.
    pub const fn new(
        name: &'static str,
        clause: &'static str,
        sentence: &'static str,
        make: fn() -> Arc<dyn Layer<MemoryStore>>,
    ) -> Self {
        Self {
            name,
            clause,
            sentence,
            make,
            has_directories: false,
            has_own_stores: false,
            damage: None,
            lag: None,
            unclear: &[],
        }
    }

    /// The same fault over the memory store that has directories; only their scenarios are run on it.
    pub const fn with_directories(self) -> Self {
        Self { has_directories: true, ..self }
    }

    /// The same fault, and every client has a store of its own.
    const fn with_own_stores(self) -> Self {
        Self { has_own_stores: true, ..self }
    }

    /// The same fault, and damage to the data when the store is reopened after one of these endings.
    const fn with_damage(self, damage: Damage, endings: &'static [Ending]) -> Self {
        Self { damage: Some((damage, endings)), ..self }
    }

    /// The same fault in a store whose keys and leases may go so much later than granted.
    pub const fn with_lag(self, lag: Duration) -> Self {
        Self { lag: Some(lag), ..self }
    }

    /// The same fault, on which these scenarios neither pass nor fail, each for its reason.
    pub const fn with_unclear(self, unclear: &'static [(&'static str, &'static str)]) -> Self {
        Self { unclear, ..self }
    }

    /// Whether a scenario makes sense on the store below, so that what fails on the mutant is the fault's doing.
    fn takes(&self, scenario: &Scenario) -> bool {
        scenario.needs.contains(&Need::Directories) == self.has_directories
    }

    /// The store below, empty.
    fn below(&self) -> MemoryStore {
        if self.has_directories { MemoryStore::with_directories() } else { MemoryStore::new() }
    }
}

/// Every mutant, by the group of the clause that it breaks.
pub fn all() -> Vec<Mutant> {
    let groups = [
        keys::all(),
        lists::all(),
        missing::all(),
        ttls::all(),
        sweepers::all(),
        leases::all(),
        lease_terms::all(),
        watches::all(),
        queues::all(),
        delivery::all(),
        busy::all(),
        clients::all(),
        closed::all(),
        history::all(),
        transactions::all(),
        txn_forms::all(),
        limits::all(),
        reopening::all(),
        directories::all(),
    ];
    groups.into_iter().flatten().collect()
}

#[async_trait]
impl Backend for Mutant {
    fn name(&self) -> &str {
        self.name
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    fn limits(&self) -> Limits {
        let limits = MemoryBackend.limits();
        Limits { expiry_lag: self.lag.unwrap_or(limits.expiry_lag), ..limits }
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_disposable(&self) -> bool {
        true
    }

    fn cannot_reopen(&self, ending: Ending) -> Option<String> {
        MemoryBackend.cannot_reopen(ending)
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        let clients = AtomicUsize::new(0);
        let (mutant, first, layer) = (self.clone(), self.below(), (self.make)());
        Ok(Box::new(MutantInstance { mutant, first, layer, clients }))
    }
}

struct MutantInstance {
    mutant: Mutant,
    first: MemoryStore,
    layer: Arc<dyn Layer<MemoryStore>>,
    clients: AtomicUsize,
}

#[async_trait]
impl Instance for MutantInstance {
    async fn open(&self) -> Result<Box<dyn Store>> {
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        let next = match self.mutant.has_own_stores {
            true => self.mutant.below(),
            false => self.first.client(),
        };
        Ok(Box::new(Layered::new(self.layer.clone(), next, client)))
    }

    async fn reopen(&self, ending: Ending) -> Result<()> {
        self.first.reopen();
        match self.mutant.damage {
            Some((damage, endings)) if endings.contains(&ending) => self.first.damage(damage),
            _ => {}
        }
        Ok(())
    }
}
