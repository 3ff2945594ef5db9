//! Which scenarios run against which targets, and which are skipped for what reason.

use std::sync::Arc;

use crate::known::{Known, KnownFailures};
use crate::scenario::Scenario;
use crate::target::Target;

/// One scenario against one target.
#[derive(Debug, Clone)]
pub struct Case {
    /// The name of the backend.
    pub backend: String,
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Why it is not run, where that is known.
    pub skip: Option<String>,
    /// What a list of known failures says of it.
    pub known: Option<Known>,
}

impl Case {
    /// The name as `cargo test` shows it: `etcd::core::watch::two-updates-one-key`.
    pub fn test_name(&self) -> String {
        format!("{}::{}", self.backend, self.scenario.name.replace('/', "::"))
    }

    /// The command that runs just this case, where `command` is what comes before its backend and name.
    pub fn rerun(&self, command: &str) -> String {
        format!("{command} --backend {} --exact {}", self.backend, self.scenario.name)
    }
}

/// The cases of one target.
pub struct Share {
    /// The target.
    pub target: Arc<Target>,
    /// Its cases, sorted by name.
    pub cases: Vec<Case>,
}

/// Everything that a run is going to do.
pub struct Plan {
    /// The targets, in the order in which they are run.
    pub shares: Vec<Share>,
}

/// Which scenarios are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Parts of names, or with `exact` whole ones; everything where there is none.
    pub patterns: Vec<String>,
    /// Whether a pattern must be the whole name.
    pub exact: bool,
    /// Parts of names that are not wanted.
    pub skip: Vec<String>,
}

/// A filter that leaves nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A pattern that no scenario's name matches.
    #[error("no scenario matches '{0}'; `kvspec list` names them all")]
    Pattern(String),
    /// Everything that was wanted is skipped.
    #[error("every scenario is filtered out; `kvspec list` names them all")]
    Nothing,
}

impl Filter {
    /// The scenarios that are wanted.
    ///
    /// Fails where a pattern matches none, and where none is left.
    pub fn choose(&self, scenarios: Vec<Scenario>) -> Result<Vec<Arc<Scenario>>, FilterError> {
        let unmatched = self
            .patterns
            .iter()
            .find(|pattern| !scenarios.iter().any(|one| self.matches(pattern, one)));
        if let Some(pattern) = unmatched {
            return Err(FilterError::Pattern(pattern.clone()));
        }
        let wanted = |one: &Scenario| {
            (self.patterns.is_empty()
                || self.patterns.iter().any(|pattern| self.matches(pattern, one)))
                && !self.skip.iter().any(|part| one.name.contains(&slashed(part)))
        };
        let chosen: Vec<_> = scenarios.into_iter().filter(wanted).map(Arc::new).collect();
        if chosen.is_empty() { Err(FilterError::Nothing) } else { Ok(chosen) }
    }

    fn matches(&self, pattern: &str, scenario: &Scenario) -> bool {
        let pattern = slashed(pattern);
        if self.exact { scenario.name == pattern } else { scenario.name.contains(&pattern) }
    }
}

/// A name as `cargo test` shows it, with the slashes of the scenario's own.
fn slashed(name: &str) -> String {
    name.replace("::", "/")
}

impl Plan {
    /// Plans every scenario for every target, without opening any.
    pub fn new(targets: Vec<Target>, scenarios: &[Arc<Scenario>]) -> Self {
        let case = |target: &Target, scenario: &Arc<Scenario>| Case {
            backend: target.name().into(),
            scenario: scenario.clone(),
            skip: None,
            known: None,
        };
        let share = |target: Target| {
            let cases = scenarios.iter().map(|scenario| case(&target, scenario)).collect();
            Share { target: Arc::new(target), cases }
        };
        Self { shares: targets.into_iter().map(share).collect() }
    }

    /// Opens every target, and marks what cannot run as skipped.
    pub fn open(&mut self) {
        self.shares.iter_mut().for_each(Share::open);
    }

    /// Marks what a list of known failures says of the cases of a backend, or of all backends.
    pub fn know(&mut self, backend: Option<&str>, list: &KnownFailures) {
        let shares = self.shares.iter_mut();
        let named = shares.filter(|share| backend.is_none_or(|name| share.target.name() == name));
        for case in named.flat_map(|share| &mut share.cases) {
            let known = list.find(&case.scenario.name).cloned();
            case.known = known.or(case.known.take());
        }
    }

    /// The scenarios, in the order of their names.
    pub fn scenarios(&self) -> impl Iterator<Item = &Scenario> {
        let cases = self.shares.first().map_or(&[][..], |share| &share.cases);
        cases.iter().map(|case| case.scenario.as_ref())
    }

    /// How many cases there are.
    pub fn len(&self) -> usize {
        self.shares.iter().map(|share| share.cases.len()).sum()
    }

    /// Whether there is no case at all.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Share {
    fn open(&mut self) {
        let ready = self.target.ready();
        for case in &mut self.cases {
            case.skip = match ready {
                Ok(ready) => ready.lacks(&case.scenario),
                Err(unavailable) => Some(unavailable.reason.clone()),
            };
        }
    }
}
