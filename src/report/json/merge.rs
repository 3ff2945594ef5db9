//! Recorded runs made into one: the shards of a run, and runs of several backends.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::read::Recorded;
use crate::capability::Capabilities;
use crate::event::{Outcome, Summary, Tally};
use crate::plan::Shard;
use crate::scenario::suite_hash;

/// Several recorded runs as one.
#[derive(Debug)]
pub struct Merged {
    /// The events of the one run. The cases of a backend follow each other, by name.
    pub events: Vec<Recorded>,
    /// The shards that no run is of, such as `shard 3/4 of memory, etcd`.
    pub missing: Vec<String>,
}

/// Recorded runs that cannot be one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// A file that does not begin as a run does.
    #[error("{}: expected a recorded run that begins with 'started'", .0.display())]
    NoRun(PathBuf),
    /// A case that more than one file has.
    #[error("cannot merge {} and {}: both hold {case}; merge runs of different shards or backends", .one.display(), .other.display())]
    Twice {
        /// The case: its backend and its scenario.
        case: String,
        /// The first file.
        one: PathBuf,
        /// The second file.
        other: PathBuf,
    },
    /// Two files that do not agree on something that one report says once.
    #[error("cannot merge {} and {}: {what} differs; merge runs of the same scripts and of the same server", .one.display(), .other.display())]
    Differs {
        /// What they do not agree on.
        what: String,
        /// The first file.
        one: PathBuf,
        /// The second file.
        other: PathBuf,
    },
}

/// Makes one run of recorded runs, each with the file that it was read from.
///
/// A backend that several files have is shown once, with the cases of all of them. A shard that is missing ends the merged run
/// early: without all of its shards it has not passed. The time of a backend is that of
/// its slowest shard, and the time of the run is that of all backends together, as if one had followed the other.
///
/// Fails if two files hold the same case, if they hold the same scenario with different texts, or if the files of a backend
/// are of different versions or capabilities of it.
pub fn merge(runs: Vec<(PathBuf, Vec<Recorded>)>) -> Result<Merged, MergeError> {
    let parts = runs.into_iter().map(Part::read).collect::<Result<Vec<_>, _>>()?;
    refuse_differences(&parts)?;
    let missing = missing(&parts);
    let at = parts.iter().map(|part| part.at).min().unwrap_or(SystemTime::UNIX_EPOCH);
    let kvspec = distinct(parts.iter().map(|part| part.kvspec.as_str())).join(", ");
    let suite = suite(&parts);
    let early = parts.iter().filter_map(Part::ended_early);
    let early: Vec<_> =
        early.chain(missing.iter().map(|one| format!("{one} is missing"))).collect();
    let backends = backends(parts);
    let cases = backends.iter().map(|backend| backend.outcomes.len()).sum();
    let mut events = vec![Recorded::Started { kvspec, suite, at, cases, shard: None }];
    let ended_early = (!early.is_empty()).then(|| early.join("; "));
    let mut summary = Summary { ended_early, ..Summary::default() };
    for backend in backends {
        let tally = backend.tally();
        summary.took += tally.took;
        summary.tallies.push((backend.name.clone(), tally.clone()));
        backend.tell(tally, &mut events);
    }
    events.push(Recorded::Finished(summary));
    Ok(Merged { events, missing })
}

/// One of the runs.
struct Part {
    path: PathBuf,
    kvspec: String,
    suite: String,
    at: SystemTime,
    shard: Option<Shard>,
    backends: Vec<Backend>,
    summary: Summary,
}

/// What runs say of one backend.
struct Backend {
    name: String,
    abouts: Vec<Result<String, String>>,
    version: Option<String>,
    capabilities: Option<Capabilities>,
    outcomes: Vec<Outcome>,
    /// By what the shards are shards of, the time of the slowest.
    took: BTreeMap<String, Duration>,
}

impl Part {
    fn read((path, events): (PathBuf, Vec<Recorded>)) -> Result<Self, MergeError> {
        let mut events = events.into_iter();
        let Some(Recorded::Started { kvspec, suite, at, shard, .. }) = events.next() else {
            return Err(MergeError::NoRun(path));
        };
        let (backends, summary) = (Vec::new(), Summary::default());
        let mut part = Self { path, kvspec, suite, at, shard, backends, summary };
        events.for_each(|event| part.take(event));
        Ok(part)
    }

    fn take(&mut self, event: Recorded) {
        match event {
            Recorded::Started { .. } => {}
            Recorded::TargetStarted { name, about, version, capabilities, .. } => {
                let (abouts, outcomes, took) = (vec![about], Vec::new(), BTreeMap::new());
                let backend = Backend { name, abouts, version, capabilities, outcomes, took };
                self.backends.push(backend);
            }
            Recorded::CaseFinished(outcome) => {
                if let Some(backend) = self.backends.last_mut() {
                    backend.outcomes.push(*outcome);
                }
            }
            Recorded::TargetFinished(_, tally) => {
                if let Some(backend) = self.backends.last_mut() {
                    backend.took.insert(self.suite.clone(), tally.took);
                }
            }
            Recorded::Finished(summary) => self.summary = summary,
        }
    }

    /// What a shard is a part of: shards of one run agree on it.
    fn whole(&self) -> (String, String, Vec<&str>, usize) {
        let backends = self.backends.iter().map(|backend| backend.name.as_str()).collect();
        let count = self.shard.map_or(1, Shard::count);
        (self.kvspec.clone(), self.suite.clone(), backends, count)
    }

    fn ended_early(&self) -> Option<String> {
        let reason = self.summary.ended_early.as_ref()?;
        Some(format!("{}: {reason}", self.path.display()))
    }

    fn outcomes(&self) -> impl Iterator<Item = &Outcome> {
        self.backends.iter().flat_map(|backend| &backend.outcomes)
    }
}

/// Fails where files hold the same case, or do not agree on a scenario or a backend.
fn refuse_differences(parts: &[Part]) -> Result<(), MergeError> {
    let mut seen = Seen::default();
    for part in parts {
        for outcome in part.outcomes() {
            let scenario = &outcome.case.scenario;
            seen.hold(part, format!("{} {}", outcome.case.backend, scenario.name))?;
            seen.agree(part, format!("the script of {}", scenario.name), scenario.hash())?;
        }
        for backend in &part.backends {
            let Backend { name, version, capabilities, .. } = backend;
            // A backend that was not there says nothing of itself.
            if let Some(capabilities) = capabilities {
                seen.agree(part, format!("the version of {name}"), format!("{version:?}"))?;
                let capabilities = format!("{capabilities:?}");
                seen.agree(part, format!("what {name} is capable of"), capabilities)?;
            }
        }
    }
    Ok(())
}

/// What files were seen to hold and to say.
#[derive(Default)]
struct Seen<'a> {
    cases: HashMap<String, &'a Path>,
    said: HashMap<String, (String, &'a Path)>,
}

impl<'a> Seen<'a> {
    fn hold(&mut self, part: &'a Part, case: String) -> Result<(), MergeError> {
        match self.cases.insert(case.clone(), &part.path) {
            None => Ok(()),
            Some(one) => Err(MergeError::Twice { case, one: one.into(), other: part.path.clone() }),
        }
    }

    fn agree(&mut self, part: &'a Part, what: String, said: String) -> Result<(), MergeError> {
        let (first, one) = self.said.entry(what.clone()).or_insert((said.clone(), &part.path));
        match *first == said {
            true => Ok(()),
            false => {
                let (one, other) = (one.to_path_buf(), part.path.clone());
                Err(MergeError::Differs { what, one, other })
            }
        }
    }
}

/// The shards that are not among the runs.
fn missing(parts: &[Part]) -> Vec<String> {
    let mut wholes: BTreeMap<_, BTreeSet<usize>> = BTreeMap::new();
    for part in parts {
        wholes.entry(part.whole()).or_default().insert(part.shard.map_or(1, Shard::index));
    }
    let missing = wholes.iter().flat_map(|((_, _, backends, count), indexes)| {
        let lost = (1..=*count).filter(|index| !indexes.contains(index));
        lost.map(move |index| format!("shard {index}/{count} of {}", backends.join(", ")))
    });
    missing.collect()
}

/// The hash of all scenarios: that of the runs where they agree.
fn suite(parts: &[Part]) -> String {
    let hashes = distinct(parts.iter().map(|part| part.suite.as_str()));
    if let [hash] = hashes.as_slice() {
        return hash.to_string();
    }
    let outcomes = parts.iter().flat_map(Part::outcomes);
    let scenarios: BTreeMap<_, _> =
        outcomes.map(|one| (&one.case.scenario.name, one.case.scenario.as_ref())).collect();
    suite_hash(scenarios.into_values())
}

/// The backends of all runs, in the order in which they are first named.
fn backends(parts: Vec<Part>) -> Vec<Backend> {
    let mut merged: Vec<Backend> = Vec::new();
    for backend in parts.into_iter().flat_map(|part| part.backends) {
        match merged.iter_mut().find(|one| one.name == backend.name) {
            Some(one) => one.join(backend),
            None => merged.push(backend),
        }
    }
    for backend in &mut merged {
        backend.outcomes.sort_by(|a, b| a.case.scenario.name.cmp(&b.case.scenario.name));
    }
    merged
}

impl Backend {
    fn join(&mut self, other: Self) {
        self.abouts.extend(other.abouts);
        self.version = self.version.take().or(other.version);
        self.capabilities = self.capabilities.take().or(other.capabilities);
        self.outcomes.extend(other.outcomes);
        for (suite, took) in other.took {
            let slowest = self.took.entry(suite).or_default();
            *slowest = took.max(*slowest);
        }
    }

    fn tally(&self) -> Tally {
        let mut tally = Tally { took: self.took.values().sum(), ..Tally::default() };
        self.outcomes.iter().for_each(|outcome| tally.add(outcome));
        tally
    }

    /// What it is, once for each answer; if it was there for some and not for others, both are said.
    fn about(&self) -> Result<String, String> {
        let there = distinct(self.abouts.iter().filter_map(|about| about.as_deref().ok()));
        let missing = self.abouts.iter().filter_map(|about| about.as_ref().err());
        let missing = distinct(missing.map(String::as_str)).join("; ");
        match (there.join("; "), missing) {
            (there, missing) if there.is_empty() => Err(missing),
            (there, missing) if missing.is_empty() => Ok(there),
            (there, missing) => Ok(format!("{there}; not there in some shards: {missing}")),
        }
    }

    fn tell(self, tally: Tally, events: &mut Vec<Recorded>) {
        let (about, cases) = (self.about(), self.outcomes.len());
        let Self { name, version, capabilities, outcomes, .. } = self;
        let started = name.clone();
        events.push(Recorded::TargetStarted { name: started, about, version, capabilities, cases });
        events.extend(outcomes.into_iter().map(Box::new).map(Recorded::CaseFinished));
        events.push(Recorded::TargetFinished(name, tally));
    }
}

/// Each text once, in the order of its first.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut distinct = Vec::new();
    for text in texts {
        if !distinct.contains(&text) {
            distinct.push(text);
        }
    }
    distinct
}
