//! When the watches of a scenario are read, and the second way in which one script may run.

use super::Scenario;

/// What the name of a scenario's second way ends with.
const SUFFIX: &str = "-unread";

/// When the watches of a scenario are read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reading {
    /// All the time: from its opening on each watch has a read pending, as in a client that waits for events.
    #[default]
    Always,
    /// Only when the script asks for events: why.
    WhenAsked(String),
    /// One way and then the other: the script makes two scenarios.
    Both,
}

impl Reading {
    /// What a header's `unread:` says.
    pub(super) fn from_header(words: &str) -> Self {
        match words {
            "too" => Self::Both,
            why => Self::WhenAsked(why.into()),
        }
    }
}

impl Scenario {
    /// The scenarios that the script makes: itself, and a second one where its watches are to go unread too.
    pub fn ways(self) -> impl Iterator<Item = Self> {
        let unread = self.unread();
        std::iter::once(self).chain(unread)
    }

    /// The second way of a script that has two.
    pub(super) fn unread(&self) -> Option<Self> {
        if self.reading != Reading::Both {
            return None;
        }
        let why = format!("{} is the same script with watches that are read", self.name);
        Some(Self {
            name: format!("{}{SUFFIX}", self.name),
            title: format!(
                "{}, on a watch that is not read meanwhile.",
                self.title.trim_end_matches('.')
            ),
            reading: Reading::WhenAsked(why),
            ..self.clone()
        })
    }

    /// The name of the script whose second way has this name, if one does.
    pub(crate) fn script_of(name: &str) -> Option<&str> {
        name.strip_suffix(SUFFIX)
    }
}
