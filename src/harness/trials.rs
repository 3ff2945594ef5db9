//! The tests of one program: how each is run, and what becomes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::calls::Asked;
use super::reports::{Reports, in_short};
use super::{is_process_per_test, is_server_required};
use crate::event::Outcome;
use crate::plan::{Case, Rerun};
use crate::report::paint::{Paint, Stream};
use crate::report::warning::warn;
use crate::runner::Settings;
use crate::session::panics;
use crate::suite::Floor;
use crate::target::{Ready, Target, Unavailable};
use crate::verdict::Verdict;

/// Why the tests of a target are ignored that would each start a server of its own.
pub(super) const ONE_EACH: &str = "under nextest every test would start a server of its own; `kvspec serve -- cargo nextest run` \
    starts one for all";

/// What all tests of one program share.
pub(super) struct Trials {
    pub settings: Settings,
    /// Whether ignored tests were asked for: nextest counts one that runs as passed, so it must not end as ignored.
    is_ignored_asked: bool,
    at_once: Option<usize>,
    /// Where the cases of each target run, made when the first begins.
    floors: Mutex<BTreeMap<String, Arc<Floor>>>,
    /// The targets that were warned of, and the panics that were reported.
    warned: Mutex<BTreeSet<String>>,
    /// The targets that cannot be tested, and the test that says why.
    failed: Mutex<BTreeMap<String, String>>,
    pub reports: Reports,
    pub asked: OnceLock<Asked>,
}

impl Trials {
    pub fn new(settings: Settings, at_once: Option<usize>, is_ignored_asked: bool) -> Self {
        let (floors, warned, failed, asked) = Default::default();
        let reports = Reports::new(rerun());
        Self { settings, is_ignored_asked, at_once, floors, warned, failed, reports, asked }
    }

    pub fn floor(&self, target: &Target, ready: &Ready) -> Arc<Floor> {
        let mut floors = self.floors.lock().unwrap_or_else(PoisonError::into_inner);
        let new = || Arc::new(Floor::new(ready, &self.settings, self.at_once));
        floors.entry(target.name().into()).or_insert_with(new).clone()
    }

    pub fn trial(
        self: &Arc<Self>,
        target: Arc<Target>,
        case: Case,
        arguments: &Arguments,
    ) -> Trial {
        let trials = self.clone();
        let fails =
            target.known(&case.scenario.name, None).is_some_and(|known| known.tries.is_none());
        let (name, kind) = (case.test_name(), if fails { "known to fail" } else { "" });
        let by_name = Arguments { ignored: false, ..arguments.clone() };
        let (of, tested) = (target.clone(), case.clone());
        let trial = Trial::ignorable_test(name, move || trials.run(&of, &tested)).with_kind(kind);
        // Ignored in the listing already, so that nextest counts them as skipped and not as passed.
        let is_ignored = is_process_per_test()
            && !by_name.is_filtered_out(&trial)
            && self.is_skipped_for_sure(&target, &case, arguments.list);
        trial.with_ignored_flag(is_ignored)
    }

    fn run(&self, target: &Target, case: &Case) -> Result<Completion, Failed> {
        if is_process_per_test() && target.starts_a_server() {
            return match is_server_required() {
                true => Err(Failed::from(ONE_EACH)),
                false => self.skipped(case, ONE_EACH),
            };
        }
        let ready = match target.ready() {
            Ok(ready) => ready,
            Err(unavailable) => return self.without(target, case, unavailable),
        };
        let case = &case.settled(target);
        if let Some(reason) = &case.skip {
            return self.skipped(case, reason);
        }
        let floor = self.floor(target, ready);
        if let Err(said) = floor.preflight(target, ready) {
            return self.fail_once(
                target,
                case,
                &format!("{} cannot be tested: {said}", target.name()),
            );
        }
        let found = self.asked.get().map(|asked| asked.find(&floor, target, ready));
        let case = &case.settled(target);
        if let Some(reason) = &case.skip {
            return self.skipped(case, reason);
        }
        let found = found.as_ref().and_then(|found| found.get());
        let mut outcome = match found.and_then(|found| found.outcome(&case.scenario.name)) {
            Some(outcome) => outcome.clone(),
            None => floor.run(floor.queue(case), ready, || {}),
        };
        let panics = panics::of_tasks(&panics::case_name(target.name(), &case.scenario.name));
        let panics = panics.iter().map(|said| format!("a task of the store panicked: {said}"));
        match &mut outcome.verdict {
            Verdict::Failed(mismatch) => mismatch.notes.extend(panics),
            _ => panics.for_each(|said| self.warn_once(&case.test_name(), said)),
        }
        self.completion(&outcome)
    }

    /// Whether a case is skipped by what is known of its target without starting a server. When tests are listed, that
    /// includes what the tests about one function each find.
    fn is_skipped_for_sure(&self, target: &Target, case: &Case, is_listing: bool) -> bool {
        if target.starts_a_server() {
            return !is_server_required();
        }
        // A target that is not there says so when a case runs.
        let Ok(ready) = target.ready() else { return false };
        if is_listing && let Some(asked) = self.asked.get() {
            let floor = self.floor(target, ready);
            if floor.preflight(target, ready).is_ok() {
                asked.find(&floor, target, ready);
            }
        }
        target.lacks(&case.scenario).is_some()
    }

    fn completion(&self, outcome: &Outcome) -> Result<Completion, Failed> {
        self.reports.take(outcome);
        match &outcome.verdict {
            Verdict::Passed => Ok(Completion::Completed),
            Verdict::Skipped(reason) => self.ignored(reason),
            Verdict::Known(reason, _) => {
                Ok(Completion::ignored_with(format!("known to fail: {reason}")))
            }
            Verdict::Errored(reason) if outcome.is_unfinished() => {
                // Whatever ended this one early, the others need not each wait to find out.
                self.settings.abort.throw();
                Err(Failed::from(reason))
            }
            _ => Err(Failed::from(in_short(outcome))),
        }
    }

    /// A case that cannot run here.
    fn skipped(&self, case: &Case, reason: impl std::fmt::Display) -> Result<Completion, Failed> {
        self.reports.take_unrun(case, Verdict::Skipped(reason.to_string()));
        self.ignored(reason)
    }

    /// A skip; a failure where the test was asked for although it is listed as ignored.
    fn ignored(&self, reason: impl std::fmt::Display) -> Result<Completion, Failed> {
        match self.is_ignored_asked && is_process_per_test() {
            true => Err(Failed::from(format!("this test cannot run: {reason}"))),
            false => Ok(Completion::ignored_with(reason)),
        }
    }

    /// A target that is not there: reported once in red, and a reason to skip unless a server is required.
    fn without(
        &self,
        target: &Target,
        case: &Case,
        why: &Unavailable,
    ) -> Result<Completion, Failed> {
        if why.is_named || is_server_required() {
            return self.fail_once(target, case, &why.story);
        }
        let is_first = self.is_first(target.name().into());
        if is_first {
            let _ = warn(why, Paint::auto(Stream::Stderr));
        }
        self.skipped(case, &why.reason)
    }

    /// Fails the first test of a target that cannot be tested with the whole story, and has the others refer to it.
    fn fail_once(&self, target: &Target, case: &Case, story: &str) -> Result<Completion, Failed> {
        let mut failed = self.failed.lock().unwrap_or_else(PoisonError::into_inner);
        match failed.get(target.name()) {
            Some(first) => {
                let reason = format!("{} cannot be tested: {first} says why", target.name());
                self.reports.take_unrun(case, Verdict::Skipped(reason.clone()));
                Ok(Completion::ignored_with(reason))
            }
            None => {
                failed.insert(target.name().into(), case.test_name());
                self.reports.take_unrun(case, Verdict::Errored(story.into()));
                Err(Failed::from(story))
            }
        }
    }

    fn warn_once(&self, test: &str, said: String) {
        if self.is_first(said.clone()) {
            eprintln!("{test}: {said}");
        }
    }

    fn is_first(&self, said: String) -> bool {
        self.warned.lock().unwrap_or_else(PoisonError::into_inner).insert(said)
    }
}

/// The command that runs this program's tests, up to their names.
pub(super) fn rerun() -> Rerun {
    let path = std::env::current_exe().unwrap_or_default();
    let folder = path.parent().and_then(Path::file_name).unwrap_or_default();
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    Rerun::Tests(match folder.to_str() {
        Some("deps") => format!("cargo test --test {} --", unhashed(&name)),
        Some("examples") => format!("cargo run --example {} --", unhashed(&name)),
        _ => path.display().to_string(),
    })
}

/// A program's name without the hash that cargo puts behind those of tests.
fn unhashed(name: &str) -> &str {
    let is_hash =
        |hash: &str| hash.len() == 16 && hash.bytes().all(|byte| byte.is_ascii_hexdigit());
    name.rsplit_once('-').filter(|(_, hash)| is_hash(hash)).map_or(name, |(name, _)| name)
}
