//! What a test program reports next to its tests: failures as they come, a table at the end, and files.

use std::io::{self, Stderr};
#[cfg(feature = "report")]
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use libtest_mimic::Arguments;

use super::is_process_per_test;
use crate::event::{Outcome, RunEvent};
use crate::plan::{Case, Plan, Rerun};
use crate::report::Reporter;
#[cfg(feature = "report")]
use crate::report::files::{Asked, Files, KINDS, Kind};
use crate::report::paint::{Paint, Stream};
use crate::report::terminal::{Detail, Terminal};
use crate::runner::Abort;
use crate::suite;
use crate::verdict::Verdict;

/// The variable that names the file of a page, as [`Harness::html`](super::Harness::html) does.
pub const HTML: &str = "KVSPEC_HTML";

/// The variable that names the file of a recorded run, as [`Harness::json`](super::Harness::json) does.
pub const JSON: &str = "KVSPEC_JSON";

/// The variable that names the file of JUnit XML, as [`Harness::junit`](super::Harness::junit) does.
pub const JUNIT: &str = "KVSPEC_JUNIT";

/// The files that are asked for.
#[derive(Default)]
pub(super) struct Wanted {
    #[cfg(feature = "report")]
    files: Vec<Asked>,
}

impl Wanted {
    #[cfg(feature = "report")]
    pub fn add(&mut self, kind: &'static Kind, file: PathBuf) {
        self.files.push(Asked { kind, by: format!("Harness::{}", kind.name), file });
    }

    /// Opens the files, those of the environment too; fails if one cannot be written, and touches none then.
    ///
    /// Opens none where nothing is run, or a process runs one test and would leave a report of just that.
    #[cfg(feature = "report")]
    pub fn open(mut self, arguments: &Arguments, rerun: &Rerun) -> Result<Option<Files>, String> {
        self.files.extend(KINDS.iter().filter_map(|kind| {
            let by = format!("KVSPEC_{}", kind.name.to_uppercase());
            let file = std::env::var_os(&by).filter(|file| !file.is_empty())?;
            Some(Asked { kind, by, file: file.into() })
        }));
        if self.files.is_empty() || arguments.list || is_process_per_test() {
            return Ok(None);
        }
        Files::open(&self.files, rerun).map(Some)
    }

    /// Fails if the environment asks for a file: what writes it is not in this build.
    #[cfg(not(feature = "report"))]
    pub fn open(self, _arguments: &Arguments, _rerun: &Rerun) -> Result<Option<Files>, String> {
        let asked = [HTML, JSON, JUNIT].into_iter();
        let mut asked =
            asked.filter(|name| std::env::var_os(name).is_some_and(|one| !one.is_empty()));
        asked.next().map_or(Ok(None), |name| {
            Err(format!("cannot write the report of {name}: it needs kvspec's feature `report`"))
        })
    }
}

/// No files: what writes them is not in this build.
#[cfg(not(feature = "report"))]
pub(super) enum Files {}

#[cfg(not(feature = "report"))]
impl Files {
    fn take(&mut self, _event: &RunEvent<'_>) {
        match *self {}
    }

    fn failed(self) -> Vec<(String, io::Error)> {
        match self {}
    }
}

/// What became of the tests so far.
pub(super) struct Reports {
    at: SystemTime,
    told: Mutex<Told>,
}

struct Told {
    terminal: Terminal<Stderr>,
    /// With the moment at which each was over.
    outcomes: Vec<(Instant, Outcome)>,
}

impl Reports {
    pub fn new(rerun: Rerun) -> Self {
        let terminal = Terminal::new(io::stderr(), Paint::auto(Stream::Stderr), false, rerun);
        let told = Told { terminal: terminal.detail(Detail::Quiet), outcomes: Vec::new() };
        Self { at: SystemTime::now(), told: Mutex::new(told) }
    }

    /// Takes what became of a case, and shows it if it did not pass.
    pub fn take(&self, outcome: &Outcome) {
        let mut told = self.told();
        // No one reads it any more, which is no reason to run no tests.
        let _ = told.terminal.take(&RunEvent::CaseFinished { outcome });
        told.outcomes.push((Instant::now(), outcome.clone()));
    }

    /// Takes a case that was not run, and shows nothing of it.
    pub fn take_unrun(&self, case: &Case, verdict: Verdict) {
        let (case, took) = (case.clone(), Duration::ZERO);
        let outcome = Outcome { case, verdict, transcript: None, took };
        let mut told = self.told();
        told.terminal.count(&outcome);
        told.outcomes.push((Instant::now(), outcome));
    }

    /// Closes with a table, and writes the files. Fails with what could not be written.
    pub fn finish(
        &self,
        plan: &Plan,
        abort: &Abort,
        mut files: Option<Files>,
    ) -> Result<(), String> {
        let mut told = self.told();
        let outcomes = std::mem::take(&mut told.outcomes);
        if outcomes.is_empty() || is_process_per_test() {
            return Ok(());
        }
        suite::tell(plan, self.at, abort, outcomes, &mut |event| {
            if let Some(files) = &mut files {
                files.take(&event);
            }
            match event {
                RunEvent::TargetStarted { .. } | RunEvent::Finished { .. } => {
                    told.terminal.take(&event)
                }
                _ => Ok(()),
            }
        })
        .map_err(|error| format!("the table cannot be written: {error}"))?;
        let failed = files.map(Files::failed).unwrap_or_default();
        let failed: Vec<_> = failed
            .iter()
            .map(|(place, error)| format!("the report {place} is not whole: {error}"))
            .collect();
        if failed.is_empty() { Ok(()) } else { Err(failed.join("\n")) }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the end of the test program repeats of a failure that was shown when it came.
pub(super) fn in_short(outcome: &Outcome) -> String {
    match &outcome.verdict {
        Verdict::Failed(mismatch) if mismatch.missing.is_some() => {
            mismatch.missing.clone().unwrap_or_default()
        }
        Verdict::Failed(mismatch) => format!(
            "{}\n  line {}: {}\n  (shown in full above)",
            outcome.case.scenario.title, mismatch.line, mismatch.command
        ),
        Verdict::Passed | Verdict::Known(..) => String::new(),
        Verdict::Skipped(reason)
        | Verdict::Stale(reason)
        | Verdict::Unclear(reason)
        | Verdict::Errored(reason) => format!("{reason}\n  (shown in full above)"),
    }
}
