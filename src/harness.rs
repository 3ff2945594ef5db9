//! Every case a test of `cargo test`: what a backend author's `tests/conformance.rs` calls.

mod calls;
#[cfg(feature = "explore")]
mod explored;
mod names;
mod reports;
mod trials;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use libtest_mimic::{Arguments, Trial};

use self::calls::Asked;
use self::names::Names;
use self::reports::Wanted;
pub use self::reports::{HTML, JSON, JUNIT};
use self::trials::{Trials, rerun};
use crate::backend::Backend;
use crate::contract;
use crate::known::KnownFailures;
use crate::plan::{Case, Plan};
#[cfg(feature = "report")]
use crate::report::files;
#[doc(inline)]
pub use crate::runner::{Abort, Settings};
use crate::scenario::{self, Scenario};
use crate::session::panics;
#[doc(inline)]
pub use crate::target::{Opened, Target, Unavailable};

/// Set to anything but `0` or nothing, it makes a target that is not there a failure instead of a skip.
pub const REQUIRE_SERVER: &str = "KVSPEC_REQUIRE_SERVER";

/// Runs the suite as tests of `cargo test` and `cargo nextest`.
///
/// This is the `main` of a test with `harness = false`. Each scenario is a test for each backend, called
/// `BACKEND::core::watch::burst`.
///
/// - Filters are parts of names, in any form in which one is printed: `core::watch`, `core/watch/burst`,
///   `mine::core::watch::burst`, `scenarios/core/watch/burst.kv:12`; also those of `--skip`. A filter with a slash, or one
///   that begins with a backend and a folder of the suite, can only mean scenarios: if it matches none, the exit code is
///   2. Another that matches none is noted and passes, because `cargo test FILTER` gives it to every test program.
/// - The first test of a backend opens a store and a client, and puts, reads, lists and deletes a key. If one of these
///   panics, hangs or answers an error, that test fails with the call and what it said, and the others are ignored.
/// - A scenario that needs what the store lacks is ignored, with the reason. A known failure is called
///   `[known to fail] BACKEND::…`; it is ignored if it fails, and fails if it passes.
/// - On the wall clock many tests run at once, since they wait more than they work; [`at_once`](Self::at_once) and
///   `--test-threads` set how many.
/// - Panics on the threads of a scenario are shown with their scenario, and not printed on their own.
///
/// Under nextest each test is a process. What will be ignored is listed as ignored, so that nextest counts it as skipped;
/// for that each backend opens one client when tests are listed, but starts no server. A test that `--run-ignored` asks
/// for and that cannot run fails. A backend that cannot be tested fails each of its tests.
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
    known: Vec<(Option<String>, PathBuf)>,
    settings: Settings,
    at_once: Option<usize>,
    reports: Wanted,
    #[cfg(feature = "explore")]
    programs: u64,
}

impl Harness {
    /// A harness with the embedded suite and nothing to run it against yet.
    pub fn new() -> Self {
        Self {
            targets: Vec::new(),
            folders: Vec::new(),
            known: Vec::new(),
            settings: Settings::default(),
            at_once: None,
            reports: Wanted::default(),
            #[cfg(feature = "explore")]
            programs: 0,
        }
    }

    /// Runs every scenario against this backend too.
    pub fn backend(self, backend: impl Backend + 'static) -> Self {
        self.target(Target::new(backend))
    }

    /// Runs every scenario against each of these backends too, such as those of
    /// [`Fresh::on_both_clocks`](crate::backend::Fresh::on_both_clocks).
    pub fn backends<B: Backend + 'static>(self, backends: impl IntoIterator<Item = B>) -> Self {
        backends.into_iter().fold(self, Self::backend)
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

    /// Takes the failures that this file lists as known; [`KnownFailures::parse`] says how it is written.
    ///
    /// A line that begins with a backend's name, `mine::txn::duplicate-key # reason`, is about that backend alone. A
    /// listed scenario that passes fails its test, and a line that matches no scenario fails the whole run.
    pub fn known_failures(mut self, file: impl Into<PathBuf>) -> Self {
        self.known.push((None, file.into()));
        self
    }

    /// Takes the failures that this file lists as known ones of one backend.
    pub fn known_failures_of(
        mut self,
        backend: impl Into<String>,
        file: impl Into<PathBuf>,
    ) -> Self {
        self.known.push((Some(backend.into()), file.into()));
        self
    }

    /// Has every case run with these settings.
    pub fn settings(mut self, settings: Settings) -> Self {
        self.settings = settings;
        self
    }

    /// Runs exactly `count` cases at once on each backend, 1 at least.
    ///
    /// if this is not given, the number follows what is seen. On virtual time it is the number of cores. On a store in
    /// real time it begins with a few dozen, those first that wait longest; while calls are answered quickly it doubles
    /// every 50 ms, up to 256; while most take several times as long as the fastest one, and 150 ms at least, or a client
    /// cannot be opened, it falls by a quarter every half second. Cases are mostly waiting, so a number
    /// far beyond that of the cores is right. `--test-threads` of the command line bounds it too.
    pub fn at_once(self, count: usize) -> Self {
        Self { at_once: Some(count.max(1)), ..self }
    }

    /// Runs so many random programs on each backend too, in one test called `BACKEND::explore`.
    ///
    /// A program is drawn from the commands of scenarios, always the same ones, and its answers are compared with those of
    /// the memory store. The test fails with the smallest program found that is answered differently, as a script. In
    /// virtual time thousands of programs take a second; on a store in real time they run side by side, and mostly wait for
    /// TTLs of a few seconds. The variable `KVSPEC_EXPLORE` sets another number, for a longer search.
    #[cfg(feature = "explore")]
    pub fn explore(self, programs: u64) -> Self {
        Self { programs, ..self }
    }

    /// Writes a page for a browser to this file: a grid of verdicts, and a timeline of every case.
    ///
    /// It is of the cases that were run, is written when they are over, and replaces what the file held; one that cannot be
    /// written fails the test program before anything runs. The variable `KVSPEC_HTML` asks for another. Under nextest, where each
    /// test is a process of its own, nothing is written.
    #[cfg(feature = "report")]
    pub fn html(mut self, file: impl Into<PathBuf>) -> Self {
        self.reports.add(&files::HTML, file.into());
        self
    }

    /// Records the run to this file as JSON, for `kvspec report` and `kvspec judge`; otherwise as [`html`](Self::html). The
    /// variable is `KVSPEC_JSON`.
    #[cfg(feature = "report")]
    pub fn json(mut self, file: impl Into<PathBuf>) -> Self {
        self.reports.add(&files::JSON, file.into());
        self
    }

    /// Writes JUnit XML to this file, a suite a backend; otherwise as [`html`](Self::html). The variable is `KVSPEC_JUNIT`.
    #[cfg(feature = "report")]
    pub fn junit(mut self, file: impl Into<PathBuf>) -> Self {
        self.reports.add(&files::JUNIT, file.into());
        self
    }

    /// Does what the command line asks for, as every test program does, and gives the exit code.
    pub fn run(mut self) -> ExitCode {
        let mut arguments = Arguments::from_args();
        let names = Names::take(&mut arguments);
        let only = names.only().filter(|_| is_process_per_test());
        let scenarios = match self.collect(only.as_deref()) {
            Ok(scenarios) => scenarios,
            Err(error) => return refused(error),
        };
        #[cfg(unix)]
        let signals = crate::signal::Signals::listen(self.settings.abort.clone()).ok();
        panics::record();
        let trials = Arc::new(Trials::new(self.settings, self.at_once, arguments.ignored));
        let plan = Plan::new(self.targets, &scenarios);
        let by_name = Arguments { ignored: false, ..arguments.clone() };
        let is_wanted =
            |case: &Case| !by_name.is_filtered_out(&Trial::test(case.test_name(), || Ok(())));
        let _ = trials.asked.set(Asked::of(&plan, is_wanted));
        let mut tests: Vec<_> = plan
            .shares
            .iter()
            .flat_map(|share| share.cases.iter().map(|case| (share.target.clone(), case.clone())))
            .collect();
        // Exclusive cases keep the others waiting, so they come first, and the longest waits come next.
        tests.sort_by_key(|(_, case)| {
            (case.scenario.exclusive.is_none(), std::cmp::Reverse(case.scenario.max_wait))
        });
        // A thread of its own for each, in which it waits for its turn.
        arguments.test_threads.get_or_insert(tests.len().max(1));
        let trial = |(target, case)| trials.trial(target, case, &arguments);
        #[cfg_attr(not(feature = "explore"), expect(unused_mut, reason = "one more test"))]
        let mut tests: Vec<_> = tests.into_iter().map(trial).collect();
        #[cfg(feature = "explore")]
        if let Some(programs) = explored::programs(self.programs) {
            let targets = plan.shares.iter().map(|share| share.target.clone());
            tests.extend(targets.map(|target| explored::trial(&trials, target, programs)));
        }
        if let Err(problem) = names.check(&arguments, &tests, is_process_per_test()) {
            return refused(problem);
        }
        if only.is_some() {
            // What nextest asks for runs, whatever was known of it when it was listed.
            (arguments.ignored, arguments.include_ignored) = (false, true);
        }
        let files = match self.reports.open(&arguments, &rerun()) {
            Ok(files) => files,
            Err(problem) => return refused(problem),
        };
        let conclusion = libtest_mimic::run(&arguments, tests);
        let reported = trials.reports.finish(&plan, &trials.settings.abort, files);
        // Servers go with the targets; an exit would leave them.
        drop(plan);
        #[cfg(unix)]
        if let Some(code) = signals.and_then(|signals| signals.exit_code()) {
            return ExitCode::from(code);
        }
        if let Err(problem) = reported {
            return refused(problem);
        }
        conclusion.exit_code()
    }

    /// The scenarios, or just the one of that name; the targets get their lists of known failures.
    fn collect(&mut self, only: Option<&str>) -> Result<Vec<Arc<Scenario>>, Box<dyn Error>> {
        let is_wanted = |path: &Path| {
            only.is_none_or(|name| {
                // A script that runs a second time with unread watches is in the file of the first.
                let script = Scenario::script_of(name).unwrap_or(name);
                [name, script].map(Path::new).contains(&path.with_extension("").as_path())
            })
        };
        let mut scenarios = scenario::embedded_where(&is_wanted)?;
        for folder in &self.folders {
            scenarios.extend(scenario::from_dir(folder)?);
        }
        scenario::refuse_twins(&scenarios)?;
        contract::refuse_unknown(&scenarios)?;
        // A list is judged by the whole suite; where one test is asked for, that was done when it was listed.
        self.know(only.is_none().then_some(&scenarios))?;
        Ok(scenarios.into_iter().map(Arc::new).collect())
    }

    /// Gives the targets the lists of what they are known not to do, each checked by the suite if that is given.
    fn know(&mut self, suite: Option<&Vec<Scenario>>) -> Result<(), Box<dyn Error>> {
        let names: Vec<_> = self.targets.iter().map(|target| target.name().to_owned()).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        for (backend, file) in std::mem::take(&mut self.known) {
            let backends = match backend.as_deref() {
                Some(name) if !names.contains(&name) => {
                    let all = names.join(", ");
                    return Err(format!("unknown backend '{name}': expected one of {all}").into());
                }
                Some(name) => vec![name],
                None => names.clone(),
            };
            let list = KnownFailures::from_file(&file)?;
            suite.map_or(Ok(()), |suite| list.check(suite, &backends))?;
            let named = self.targets.iter_mut().filter(|one| backends.contains(&one.name()));
            named.for_each(|target| target.know(list.clone()));
        }
        Ok(())
    }
}

impl Default for Harness {
    fn default() -> Self {
        Self::new()
    }
}

/// Says why nothing is run.
fn refused(problem: impl std::fmt::Display) -> ExitCode {
    eprintln!("{problem}");
    ExitCode::from(2)
}

/// Whether every test gets a process of its own.
fn is_process_per_test() -> bool {
    std::env::var_os("NEXTEST").is_some()
}

/// Whether the environment makes a target that is not there a failure.
pub fn is_server_required() -> bool {
    std::env::var(REQUIRE_SERVER).is_ok_and(|value| !matches!(value.as_str(), "" | "0" | "false"))
}
