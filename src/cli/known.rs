//! Which lists of known failures the command line names, over those that are in the program.

use std::path::Path;

use clap::Args as Group;

use super::{Problem, backends, said};
use crate::builtin;
use crate::known::KnownFailures;
use crate::missing::CALLS;
use crate::scenario::Scenario;
use crate::target::Target;

/// The lists of known failures to use, and the functions that a store may lack.
#[derive(Debug, Group)]
pub(super) struct KnownArgs {
    #[command(flatten)]
    lists: ListsArgs,
    /// Functions that the store may lack: scenarios in calls/, such as delete.
    #[arg(long, value_name = "CALL", value_delimiter = ',')]
    pub without: Vec<String>,
}

/// The lists of known failures to use.
#[derive(Debug, Group)]
pub(super) struct ListsArgs {
    /// Known failures of one backend, or of all; overrides the lists that are part of the program.
    #[arg(long, value_name = "[BACKEND=]FILE")]
    pub known_failures: Vec<String>,
    /// Scenarios that fail only sometimes, in the same format.
    #[arg(long, value_name = "[BACKEND=]FILE")]
    pub known_flaky: Vec<String>,
    /// Ignore the lists that are part of the program (etcd by version, etcd v2, Redis).
    #[arg(long)]
    pub no_known_failures: bool,
}

impl KnownArgs {
    /// Gives the targets their lists; refuses a list with a line that matches no scenario.
    pub fn apply(&self, suite: &[Scenario], targets: &mut [Target]) -> Result<(), Problem> {
        self.lists.forget(targets);
        for call in &self.without {
            let list = without(call, suite)?;
            targets.iter_mut().for_each(|target| target.know(list.clone()));
        }
        self.lists.add(suite, targets)
    }
}

impl ListsArgs {
    /// Gives the targets their lists; refuses a list with a line that matches no scenario.
    pub fn apply(&self, suite: &[Scenario], targets: &mut [Target]) -> Result<(), Problem> {
        self.forget(targets);
        self.add(suite, targets)
    }

    fn forget(&self, targets: &mut [Target]) {
        if self.no_known_failures {
            targets.iter_mut().for_each(Target::forget_known_failures);
        }
    }

    fn add(&self, suite: &[Scenario], targets: &mut [Target]) -> Result<(), Problem> {
        let sure = self.known_failures.iter().map(|spec| (spec, false));
        let flaky = self.known_flaky.iter().map(|spec| (spec, true));
        for (spec, is_flaky) in sure.chain(flaky) {
            let (backend, list) = read(spec)?;
            let run: Vec<_> = targets.iter().map(|target| target.name().to_owned()).collect();
            let others =
                run.iter().map(String::as_str).filter(|name| builtin::find(name).is_none());
            // A list of several backends may be used where only some of them are run.
            let all = builtin::names().map(|name| -> &str { name }).chain(others);
            let backends: Vec<_> = match &backend {
                Some(backend) => vec![backend.as_str()],
                None => all.collect(),
            };
            list.check(suite, &backends).map_err(said)?;
            let list = if is_flaky { list.flaky() } else { list };
            let is_meant =
                |target: &Target| backend.as_ref().is_none_or(|name| target.name() == name);
            let meant = targets.iter_mut().filter(|target| is_meant(target));
            meant.for_each(|target| target.know(list.clone()));
        }
        Ok(())
    }
}

/// The list that forgives the lack of one function.
fn without(call: &str, suite: &[Scenario]) -> Result<KnownFailures, Problem> {
    let calls = suite.iter().filter_map(|one| one.name.strip_prefix(CALLS));
    let calls: Vec<_> = calls.collect();
    if !calls.contains(&call) {
        let all = calls.join(", ");
        return Err(said(format!("--without: unknown call '{call}': expected one of {all}")));
    }
    let line = format!("{CALLS}{call} # --without {call}");
    KnownFailures::parse(Path::new("--without"), &line).map_err(said)
}

/// Reads `[BACKEND=]FILE`, and the list in the file.
fn read(spec: &str) -> Result<(Option<String>, KnownFailures), Problem> {
    let (backend, file) = match spec.split_once('=') {
        Some((backend, file)) => (Some(backends::name(backend).map_err(said)?), file),
        None => (None, spec),
    };
    Ok((backend, KnownFailures::from_file(Path::new(file)).map_err(said)?))
}
