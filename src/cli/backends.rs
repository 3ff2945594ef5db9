//! Backends by the names and flags of the command line.

use std::marker::PhantomData;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use clap::{Arg, ArgAction, ArgMatches, Args, Command, FromArgMatches};

use super::{Problem, said};
use crate::builtin::{self, Builtin, Flag, Given};
use crate::capability::Capabilities;
use crate::event::{Outcome, RunEvent};
use crate::mutants;
use crate::plan::Plan;
use crate::report::bar::Waiting;
use crate::report::paint::{Paint, Stream};
use crate::report::warning::warn;
use crate::runner::{Abort, Settings};
use crate::scenario::Scenario;
use crate::suite;
use crate::target::Target;

/// What stands before the name of a mutant.
const MUTANT: &str = "mutant:";

/// Accepts the names of backends, and `mutant:NAME`.
pub(super) fn name(text: &str) -> Result<String, String> {
    match text.strip_prefix(MUTANT) {
        Some(name) => mutant(name).map(|_| text.into()),
        None => builtin(text).map(|_| text.into()),
    }
}

fn mutant(name: &str) -> Result<mutants::Mutant, String> {
    let found = mutants::all().into_iter().find(|mutant| mutant.name == name);
    found.ok_or_else(|| {
        format!("unknown mutant '{name}': expected one of those that `kvspec self-check` prints")
    })
}

fn builtin(name: &str) -> Result<&'static Builtin, String> {
    builtin::find(name).ok_or_else(|| match builtin::FEATURES.contains(&name) {
        true => format!("backend '{name}' needs kvspec built with --features {name}"),
        false => {
            let names: Vec<_> = builtin::names().collect();
            format!("expected one of {}, {MUTANT}NAME", names.join(", "))
        }
    })
}

/// The flags of some backends, as clap reads them.
#[derive(Debug)]
pub(super) struct FlagArgs<F> {
    given: Given,
    of: PhantomData<F>,
}

/// Which flags of which backends, and by what names.
pub(super) trait Flags {
    fn of() -> &'static [&'static Builtin] {
        builtin::ALL
    }

    fn name(flag: &'static Flag) -> Option<&'static str>;

    /// Each flag once, with its heading and its name.
    fn all() -> Vec<(&'static str, &'static Flag, &'static str)> {
        let mut all: Vec<(&str, &Flag, &str)> = Vec::new();
        for builtin in Self::of() {
            for flag in builtin.flags.iter().filter(|flag| Self::name(flag).is_some()) {
                if all.iter().all(|(_, other, _)| other.name != flag.name) {
                    all.extend(Self::name(flag).map(|name| (builtin.heading, flag, name)));
                }
            }
        }
        all
    }
}

/// The flags of every backend.
#[derive(Debug)]
pub(super) struct Every;
pub(super) type BackendArgs = FlagArgs<Every>;

impl Flags for Every {
    fn name(flag: &'static Flag) -> Option<&'static str> {
        Some(flag.name)
    }
}

/// The flags that name another server to compare with.
#[derive(Debug)]
pub(super) struct Other;

impl Flags for Other {
    fn name(flag: &'static Flag) -> Option<&'static str> {
        flag.other
    }
}

/// The flags of etcd.
#[cfg(feature = "etcd")]
#[derive(Debug)]
pub(super) struct Etcd;

#[cfg(feature = "etcd")]
impl Flags for Etcd {
    fn of() -> &'static [&'static Builtin] {
        static ONLY: &[&Builtin] = &[&builtin::ETCD];
        ONLY
    }

    fn name(flag: &'static Flag) -> Option<&'static str> {
        Some(flag.name)
    }
}

impl<F: Flags> Args for FlagArgs<F> {
    fn augment_args(command: Command) -> Command {
        F::all().into_iter().fold(command, |command, (heading, flag, name)| {
            let help = match name == flag.name {
                true => flag.help.to_owned(),
                false => format!("--{} of the second store; all else is the same", flag.name),
            };
            let arg = Arg::new(name).long(name).help(help).help_heading(heading);
            let arg = match flag.value {
                Some(value) => arg.value_name(value),
                None => arg.action(ArgAction::SetTrue),
            };
            command.arg(flag.requires.into_iter().fold(arg, Arg::requires))
        })
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl<F: Flags> FromArgMatches for FlagArgs<F> {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let mut given = Given::default();
        for (_, flag, name) in F::all() {
            let text = match flag.value {
                Some(_) => matches.get_one::<String>(name).map(String::as_str),
                None => matches.get_flag(name).then_some(""),
            };
            text.into_iter().for_each(|text| given.set(flag, text));
        }
        Ok(Self { given, of: PhantomData })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}

impl<F> FlagArgs<F> {
    /// The flags that were given.
    #[cfg(feature = "etcd")]
    pub fn given(&self) -> &Given {
        &self.given
    }

    /// The flags that were given, as a user would type them again.
    pub fn typed(&self) -> String {
        let typed = self.given.flags().map(|(flag, value)| match flag.value {
            Some(_) => format!(" --{} {}", flag.name, super::typed(value)),
            None => format!(" --{}", flag.name),
        });
        typed.collect()
    }
}

impl BackendArgs {
    /// The names of the backends to run if none is named: those whose server a flag names, or else those of every day.
    pub fn defaults(&self) -> Vec<String> {
        let has_address = |one: &Builtin| {
            self.given.flags().any(|(flag, _)| flag.other.is_some() && one.flags.contains(flag))
        };
        let mut addressed: Vec<_> = builtin::ALL.iter().filter(|one| has_address(one)).collect();
        // Of several backends on one server the first is meant.
        addressed.dedup_by_key(|one| one.heading);
        let every_day = builtin::ALL.iter().filter(|one| one.is_default);
        let chosen = if addressed.is_empty() { every_day.collect() } else { addressed };
        chosen.into_iter().map(|one| one.name.to_owned()).collect()
    }

    /// The target of that name, not opened yet; fails if a flag of any backend is wrong.
    pub fn target(&self, name: &str, abort: &Abort) -> Result<Target, Problem> {
        let is_given = |one: &Builtin| self.given.flags().any(|(flag, _)| one.flags.contains(flag));
        for one in builtin::ALL.iter().filter(|one| is_given(one)) {
            (one.target)(&self.given, abort.clone()).map_err(said)?;
        }
        match name.strip_prefix(MUTANT) {
            Some(mutant_name) => Ok(Target::new(mutant(mutant_name).map_err(said)?).called(name)),
            None => {
                let builtin = builtin(name).map_err(said)?;
                (builtin.target)(&self.given, abort.clone()).map_err(said)
            }
        }
    }

    /// The target whose server is that program, started for it.
    pub fn program(&self, program: &Program, abort: &Abort) -> Result<Target, Problem> {
        let mut given = self.given.clone();
        given.program = Some(program.path.clone());
        (program.backend.target)(&given, abort.clone()).map_err(said)
    }

    /// The same flags, but for those that name another server.
    pub fn with(&self, other: &FlagArgs<Other>) -> Self {
        let mut given = self.given.clone();
        other.given.flags().for_each(|(flag, value)| given.set(flag, value));
        Self { given, of: PhantomData }
    }
}

/// A program to start as the server of a backend.
#[derive(Debug, Clone)]
pub(super) struct Program {
    backend: &'static Builtin,
    path: PathBuf,
}

impl FromStr for Program {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let program = text.split_once(':').and_then(|(name, path)| {
            let backend =
                builtin::find(name).filter(|one| one.takes_program && !path.is_empty())?;
            Some(Self { backend, path: path.into() })
        });
        program.ok_or_else(|| "expected BACKEND:PROGRAM, such as etcd:/usr/bin/etcd".into())
    }
}
/// What a run of the scenarios on one target gave.
pub(super) struct Ran {
    /// What became of every case, sorted by name.
    pub outcomes: Vec<Outcome>,
    /// What the target's stores can do; `None` if it could not be opened.
    pub capabilities: Option<Capabilities>,
    /// The target's name.
    pub name: String,
    /// What it is, or why it is not there.
    pub about: String,
}

/// Runs the scenarios on one target with nothing reported but that it is being waited for.
pub(super) fn run_one(
    target: Target,
    scenarios: &[Arc<Scenario>],
    settings: &Settings,
) -> Result<Ran, Problem> {
    let name = target.name().to_string();
    let _waiting = Waiting::new(format!("running {name}"));
    let mut plan = Plan::new(vec![target], scenarios);
    plan.open();
    let ready = plan.shares[0].target.ready();
    let about = ready.map_or_else(|missing| missing.reason.clone(), |ready| ready.about.clone());
    if let Err(unavailable) = ready {
        warn(unavailable, Paint::auto(Stream::Stderr))?;
    }
    let mut outcomes = Vec::new();
    let mut collect = |event: RunEvent<'_>| {
        if let RunEvent::CaseFinished { outcome } = event {
            outcomes.push(outcome.clone());
        }
        Ok(())
    };
    let summary = suite::run(&plan, settings, None, &mut collect)?;
    if let Some(reason) = summary.ended_early {
        return Err(said(format!("the run ended early: {reason}")));
    }
    let capabilities = plan.shares[0].target.capabilities();
    outcomes.sort_by(|one, other| one.case.scenario.name.cmp(&other.case.scenario.name));
    Ok(Ran { outcomes, capabilities, name, about })
}
