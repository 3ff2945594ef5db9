//! Ranges of versions, as lists of known failures write them: `<3.4.34 | >=3.5.0 <3.5.16`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The versions that a line of a list is about: one range or several.
///
/// The bounds of a range all hold and are separated by blanks; ranges are separated by `|`. A bound is `<`, `<=`, `>`,
/// `>=` or `=` and one to three numbers; those left out are 0.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct Versions {
    text: String,
    ranges: Vec<Vec<Bound>>,
}

/// The three numbers of a version; a suffix such as `-rc.1` or `+git` does not count.
type Numbers = [u64; 3];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bound {
    relation: Relation,
    of: Numbers,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Relation {
    Below,
    AtMost,
    Above,
    AtLeast,
    Equal,
}

impl Versions {
    /// Whether a server that states this version is among them; a version that cannot be read never is.
    pub fn contain(&self, version: &str) -> bool {
        let holds = |version: Numbers| move |bound: &Bound| bound.holds(version);
        numbers(version)
            .is_some_and(|version| self.ranges.iter().any(|range| range.iter().all(holds(version))))
    }
}

impl Bound {
    fn holds(self, version: Numbers) -> bool {
        match self.relation {
            Relation::Below => version < self.of,
            Relation::AtMost => version <= self.of,
            Relation::Above => version > self.of,
            Relation::AtLeast => version >= self.of,
            Relation::Equal => version == self.of,
        }
    }
}

impl FromStr for Bound {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        // The longer signs come first: `<` is the beginning of `<=` too.
        let signs = [
            ("<=", Relation::AtMost),
            (">=", Relation::AtLeast),
            ("<", Relation::Below),
            (">", Relation::Above),
            ("=", Relation::Equal),
        ];
        let read = |(sign, relation)| {
            let of = numbers(text.strip_prefix(sign)?).filter(|_| !text.contains(['-', '+']))?;
            Some(Self { relation, of })
        };
        signs.into_iter().find_map(read).ok_or_else(|| {
            format!(
                "invalid range of versions '{text}': expected bounds such as <3.5.16 or >=3.5.0, with | between ranges"
            )
        })
    }
}

impl FromStr for Versions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = |text: &str| match text.trim() {
            "" => Err("invalid range of versions '': expected bounds such as <3.5.16".into()),
            text => text.split_whitespace().map(Bound::from_str).collect(),
        };
        let ranges = text.split('|').map(range).collect::<Result<_, String>>()?;
        Ok(Self { text: text.trim().into(), ranges })
    }
}

impl TryFrom<String> for Versions {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Versions> for String {
    fn from(versions: Versions) -> Self {
        versions.text
    }
}

impl fmt::Display for Versions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Reads `3.5.16`, `v3.5.16`, `9.1` or `3.6.0-rc.1`.
fn numbers(text: &str) -> Option<Numbers> {
    let text = text.strip_prefix('v').unwrap_or(text);
    let text = text.split(['-', '+']).next().unwrap_or_default();
    let mut numbers = Numbers::default();
    let mut places = numbers.iter_mut();
    for part in text.split('.') {
        *places.next()? = part.parse().ok()?;
    }
    Some(numbers)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    const BACKPORTED: &str = "<3.4.34 | >=3.5.0 <3.5.16";

    #[rstest]
    #[case(BACKPORTED, "3.4.23", true)]
    #[case(BACKPORTED, "3.4.34", false)]
    #[case(BACKPORTED, "3.5.0", true)]
    #[case(BACKPORTED, "v3.5.15", true)]
    #[case(BACKPORTED, "3.5.16", false)]
    #[case(BACKPORTED, "3.10.0", false)]
    #[case("<=3.5", "3.5.0", true)]
    #[case("<=3.5", "3.5.1", false)]
    #[case(">3.5", "3.5.0", false)]
    #[case(">3.5", "3.5.1", true)]
    #[case("=9.1.2", "9.1.2", true)]
    #[case("=9.1.2", "9.1.3", false)]
    #[case("=3.6.0", "3.6.0-rc.1", true)]
    #[case("=3.5.13", "3.5.13+git", true)]
    #[case(">=0", "of an unknown version", false)]
    #[case(">=0", "", false)]
    #[case(">=0", "1.2.3.4", false)]
    fn a_version_is_in_a_range_or_not(
        #[case] ranges: &str,
        #[case] version: &str,
        #[case] is_in: bool,
    ) {
        let versions: Versions = ranges.parse().unwrap();
        assert_eq!((versions.contain(version), versions.to_string()), (is_in, ranges.to_owned()));
    }

    #[rstest]
    #[case("3.5.16", "invalid range of versions '3.5.16': expected bounds")]
    #[case("<3.x", "invalid range of versions '<3.x'")]
    #[case("<3.5.16-rc.1", "invalid range of versions '<3.5.16-rc.1'")]
    #[case("< 3.5", "invalid range of versions '<'")]
    #[case("<3.5 |", "invalid range of versions ''")]
    fn a_wrong_range_is_refused(#[case] text: &str, #[case] said: &str) {
        let error = text.parse::<Versions>().unwrap_err();
        assert!(error.starts_with(said), "{error}");
    }
}
