//! Which scenarios run against which targets, and which are skipped for what reason.

mod shard;

use std::sync::Arc;

pub use self::shard::{JOB_INDEX, SHARDS, Shard, ShardError};
use crate::known::Known;
use crate::missing::is_about_a_call;
use crate::scenario::{self, Scenario};
use crate::target::Target;

/// One scenario against one target.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Case {
    /// The name of the backend.
    pub backend: String,
    /// The scenario.
    pub scenario: Arc<Scenario>,
    /// Why it is not run, if that is known.
    pub skip: Option<String>,
    /// What a list of known failures says of it.
    pub known: Option<Known>,
}

impl Case {
    /// The case of a scenario on a backend, which nothing is known to keep from running or passing.
    pub fn new(backend: impl Into<String>, scenario: Arc<Scenario>) -> Self {
        Self { backend: backend.into(), scenario, skip: None, known: None }
    }

    /// The name as `cargo test` shows it: `etcd::core::watch::two-updates-one-key`.
    pub fn test_name(&self) -> String {
        format!("{}::{}", self.backend, self.scenario.name.replace('/', "::"))
    }

    /// The case with why it is skipped and what is known of it, now that the target can be opened.
    pub fn settled(&self, target: &Target) -> Self {
        let skip = target.lacks(&self.scenario);
        let version = target.ready().ok().and_then(|ready| ready.backend.version());
        let known = target.known(&self.scenario.name, version.as_deref()).cloned();
        Self { skip, known, ..self.clone() }
    }

    /// The command that runs just this case.
    pub fn rerun(&self, rerun: &Rerun) -> String {
        match rerun {
            Rerun::Kvspec(command) => {
                format!("{command} --backend {} --exact {}", self.backend, self.scenario.name)
            }
            Rerun::Tests(command) => format!("{command} --exact {}", self.test_name()),
        }
    }
}

/// A command that runs one case, up to what names the case.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rerun {
    /// One of kvspec's own, which takes a backend and a scenario.
    Kvspec(String),
    /// One that runs tests, by the names that `cargo test` shows.
    Tests(String),
}

impl From<&str> for Rerun {
    fn from(command: &str) -> Self {
        Self::Kvspec(command.into())
    }
}

impl From<String> for Rerun {
    fn from(command: String) -> Self {
        Self::Kvspec(command)
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
    /// A hash of all scenarios, those of other shards too.
    pub suite: String,
    /// Those about one function each, of all shards: what they find decides which others are run.
    pub(crate) calls: Vec<Arc<Scenario>>,
    /// Which part of them this is, if it is a part.
    pub shard: Option<Shard>,
}

/// Which scenarios are wanted.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Parts of names, or with `exact` whole ones; everything if there is none.
    pub patterns: Vec<String>,
    /// Whether a pattern must be the whole name.
    pub exact: bool,
    /// Parts of names that are not wanted.
    pub skip: Vec<String>,
}

/// A filter that leaves nothing to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FilterError {
    /// A pattern that no scenario's name matches, and the name that is closest to it.
    #[error("no scenario matches '{pattern}'{}; `kvspec list` names them all", did_you_mean(.close))]
    Pattern {
        /// The pattern.
        pattern: String,
        /// A name that is nearly the same, if one is.
        close: Option<String>,
    },
    /// Everything that was wanted is skipped.
    #[error("every scenario is filtered out; `kvspec list` names them all")]
    Nothing,
}

impl Filter {
    /// The scenarios that are wanted.
    ///
    /// Fails where a pattern matches none, and if there is none left.
    pub fn choose(&self, scenarios: Vec<Scenario>) -> Result<Vec<Arc<Scenario>>, FilterError> {
        let unmatched = self
            .patterns
            .iter()
            .find(|pattern| !scenarios.iter().any(|one| self.matches(pattern, one)));
        if let Some(pattern) = unmatched {
            let names: Vec<_> = scenarios.iter().map(|one| one.name.as_str()).collect();
            let close = close_name(&slashed(pattern), &names, "/");
            return Err(FilterError::Pattern { pattern: pattern.clone(), close });
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

/// The name, or the last part of one after `separator`, that is nearly the pattern.
pub(crate) fn close_name(pattern: &str, names: &[&str], separator: &str) -> Option<String> {
    let lasts: Vec<_> =
        names.iter().map(|name| name.rsplit(separator).next().unwrap_or_default()).collect();
    let closest = |among: &[&str]| {
        let found = *similar::get_close_matches(pattern, among, 1, 0.75).first()?;
        among.iter().position(|one| *one == found)
    };
    closest(names).or_else(|| closest(&lasts)).map(|place| names[place].into())
}

fn did_you_mean(close: &Option<String>) -> String {
    close.as_ref().map_or(String::new(), |close| format!(" (did you mean '{close}'?)"))
}

/// A name as `cargo test` shows it, with the slashes of the scenario's own.
fn slashed(name: &str) -> String {
    name.replace("::", "/")
}

impl Plan {
    /// Plans every scenario for every target, without opening any.
    pub fn new(targets: Vec<Target>, scenarios: &[Arc<Scenario>]) -> Self {
        let share = |target: Target| {
            let case = |scenario: &Arc<Scenario>| Case::new(target.name(), scenario.clone());
            let cases = scenarios.iter().map(case).collect();
            Share { target: Arc::new(target), cases }
        };
        let suite = scenario::suite_hash(scenarios.iter().map(Arc::as_ref));
        let calls = scenarios.iter().filter(|one| is_about_a_call(&one.name)).cloned().collect();
        Self { shares: targets.into_iter().map(share).collect(), suite, calls, shard: None }
    }

    /// Plans the scenarios of one shard for every target.
    ///
    /// Fails if there are more shards than scenarios.
    pub fn part(
        targets: Vec<Target>,
        scenarios: &[Arc<Scenario>],
        shard: Shard,
    ) -> Result<Self, ShardError> {
        let suite = scenario::suite_hash(scenarios.iter().map(Arc::as_ref));
        let plan = Self::new(targets, &shard.of(scenarios)?);
        let calls = scenarios.iter().filter(|one| is_about_a_call(&one.name)).cloned().collect();
        Ok(Self { suite, calls, shard: Some(shard), ..plan })
    }

    /// Opens every target, and marks what cannot run as skipped and what is known to fail.
    pub fn open(&mut self) {
        self.shares.iter_mut().for_each(Share::open);
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
        for case in &mut self.cases {
            *case = case.settled(&self.target);
        }
    }
}
