//! Backends by the names that the command line calls them.

use super::{Problem, said};
use crate::builtin;
use crate::mutants;
use crate::runner::Abort;
#[cfg(feature = "etcd")]
use crate::server::ServerOptions;
use crate::target::Target;

/// What stands before the name of a mutant.
const MUTANT: &str = "mutant:";

/// What the targets need to be opened.
pub(super) struct Openers<'a> {
    #[cfg(feature = "etcd")]
    pub server: &'a ServerOptions,
    pub abort: &'a Abort,
}

/// Accepts the names of backends, and `mutant:NAME`.
pub(super) fn name(text: &str) -> Result<String, String> {
    let is_mutant = |name: &str| mutants::all().iter().any(|mutant| mutant.name == name);
    match text.strip_prefix(MUTANT) {
        Some(name) if is_mutant(name) => Ok(text.into()),
        Some(name) => Err(format!("'{name}' is no mutant; `kvspec self-check` names them all")),
        None if builtin::NAMES.contains(&text) => Ok(text.into()),
        None => Err(format!("there are: {}, and {MUTANT}NAME", builtin::NAMES.join(", "))),
    }
}

impl Openers<'_> {
    /// The target of that name, not opened yet.
    pub fn target(&self, name: &str) -> Result<Target, Problem> {
        if let Some(mutant) = name.strip_prefix(MUTANT) {
            let found = mutants::all().into_iter().find(|one| one.name == mutant);
            return found
                .map(|mutant| Target::new(mutant).called(name))
                .ok_or_else(|| said(format!("'{mutant}' is no mutant")));
        }
        match name {
            "memory" => Ok(builtin::memory_target()),
            #[cfg(feature = "etcd")]
            "etcd" => Ok(builtin::etcd_target(self.server.clone(), self.abort.clone())),
            #[cfg(feature = "etcd-v2")]
            "etcd-v2" => Ok(builtin::etcd_v2_target(self.server.clone(), self.abort.clone())),
            _ => Err(said(format!(
                "{name} is not in this kvspec; there are: {}",
                builtin::NAMES.join(", ")
            ))),
        }
    }
}
