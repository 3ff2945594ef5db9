//! Every case a test of `cargo test`: what a backend author's `tests/conformance.rs` calls.

use std::collections::BTreeSet;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};
use owo_colors::Stream;

use crate::backend::{Backend, Clock};
use crate::known::KnownFailures;
use crate::plan::{Case, Plan};
use crate::report::failure::describe;
use crate::report::paint::Paint;
use crate::report::warning::warn;
use crate::runner::Settings;
use crate::scenario::{self, Scenario};
use crate::suite::{self, JOBS};
use crate::target::{Target, Unavailable};
use crate::verdict::Verdict;

/// Set to anything but `0` or nothing, it makes a target that is not there a failure instead of a skip.
pub const REQUIRE_SERVER: &str = "KVSPEC_REQUIRE_SERVER";

/// Why the tests of a target are ignored that would each start a server of its own.
const ONE_EACH: &str = "under nextest every test would start a server of its own; `kvspec serve -- cargo nextest run` \
    starts one for all";

/// Runs the suite as tests of `cargo test` and `cargo nextest`.
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use kvspec::backend::memory::MemoryBackend;
/// use kvspec::harness::Harness;
///
/// fn main() -> ExitCode {
///     Harness::new().backend(MemoryBackend).run()
/// }
/// ```
pub struct Harness {
    targets: Vec<Target>,
    folders: Vec<PathBuf>,
    known: Vec<PathBuf>,
    settings: Settings,
}

impl Harness {
    /// A harness with the embedded suite and nothing to run it against yet.
    pub fn new() -> Self {
        Self {
            targets: Vec::new(),
            folders: Vec::new(),
            known: Vec::new(),
            settings: Settings::default(),
        }
    }

    /// Runs every scenario against this backend too.
    pub fn backend(self, backend: impl Backend + 'static) -> Self {
        self.target(Target::new(backend))
    }

    /// Runs every scenario against this target too.
    pub fn target(mut self, target: Target) -> Self {
        self.targets.push(target);
        self
    }

    /// Runs the scripts below `folder` too, which is looked at on every run.
    pub fn scenarios(mut self, folder: impl Into<PathBuf>) -> Self {
        self.folders.push(folder.into());
        self
    }

    /// Takes failures that this file lists for known ones; [`KnownFailures::parse`] says how it is written.
    ///
    /// A listed scenario that passes fails the test, and a line that matches no scenario fails them all.
    pub fn known_failures(mut self, file: impl Into<PathBuf>) -> Self {
        self.known.push(file.into());
        self
    }

    /// Has every case run with these settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Does what the command line asks for, as every test program does, and gives the exit code.
    pub fn run(self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        // Cases wait more than they work: on as many threads as there are cores, they would wait for each other.
        arguments.test_threads.get_or_insert(JOBS);
        let (scenarios, known) = match self.collect().and_then(|suite| self.known(suite)) {
            Ok(read) => read,
            Err(error) => {
                eprintln!("{error}");
                return ExitCode::from(2);
            }
        };
        #[cfg(any(feature = "cli", feature = "etcd", feature = "redis"))]
        let signals = crate::signal::Signals::listen(self.settings.abort.clone()).ok();
        let trials = Arc::new(Trials::new(self.settings));
        let mut plan = Plan::new(self.targets, &scenarios);
        known.iter().for_each(|list| plan.know(None, list));
        let mut tests: Vec<_> = plan
            .shares
            .iter()
            .flat_map(|share| share.cases.iter().map(|case| (share.target.clone(), case.clone())))
            .collect();
        // Exclusive cases keep the others waiting, so they come first, and the longest waits come next.
        tests.sort_by_key(|(_, case)| {
            (case.scenario.exclusive.is_none(), std::cmp::Reverse(case.scenario.patience))
        });
        let tests = tests.into_iter().map(|(target, case)| trials.trial(target, case)).collect();
        let conclusion = libtest_mimic::run(&arguments, tests);
        // Servers go with the targets; an exit would leave them.
        drop(plan);
        #[cfg(any(feature = "cli", feature = "etcd", feature = "redis"))]
        if let Some(code) = signals.and_then(|signals| signals.exit_code()) {
            return ExitCode::from(code);
        }
        conclusion.exit_code()
    }

    fn collect(&self) -> Result<Vec<Scenario>, Box<dyn Error>> {
        let mut scenarios = scenario::embedded()?;
        for folder in &self.folders {
            scenarios.extend(scenario::from_dir(folder)?);
        }
        Ok(scenarios)
    }

    fn known(&self, suite: Vec<Scenario>) -> Result<Collected, Box<dyn Error>> {
        let mut lists = Vec::new();
        for file in &self.known {
            let list = KnownFailures::from_file(file)?;
            list.check(&suite)?;
            lists.push(list);
        }
        Ok((suite.into_iter().map(Arc::new).collect(), lists))
    }
}

/// The scenarios to run, and what is known of them.
type Collected = (Vec<Arc<Scenario>>, Vec<KnownFailures>);

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

/// What all tests of one program share.
struct Trials {
    settings: Settings,
    /// Cases share it; an exclusive case has it alone.
    floor: RwLock<()>,
    /// The targets that were warned of.
    warned: Mutex<BTreeSet<String>>,
}

impl Trials {
    fn new(settings: Settings) -> Self {
        Self { settings, floor: RwLock::new(()), warned: Mutex::default() }
    }

    fn trial(self: &Arc<Self>, target: Arc<Target>, case: Case) -> Trial {
        let name = case.test_name();
        if target.starts_a_server() && is_process_per_test() {
            return match is_server_required() {
                true => Trial::test(name, || Err(Failed::from(ONE_EACH))),
                // Ignored in the listing already, so that nextest counts them as skipped and not as passed.
                false => Trial::ignorable_test(name, || Ok(Completion::ignored_with(ONE_EACH)))
                    .with_ignored_flag(true),
            };
        }
        let trials = self.clone();
        Trial::ignorable_test(name, move || trials.run(&target, &case))
    }

    fn run(&self, target: &Target, case: &Case) -> Result<Completion, Failed> {
        let ready = match target.ready() {
            Ok(ready) => ready,
            Err(unavailable) => return self.without(target, unavailable),
        };
        if let Some(reason) = ready.lacks(&case.scenario) {
            return Ok(Completion::ignored_with(reason));
        }
        let is_alone = case.scenario.exclusive.is_some() && ready.backend.is_shared();
        // In virtual time nothing is shared, and a lock would only make the cases queue.
        let outcome = match ready.backend.clock() {
            Clock::Wall if is_alone => {
                let _alone = self.floor.write();
                suite::run_case(case, ready, &self.settings)
            }
            _ => {
                let _shared = self.floor.read();
                suite::run_case(case, ready, &self.settings)
            }
        };
        match &outcome.verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) => Ok(Completion::ignored_with(reason)),
            Verdict::Known(reason, _) => {
                Ok(Completion::ignored_with(format!("known to fail: {reason}")))
            }
            Verdict::Errored(reason) if outcome.is_unfinished() => {
                // Whatever ended this one early, the others need not each wait to find out.
                self.settings.abort.throw();
                Err(Failed::from(reason))
            }
            _ => {
                let rerun = format!("{} --exact {}", rerun(), case.test_name());
                Err(Failed::from(describe(&outcome, &rerun, Paint::auto(Stream::Stdout))))
            }
        }
    }

    /// A target that is not there: told once in red, and a reason to skip unless a server is required.
    fn without(&self, target: &Target, unavailable: &Unavailable) -> Result<Completion, Failed> {
        let is_first =
            self.warned.lock().is_ok_and(|mut warned| warned.insert(target.name().into()));
        if is_first {
            let _ = warn(unavailable, Paint::auto(Stream::Stderr));
        }
        if unavailable.is_named || is_server_required() {
            return Err(Failed::from(&unavailable.story));
        }
        Ok(Completion::ignored_with(&unavailable.reason))
    }
}

/// Whether every test gets a process of its own.
fn is_process_per_test() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// The command that runs this program's tests, up to their names.
fn rerun() -> String {
    let path = std::env::current_exe().unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    match folder.to_str() {
        Some("deps") => format!("cargo test --test {} --", unhashed(&name)),
        Some("examples") => format!("cargo run --example {} --", unhashed(&name)),
        _ => path.display().to_string(),
    }
}

/// A program's name without the hash that cargo puts behind those of tests.
fn unhashed(name: &str) -> &str {
    let is_hash =
        |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.rsplit_once('-').filter(|(_, hash)| is_hash(hash)).map_or(name, |(name, _)| name)
}

/// Whether the environment makes a target that is not there a failure.
pub fn is_server_required() -> bool {
    std::env::var(REQUIRE_SERVER).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
