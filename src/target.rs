//! What a run is aimed at: a backend that is there, or one that has to be opened first and may turn out not to be.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::backend::{Backend, Clock, Ending};
use crate::capability::{Asked, Capabilities};
use crate::known::{Known, KnownFailures};
use crate::missing::Missing;
use crate::runner::{self, Settings};
use crate::scenario::{Need, Scenario};
use crate::session::panics;
use crate::store::StoreError;

/// How long a store may take to open the client that its capabilities are read from.
const PROBE: Duration = Duration::from_secs(30);

/// A backend under test, opened when it is first asked for and taken down when dropped.
pub struct Target {
    name: String,
    starts_a_server: bool,
    known: Vec<KnownFailures>,
    open: Box<dyn Fn() -> Result<Opened, Unavailable> + Send + Sync>,
    ready: OnceLock<Result<Ready, Unavailable>>,
    preflight: OnceLock<Result<(), String>>,
    missing: OnceLock<Missing>,
}

/// What opening a target gives.
pub struct Opened {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// What it is, for reports: `etcd 3.5.1, container …`.
    pub about: String,
    /// The name of its store, the same in every process that tests it.
    pub place: String,
    /// What must be dropped to take it down.
    pub guard: Box<dyn Any + Send + Sync>,
}

/// A target that can be run against.
pub struct Ready {
    /// The backend.
    pub backend: Arc<dyn Backend>,
    /// What it is, for reports.
    pub about: String,
    /// The name of its store, the same in every process that tests it.
    pub place: String,
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
            let place = format!("{}: {about}", backend.name());
            let (backend, about) = (backend.clone(), about.into());
            Ok(Opened { backend, about, place, guard: Box::new(()) })
        })
    }

    /// A target that is opened by `open`, once and when it is first asked for.
    pub fn opened_by(
        name: impl Into<String>,
        open: impl Fn() -> Result<Opened, Unavailable> + Send + Sync + 'static,
    ) -> Self {
        let (name, open) = (name.into(), Box::new(open));
        Self {
            name,
            starts_a_server: false,
            known: Vec::new(),
            open,
            ready: OnceLock::new(),
            preflight: OnceLock::new(),
            missing: OnceLock::new(),
        }
    }

    /// Says that opening the target starts a server, which is too much to do for every single test.
    pub fn starting_a_server(self, starts_a_server: bool) -> Self {
        Self { starts_a_server, ..self }
    }

    /// Whether opening the target starts a server.
    pub fn starts_a_server(&self) -> bool {
        self.starts_a_server
    }

    /// Adds what its store is known not to do; of several lists the last that names a scenario decides.
    pub fn know(&mut self, list: KnownFailures) {
        self.known.push(list);
    }

    /// Forgets every list of known failures, that of a backend that kvspec has included.
    pub fn forget_known_failures(&mut self) {
        self.known.clear();
    }

    /// What the lists say of a scenario on a store that states that version, if it states one.
    pub fn known(&self, scenario: &str, version: Option<&str>) -> Option<&Known> {
        let mut lists = self.known.iter().rev();
        lists.find_map(|list| list.find(&self.name, scenario, version))
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

    /// Takes down what its store turned out not to have; what was found first stays.
    pub(crate) fn lack(&self, missing: Missing) {
        let _ = self.missing.set(missing);
    }

    /// What its store can do, as far as was found out; `None` if it is not there.
    pub fn capabilities(&self) -> Option<Capabilities> {
        let capabilities = &self.ready().ok()?.capabilities;
        let missing = self.missing.get();
        Some(
            missing
                .map_or_else(|| capabilities.clone(), |missing| missing.taken_from(capabilities)),
        )
    }

    /// Why a scenario is not run on it, if it is not.
    pub fn lacks(&self, scenario: &Scenario) -> Option<String> {
        let lacks = match self.ready() {
            Ok(ready) => ready.lacks(scenario),
            Err(unavailable) => Some(unavailable.reason.clone()),
        };
        lacks.or_else(|| {
            let missing = self.missing.get()?;
            missing.lack(scenario).and_then(|_| missing.reason(scenario))
        })
    }

    /// Whether the store answers the plainest calls, which is asked once; what it said to them if not.
    pub(crate) fn preflight(&self, ready: &Ready, settings: &Settings) -> &Result<(), String> {
        self.preflight.get_or_init(|| runner::preflight(&ready.backend, settings))
    }
}

impl Ready {
    fn probe(opened: Opened) -> Result<Self, Unavailable> {
        let Opened { backend, about, place, guard } = opened;
        let capabilities = Probe::start(&backend).map_err(|error| {
            let reason = format!("{} could not be opened: {error}", backend.name());
            Unavailable { story: reason.clone(), reason, is_named: true }
        })?;
        Ok(Self { backend, about, place, capabilities, _guard: guard })
    }

    /// Why a scenario makes no sense on this target, if that is so.
    pub fn lacks(&self, scenario: &Scenario) -> Option<String> {
        scenario.needs.iter().find_map(|need| match need {
            Need::Reopen => self.cannot_reopen(&[Ending::Clean, Ending::Crash]),
            Need::PowerLoss => self.cannot_reopen(&[Ending::PowerLoss]),
            need => self.capabilities.lack(*need).map(String::from),
        })
    }

    fn cannot_reopen(&self, endings: &[Ending]) -> Option<String> {
        endings.iter().find_map(|ending| self.backend.cannot_reopen(*ending))
    }
}

/// Asks a backend what its stores have.
struct Probe;

impl Probe {
    /// Opens a client of a store, on a thread that is given up if the store blocks it; why not, where it cannot.
    fn start(backend: &Arc<dyn Backend>) -> Result<Capabilities, String> {
        let (sender, receiver) = mpsc::sync_channel(1);
        let (backend, step) = (backend.clone(), Arc::new(Mutex::new("starting a runtime")));
        let steps = step.clone();
        let case = panics::case_name(backend.name(), "probe");
        let thread = thread::Builder::new().name(case.clone()).spawn(move || {
            panics::Log::of(case).take_thread();
            let _ = sender.send(Self::here(backend.as_ref(), &steps));
        });
        thread.map_err(|error| format!("no thread could be started: {error}"))?;
        // The thread itself gives up earlier, unless it is blocked.
        let probed = receiver.recv_timeout(PROBE + PROBE / 10);
        let doing = || *step.lock().unwrap_or_else(PoisonError::into_inner);
        match probed {
            Ok(probed) => probed.map_err(|error| format!("{} {error}", doing())),
            Err(_) => Err(format!("{} blocked its thread for {PROBE:?}", doing())),
        }
    }

    fn here(backend: &dyn Backend, step: &Mutex<&'static str>) -> Result<Capabilities, String> {
        let paused = backend.clock() == Clock::Virtual;
        let runtime = Builder::new_current_thread().enable_all().start_paused(paused).build();
        let runtime = runtime.map_err(|error| format!("failed: {error}"))?;
        let begin = |what| *step.lock().unwrap_or_else(PoisonError::into_inner) = what;
        let probe = async {
            begin("making a store");
            let instance = backend.instance().await?;
            begin("opening a client");
            let store = instance.open().await?;
            begin("asking a client what it can do");
            let capabilities = Capabilities::of(&Asked { store: store.as_ref(), backend });
            begin("`close`");
            store.close().await?;
            drop(store);
            instance.close().await?;
            Ok::<_, StoreError>(capabilities)
        };
        runtime.block_on(async {
            match AssertUnwindSafe(timeout(PROBE, probe)).catch_unwind().await {
                Ok(Ok(probed)) => probed.map_err(|error| format!("failed: {error}")),
                Ok(Err(_)) => Err(format!("did not end within {PROBE:?}")),
                Err(panic) => Err(format!("panicked: {}", panics::caught(panic))),
            }
        })
    }
}
