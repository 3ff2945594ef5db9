//! Lists of known failures: what a store is known not to do, and why.
//!
//! A list forgives, and accuses too: a listed scenario that passes, and a pattern that matches none, are failures.

use std::path::{Path, PathBuf};

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
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct Known {
    /// The line's number, counted from 1.
    pub line: usize,
    /// A scenario's name, in which a star stands for any characters.
    pub pattern: String,
    /// Why it fails, with a link where there is one.
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
    /// The line, where it is one.
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
    pub fn parse(path: &Path, text: &str) -> Result<Self, KnownError> {
        let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
        let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
        let entry = |(number, line)| {
            Known::parse(number, line).map_err(|reason| KnownError {
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

    /// Refuses a list with a pattern that matches no scenario of the suite.
    pub fn check(&self, suite: &[Scenario]) -> Result<(), KnownError> {
        let idle = |entry: &&Known| !suite.iter().any(|scenario| entry.matches(&scenario.name));
        match self.entries.iter().find(idle) {
            None => Ok(()),
            Some(entry) => Err(KnownError {
                path: self.path.clone(),
                line: Some(entry.line),
                reason: format!(
                    "'{}' matches no scenario; `kvspec list` names them all",
                    entry.pattern
                ),
            }),
        }
    }

    /// The first line that a scenario is listed in.
    pub fn find(&self, name: &str) -> Option<&Known> {
        self.entries.iter().find(|entry| entry.matches(name))
    }
}

impl Known {
    fn parse(line: usize, text: &str) -> Result<Self, String> {
        let expected =
            "expected PATTERN # REASON, such as core/watch/burst # events are dropped under load";
        let (pattern, reason) =
            text.split_once('#').ok_or_else(|| format!("there is no reason: {expected}"))?;
        let (pattern, reason) = (pattern.trim().replace("::", "/"), reason.trim());
        if pattern.is_empty() || pattern.contains(char::is_whitespace) || reason.is_empty() {
            return Err(expected.into());
        }
        let (reason, tries) =
            match reason.strip_prefix("flaky").and_then(|rest| rest.split_once(':')) {
                Some((tries, reason)) => (reason.trim(), Some(tried(tries.trim())?)),
                None => (reason, None),
            };
        Ok(Self { line, pattern, reason: reason.into(), tries })
    }

    fn matches(&self, name: &str) -> bool {
        matches(&self.pattern, name)
    }
}

/// What a verdict is worth where a list says that the case fails; one that fails only sometimes may do either.
pub fn weigh(verdict: Verdict, known: Option<&Known>) -> Verdict {
    match (verdict, known) {
        (Verdict::Failed(mismatch), Some(known)) if known.tries.is_none() => {
            Verdict::Known(known.reason.clone(), mismatch)
        }
        (Verdict::Passed, Some(known)) if known.tries.is_none() => Verdict::Stale(format!(
            "line {} of the known failures, '{}', says that it fails: strike it out",
            known.line, known.pattern
        )),
        (verdict, _) => verdict,
    }
}

fn tried(text: &str) -> Result<usize, String> {
    match text {
        "" => Ok(TRIES),
        text => {
            text.parse().ok().filter(|tries| *tries > 0).ok_or_else(|| {
                format!("'{text}' is no number of tries: expected flaky: or flaky 5:")
            })
        }
    }
}

/// Whether a name is what the pattern says, in which a star stands for any characters.
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
    #[case("# x\ncore/a b # why", "known.txt:2: expected PATTERN # REASON")]
    #[case("core/a # flaky none: why", "known.txt:1: 'none' is no number of tries")]
    fn a_wrong_line_is_told_by_its_place(#[case] text: &str, #[case] said: &str) {
        let error = KnownFailures::parse(Path::new("known.txt"), text).unwrap_err().to_string();
        assert!(error.starts_with(said), "{error}");
    }
}
