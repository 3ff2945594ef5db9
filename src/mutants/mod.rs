//! Mutants: the memory store broken on purpose, each in one way, so that the suite can prove that it would notice.

mod clients;
mod directories;
mod fault;
mod history;
mod keys;
mod lease_terms;
mod leases;
mod limits;
mod lists;
mod matrix;
mod queues;
mod transactions;
mod ttls;
mod watches;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use self::fault::FaultyStore;
pub use self::fault::{Fault, Site};
pub use self::matrix::{Kill, Matrix, self_check};
use crate::backend::memory::{MemoryBackend, MemoryStore};
use crate::backend::{Backend, Clock, Instance};
use crate::scenario::{Need, Scenario};
use crate::store::{Limits, Result, Store};

/// A store broken on purpose in one way.
#[derive(Clone)]
pub struct Mutant {
    /// Its name: short, lower case, with hyphens.
    pub name: &'static str,
    /// The clause that it breaks.
    pub clause: &'static str,
    /// What it does wrong, in one sentence.
    pub sentence: &'static str,
    make: fn() -> Arc<dyn Fault>,
    has_directories: bool,
}

impl Mutant {
    /// A mutant whose every instance has a fault of its own, made by `make`.
    pub const fn new(
        name: &'static str,
        clause: &'static str,
        sentence: &'static str,
        make: fn() -> Arc<dyn Fault>,
    ) -> Self {
        Self { name, clause, sentence, make, has_directories: false }
    }

    /// The same fault over the memory store that has directories; only their scenarios are run on it.
    pub const fn with_directories(self) -> Self {
        Self { has_directories: true, ..self }
    }

    /// Whether a scenario makes sense on the store below, so that what fails on the mutant is the fault's doing.
    fn takes(&self, scenario: &Scenario) -> bool {
        scenario.needs.contains(&Need::Directories) == self.has_directories
    }
}

/// A mutant with the fault `F`.
fn mutant<F: Fault + Default + 'static>(
    name: &'static str,
    clause: &'static str,
    sentence: &'static str,
) -> Mutant {
    Mutant::new(name, clause, sentence, || Arc::new(F::default()))
}

/// Every mutant, by the group of the clause that it breaks.
pub fn all() -> Vec<Mutant> {
    let groups = [
        keys::all(),
        lists::all(),
        ttls::all(),
        leases::all(),
        lease_terms::all(),
        watches::all(),
        queues::all(),
        clients::all(),
        history::all(),
        transactions::all(),
        limits::all(),
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
        MemoryBackend.limits()
    }

    fn is_shared(&self) -> bool {
        false
    }

    fn is_disposable(&self) -> bool {
        true
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        let fault = (self.make)();
        Ok(Box::new(MutantInstance {
            first: match self.has_directories {
                true => MemoryStore::with_directories(),
                false => MemoryStore::new(),
            },
            fault,
            clients: AtomicUsize::new(0),
        }))
    }
}

struct MutantInstance {
    first: MemoryStore,
    fault: Arc<dyn Fault>,
    clients: AtomicUsize,
}

#[async_trait]
impl Instance for MutantInstance {
    async fn open(&self) -> Result<Box<dyn Store>> {
        let client = self.clients.fetch_add(1, Ordering::Relaxed);
        let store = Arc::new(self.fault.open(&self.first));
        Ok(Box::new(FaultyStore { site: Site { store, client }, fault: self.fault.clone() }))
    }
}
