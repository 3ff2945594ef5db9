//! A part of a run that a machine of its own takes.

use std::cmp::Reverse;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::scenario::Scenario;

/// Set by Kubernetes in the pods of an Indexed Job: the shard's number, counted from 0.
pub const JOB_INDEX: &str = "JOB_COMPLETION_INDEX";

/// How many shards there are, where [`JOB_INDEX`] says which one this is.
pub const SHARDS: &str = "KVSPEC_SHARDS";

/// What one command is expected to take where nothing waits for a TTL.
const COMMAND: Duration = Duration::from_millis(20);

/// Shard `index` of `count`, written `2/4`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "Numbers")]
pub struct Shard {
    index: usize,
    count: usize,
}

/// A shard that is not one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShardError {
    /// A text that is not `K/N`, or a `K` that is not among the `N`.
    #[error("invalid shard '{0}': expected K/N with K from 1 to N, such as 2/4")]
    Invalid(String),
    /// Variables of the environment that do not fit together.
    #[error("invalid {variable} '{value}': expected {expected}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What it is set to.
        value: String,
        /// What it should be set to.
        expected: String,
    },
    /// More shards than scenarios.
    #[error(
        "cannot split {scenarios} scenarios into {count} shards: each shard needs at least one"
    )]
    TooMany {
        /// How many scenarios there are.
        scenarios: usize,
        /// How many shards were asked for.
        count: usize,
    },
}

impl Shard {
    /// Shard `index`, counted from 1, of `count`.
    pub fn new(index: usize, count: usize) -> Result<Self, ShardError> {
        match (1..=count).contains(&index) {
            true => Ok(Self { index, count }),
            false => Err(ShardError::Invalid(format!("{index}/{count}"))),
        }
    }

    /// Which one it is, counted from 1.
    pub fn index(self) -> usize {
        self.index
    }

    /// How many there are.
    pub fn count(self) -> usize {
        self.count
    }

    /// The shard of a pod of a Kubernetes Indexed Job, by the values of [`JOB_INDEX`] and [`SHARDS`].
    ///
    /// `None` if [`SHARDS`] is not set: then an Indexed Job has some other meaning. Fails if it is set and the index is not,
    /// and if either is not a number that fits.
    pub fn of_job(index: Option<&str>, shards: Option<&str>) -> Result<Option<Self>, ShardError> {
        let Some(shards) = shards.filter(|value| !value.is_empty()) else { return Ok(None) };
        let invalid = |variable, value: &str, expected: String| ShardError::Variable {
            variable,
            value: value.into(),
            expected,
        };
        let count = shards.parse().ok().filter(|count| *count > 0);
        let count: usize = count
            .ok_or_else(|| invalid(SHARDS, shards, "the number of shards, at least 1".into()))?;
        let index = index.unwrap_or_default();
        let below = index.parse().ok().filter(|index| *index < count);
        let below: usize = below.ok_or_else(|| {
            invalid(JOB_INDEX, index, format!("a number below {SHARDS}, which is {count}"))
        })?;
        Self::new(below + 1, count).map(Some)
    }

    /// The scenarios of this shard, in their order.
    ///
    /// The split follows the time that each scenario is expected to take, and nothing else: every machine that splits the
    /// same scenarios comes to the same shards. Exclusive scenarios are split first, because their times add up where the
    /// others overlap. Fails if a shard would be empty.
    pub fn of(self, scenarios: &[Arc<Scenario>]) -> Result<Vec<Arc<Scenario>>, ShardError> {
        if scenarios.len() < self.count {
            return Err(ShardError::TooMany { scenarios: scenarios.len(), count: self.count });
        }
        let mut shards = vec![Vec::new(); self.count];
        let is_exclusive = |one: &Arc<Scenario>| one.exclusive.is_some();
        let (alone, together): (Vec<_>, Vec<_>) = scenarios.iter().cloned().partition(is_exclusive);
        deal(alone, &mut shards);
        deal(together, &mut shards);
        let mut own = shards.swap_remove(self.index - 1);
        own.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(own)
    }
}

/// Gives the longest scenario that is left to the shard that has the least time of these so far, or else the fewest.
fn deal(mut scenarios: Vec<Arc<Scenario>>, shards: &mut [Vec<Arc<Scenario>>]) {
    scenarios.sort_by(|a, b| (Reverse(expected(a)), &a.name).cmp(&(Reverse(expected(b)), &b.name)));
    let mut times = vec![Duration::ZERO; shards.len()];
    for scenario in scenarios {
        let least = (0..shards.len()).min_by_key(|shard| (times[*shard], shards[*shard].len()));
        let Some(least) = least else { return };
        times[least] += expected(&scenario);
        shards[least].push(scenario);
    }
}

/// How long a scenario is expected to take on a store in real time.
fn expected(scenario: &Scenario) -> Duration {
    let commands = u32::try_from(scenario.commands.len()).unwrap_or(u32::MAX);
    scenario.max_wait + COMMAND.saturating_mul(commands)
}

impl fmt::Display for Shard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.index, self.count)
    }
}

impl FromStr for Shard {
    type Err = ShardError;

    fn from_str(text: &str) -> Result<Self, ShardError> {
        let numbers = text
            .split_once('/')
            .and_then(|(index, count)| Some((index.parse().ok()?, count.parse().ok()?)));
        let (index, count) = numbers.ok_or_else(|| ShardError::Invalid(text.into()))?;
        Self::new(index, count)
    }
}

/// A shard as it is recorded, before it is checked.
#[derive(Deserialize)]
struct Numbers {
    index: usize,
    count: usize,
}

impl TryFrom<Numbers> for Shard {
    type Error = ShardError;

    fn try_from(Numbers { index, count }: Numbers) -> Result<Self, ShardError> {
        Self::new(index, count)
    }
}
