//! What a run is aimed at: a backend that is there, or one that has to be opened first and may turn out not to be.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Builder;

use crate::backend::{Backend, Clock};
use crate::scenario::{Need, Scenario};
use crate::store::{Limits, StoreError};

/// How long a store may take to open the client that its capabilities are read from.
const PROBE: Duration = Duration::from_secs(30);

/// A backend under test, opened when it is first asked for and taken down when dropped.
pub struct Target {
    name: String,
    starts_a_server: bool,
    open: Box<dyn Fn() -> Result<Opened, Unavailable> + Send + Sync>,
    ready: OnceLock<Result<Ready, Unavailable>>,
}

/// What opening a target gives.
pub struct Opened {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// What it is, for reports: `etcd 3.5.1, container …`.
    pub about: String,
    /// What must be dropped to take it down.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// A target that can be run against.
pub struct Ready {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// What it is, for reports.
    pub about: String,
    /// What its stores can do.
    pub capabilities: Capabilities,
    _guard: Box<dyn Any + Send + Sync>,
}

/// Why a target cannot be run against.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unavailable {
    /// In a few words: the reason why its cases are skipped.
    pub reason: String,
    /// The whole story, for a warning of several lines.
    pub story: String,
    /// Whether the user named it, so that a run without it is not what was asked for.
    pub is_named: bool,
}

impl Target {
    /// A target whose backend needs nothing to be opened.
    pub fn new(backend: impl Backend + 'static) -> Self {
        let backend: Arc<dyn Backend> = Arc::new(backend);
        let name = backend.name().to_string();
        Self::opened_by(name, move || {
            let about = match backend.clock() {
                Clock::Wall => "real time",
                Clock::Virtual => "virtual time",
            };
            Ok(Opened { backend: backend.clone(), about: about.into(), guard: Box::new(()) })
        })
    }

    /// A target that is opened by `open`, once and when it is first asked for.
    pub fn opened_by(
        name: impl Into<String>,
        open: impl Fn() -> Result<Opened, Unavailable> + Send + Sync + 'static,
    ) -> Self {
        let (name, open) = (name.into(), Box::new(open));
        Self { name, starts_a_server: false, open, ready: OnceLock::new() }
    }

    /// Says that opening the target starts a server, which is too much to do for every single test.
    pub fn starting_a_server(self, starts_a_server: bool) -> Self {
        Self { starts_a_server, ..self }
    }

    /// Whether opening the target starts a server.
    pub fn starts_a_server(&self) -> bool {
        self.starts_a_server
    }

    /// The same target under another name.
    pub fn called(self, name: impl Into<String>) -> Self {
        Self { name: name.into(), ..self }
    }

    /// The backend's name, known before anything is opened.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Opens the target if it was not before.
    pub fn ready(&self) -> Result<&Ready, &Unavailable> {
        self.ready.get_or_init(|| (self.open)().and_then(Ready::probe)).as_ref()
    }
}

impl Ready {
    fn probe(opened: Opened) -> Result<Self, Unavailable> {
        let Opened { backend, about, guard } = opened;
        let capabilities = Capabilities::probe(backend.as_ref()).map_err(|error| {
            let reason = format!("{} could not be opened: {error}", backend.name());
            Unavailable { story: reason.clone(), reason, is_named: true }
        })?;
        Ok(Self { backend, about, capabilities, _guard: guard })
    }

    /// Why a scenario makes no sense on this target, where that is so.
    pub fn lacks(&self, scenario: &Scenario) -> Option<String> {
        scenario.needs.iter().find_map(|need| self.capabilities.lacks(*need))
    }
}

/// What the stores of a backend can do beyond the core functions.
#[derive(Debug, Clone, PartialEq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Capabilities {
    /// Whether there are [`Leases`](crate::store::Leases).
    pub leases: bool,
    /// Whether there are [`Revisions`](crate::store::Revisions).
    pub revisions: bool,
    /// Whether there are [`Transactions`](crate::store::Transactions).
    pub transactions: bool,
    /// Whether there are [`Directories`](crate::store::Directories).
    pub directories: bool,
    /// Whether the history may be compacted.
    pub disposable: bool,
    /// What the backend says of its limits.
    pub limits: Limits,
}

impl Capabilities {
    fn probe(backend: &dyn Backend) -> Result<Self, StoreError> {
        let paused = backend.clock() == Clock::Virtual;
        let runtime = Builder::new_current_thread().enable_all().start_paused(paused).build();
        let runtime = runtime
            .map_err(|error| StoreError::new(crate::store::ErrorKind::Other, error.to_string()))?;
        runtime.block_on(async {
            let probe = async {
                let store = backend.instance().await?.open().await?;
                let capabilities = Self {
                    leases: store.leases().is_some(),
                    revisions: store.revisions().is_some(),
                    transactions: store.transactions().is_some(),
                    directories: store.directories().is_some(),
                    disposable: backend.is_disposable(),
                    limits: backend.limits(),
                };
                store.close().await?;
                Ok(capabilities)
            };
            let late = || {
                StoreError::new(
                    crate::store::ErrorKind::DeadlineExceeded,
                    format!("no client within {PROBE:?}"),
                )
            };
            let probe = AssertUnwindSafe(tokio::time::timeout(PROBE, probe)).catch_unwind();
            match probe.await {
                Ok(probed) => probed.unwrap_or_else(|_| Err(late())),
                Err(panic) => Err(StoreError::new(
                    crate::store::ErrorKind::Other,
                    format!("it panicked: {}", crate::runner::panic_message(panic)),
                )),
            }
        })
    }

    fn lacks(&self, need: Need) -> Option<String> {
        let (is_there, lack) = match need {
            Need::Leases => (self.leases, "the store has no leases"),
            Need::Revisions => (self.revisions, "the store has no revisions"),
            Need::Transactions => (self.transactions, "the store has no transactions"),
            Need::Directories => (self.directories, "the store has no directories"),
            Need::BinaryKeys => (self.limits.binary_keys, "the store's keys are UTF-8 only"),
            Need::Disposable => (
                self.disposable,
                "the server is somebody's, and its history is not to be compacted",
            ),
        };
        (!is_there).then(|| lack.into())
    }
}
