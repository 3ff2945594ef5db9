//! Lists of known failures: what a store is known not to do, and why.
//!
//! A list forgives, and accuses too: a listed scenario that passes, and a pattern that matches none, are failures.

mod versions;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

pub use self::versions::Versions;

use crate::scenario::Scenario;
use crate::verdict::Verdict;

/// How often a flaky scenario is tried where its line does not say.
const TRIES: usize = 3;

/// The known failures of one store.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KnownFailures {
    /// The file, as errors name it.
    pub path: PathBuf,
    /// Its lines.
    pub entries: Vec<Known>,
}

/// One line of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// The file that the line is in.
    #[serde(default)]
    pub list: String,
    /// The line's number, counted from 1.
    pub line: usize,
    /// A scenario's name, in which a star means any characters; a backend's name and a slash may come first.
    pub pattern: String,
    /// The versions of the server that it is about; every version, and one that is not known, if there is no range.
    #[serde(default)]
    pub versions: Option<Versions>,
    /// Why it fails, with a link if there is one.
    pub reason: String,
    /// How often it is tried, where it fails only sometimes.
    pub tries: Option<usize>,
}

/// A list that cannot be used, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct KnownError {
    /// The file.
    pub path: PathBuf,
    /// The line, if it is one.
    pub line: Option<usize>,
    /// What is wrong with it.
    pub reason: String,
}

impl KnownFailures {
    /// Reads a list from a file.
    pub fn from_file(path: &Path) -> Result<Self, KnownError> {
        let text = std::fs::read_to_string(path).map_err(|error| KnownError {
            path: path.into(),
            line: None,
            reason: format!("cannot be read: {error}"),
        })?;
        Self::parse(path, &text)
    }

    /// Reads a list: a line is `PATTERN # reason`, or `PATTERN # flaky: reason`, or `PATTERN # flaky 5: reason` for one
    /// that is tried five times. Empty lines and lines that begin with `#` are comments.
    ///
    /// A pattern is the name of a scenario, `core/ttl/zero`, or of a test, `redb::core::ttl::zero`, which is about that
    /// backend alone; a star means any characters. Ranges of versions may follow it, as
    /// `revision/watch-from-the-compacted <3.4.34 | >=3.5.0 <3.5.16 # reason`: the line is then about a server that
    /// states such a version, and about no other. A server whose version is not known is in no range.
    pub fn parse(path: &Path, text: &str) -> Result<Self, KnownError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let list = path.display().to_string();
        let entry = |(number, line)| {
            Known::parse(&list, number, line).map_err(|reason| KnownError {
                path: path.into(),
                line: Some(number),
                reason,
            })
        };
        Ok(Self { path: path.into(), entries: lines.map(entry).collect::<Result<_, _>>()? })
    }

    /// Takes every line as one that fails only sometimes.
    pub fn flaky(mut self) -> Self {
        for entry in &mut self.entries {
            entry.tries.get_or_insert(TRIES);
        }
        self
    }

    /// Refuses a list with a pattern that matches no scenario of the suite, on none of these backends.
    pub fn check(&self, suite: &[Scenario], backends: &[&str]) -> Result<(), KnownError> {
        let is_met = |entry: &Known| {
            suite.iter().any(|one| backends.iter().any(|backend| entry.matches(backend, &one.name)))
        };
        match self.entries.iter().find(|entry| !is_met(entry)) {
            None => Ok(()),
            Some(entry) => Err(KnownError {
                path: self.path.clone(),
                line: Some(entry.line),
                reason: format!(
                    "'{}' matches no scenario on {}; `kvspec list` names every scenario",
                    entry.pattern,
                    backends.join(", ")
                ),
            }),
        }
    }

    /// The first line that names a scenario on a backend whose server states that version, if it states one.
    pub fn find(&self, backend: &str, name: &str, version: Option<&str>) -> Option<&Known> {
        self.entries.iter().find(|entry| entry.matches(backend, name) && entry.is_about(version))
    }
}

impl Known {
    fn parse(list: &str, line: usize, text: &str) -> Result<Self, String> {
        let expected = "expected PATTERN [VERSIONS] # REASON, such as core/watch/burst # events are dropped under load";
        let (what, reason) =
            text.split_once('#').ok_or_else(|| format!("there is no reason: {expected}"))?;
        let (what, reason) = (what.trim(), reason.trim());
        if what.is_empty() || reason.is_empty() {
            return Err(expected.into());
        }
        let (pattern, versions) = match what.split_once(char::is_whitespace) {
            Some((pattern, versions)) => (pattern, Some(versions.parse()?)),
            None => (what, None),
        };
        let (reason, tries) =
            match reason.strip_prefix("flaky").and_then(|rest| rest.split_once(':')) {
                Some((tries, reason)) => (reason.trim(), Some(tried(tries.trim())?)),
                None => (reason, None),
            };
        let (list, pattern) = (list.into(), pattern.replace("::", "/"));
        Ok(Self { list, line, pattern, versions, reason: reason.into(), tries })
    }

    /// Whether the line names this scenario, or this scenario on this backend.
    fn matches(&self, backend: &str, name: &str) -> bool {
        matches(&self.pattern, name) || matches(&self.pattern, &format!("{backend}/{name}"))
    }

    fn is_about(&self, version: Option<&str>) -> bool {
        let is_in = |versions: &Versions| version.is_some_and(|version| versions.contain(version));
        self.versions.as_ref().is_none_or(is_in)
    }
}

/// What a verdict is worth where a list says that the case fails; one that fails only sometimes may do either.
pub fn weigh(verdict: Verdict, known: Option<&Known>) -> Verdict {
    match (verdict, known) {
        (Verdict::Failed(mismatch), Some(known)) if known.tries.is_none() => {
            Verdict::Known(known.reason.clone(), mismatch)
        }
        (Verdict::Passed, Some(known)) if known.tries.is_none() => Verdict::Stale(stale(known)),
        (verdict, _) => verdict,
    }
}

/// Why a listed scenario that passes is a failure.
fn stale(known: &Known) -> String {
    let Known { list, line, pattern, versions, .. } = known;
    match versions {
        None => format!(
            "{list}:{line}: '{pattern}' is listed as a known failure and passes: remove the line"
        ),
        Some(versions) => format!(
            "{list}:{line}: '{pattern}' is listed as a known failure of versions {versions} and passes on one of them: \
             mend the range or remove the line"
        ),
    }
}

fn tried(text: &str) -> Result<usize, String> {
    match text {
        "" => Ok(TRIES),
        text => text.parse().ok().filter(|tries| *tries > 0).ok_or_else(|| {
            format!("invalid number of tries '{text}': expected flaky: or flaky 5:")
        }),
    }
}

/// Whether a name is what the pattern says, in which a star means any characters.
fn matches(pattern: &str, name: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == name,
        Some((start, rest)) => name.strip_prefix(start).is_some_and(|name| {
            let ends = name.char_indices().map(|(index, _)| index).chain([name.len()]);
            ends.into_iter().any(|skipped| matches(rest, &name[skipped..]))
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("a/b", "a/b", true)]
    #[case("a/b", "a/bc", false)]
    #[case("a/*", "a/b/c", true)]
    #[case("*/b", "a/x/b", true)]
    #[case("a*c*e", "abcde", true)]
    #[case("a*c*e", "abde", false)]
    #[case("*", "anything", true)]
    fn a_star_stands_for_any_characters(
        #[case] pattern: &str,
        #[case] name: &str,
        #[case] is_match: bool,
    ) {
        assert_eq!(matches(pattern, name), is_match);
    }

    #[test]
    fn a_list_is_read_with_its_reasons_and_tries() {
        let text = "# what Redis is not\n\ncore/a # no values https://x\ncore/b # flaky: late\ncore/c # flaky 5: later\n";
        let list = KnownFailures::parse(Path::new("known.txt"), text).unwrap();
        let read: Vec<_> =
            list.entries.iter().map(|one| (one.line, one.reason.as_str(), one.tries)).collect();
        assert_eq!(
            read,
            [(3, "no values https://x", None), (4, "late", Some(3)), (5, "later", Some(5))]
        );
    }

    #[rstest]
    #[case("core/a", "known.txt:1: there is no reason")]
    #[case("# x\ncore/a b # why", "known.txt:2: invalid range of versions 'b'")]
    #[case("core/a #", "known.txt:1: expected PATTERN [VERSIONS] # REASON")]
    #[case("core/a # flaky none: why", "known.txt:1: invalid number of tries 'none'")]
    fn a_wrong_line_is_told_by_its_place(#[case] text: &str, #[case] said: &str) {
        let error = KnownFailures::parse(Path::new("known.txt"), text).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }

    fn list(text: &str) -> KnownFailures {
        KnownFailures::parse(Path::new("known.txt"), text).unwrap()
    }

    #[rstest]
    #[case("txn/duplicate-key", true, true)]
    #[case("txn::duplicate-key", true, true)]
    #[case("redb::txn::duplicate-key", true, false)]
    #[case("redb::txn/*", true, false)]
    #[case("*::txn::duplicate-key", true, true)]
    #[case("redb::core/*", false, false)]
    fn a_line_may_name_a_backend(
        #[case] pattern: &str,
        #[case] is_on_redb: bool,
        #[case] is_on_memory: bool,
    ) {
        let list = list(&format!("{pattern} # why"));
        let is_listed = |backend| list.find(backend, "txn/duplicate-key", None).is_some();
        assert_eq!((is_listed("redb"), is_listed("memory")), (is_on_redb, is_on_memory));
    }

    #[rstest]
    #[case(Some("3.4.23"), Some("old"))]
    #[case(Some("3.5.1"), Some("old"))]
    #[case(Some("3.5.16"), Some("new"))]
    #[case(Some("of an unknown version"), Some("always"))]
    #[case(None, Some("always"))]
    fn the_version_chooses_the_line(#[case] version: Option<&str>, #[case] reason: Option<&str>) {
        let list = list("a <3.4.34 | >=3.5.0 <3.5.16 # old\na >=3.5.16 # new\na # always\n");
        assert_eq!(list.find("etcd", "a", version).map(|known| known.reason.as_str()), reason);
    }

    #[test]
    fn a_line_that_matches_nothing_is_refused() {
        let suite = crate::scenario::embedded().unwrap();
        let refused = |text| {
            list(text).check(&suite, &["redb", "memory"]).err().map(|error| error.to_string())
        };
        assert_eq!(refused("redb::core::ttl::zero # why"), None);
        assert_eq!(refused("core/ttl/* # why"), None);
        let said = refused("# x\nrebd::core::ttl::zero # why").unwrap();
        assert_eq!(
            said,
            "known.txt:2: 'rebd/core/ttl/zero' matches no scenario on redb, memory; `kvspec list` names every scenario"
        );
    }

    #[test]
    fn a_listed_scenario_that_passes_is_told_by_its_line() {
        let list = list("core/a <3.5.16 # why\n");
        let Verdict::Stale(said) = weigh(Verdict::Passed, list.entries.first()) else { panic!() };
        assert!(
            said.starts_with(
                "known.txt:1: 'core/a' is listed as a known failure of versions <3.5.16"
            ),
            "{said}"
        );
    }
}
