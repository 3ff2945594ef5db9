//! The names that commands give and use.

use std::fmt;

/// What a script can give a name to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A watch.
    Watch,
    /// A lease.
    Lease,
    /// A revision that is remembered.
    Mark,
    /// A fill in the background.
    Fill,
}

/// A name of a script, and what it means.
pub type Name = (Named, String);

impl Named {
    /// The same with a name.
    pub(super) fn called(self, name: &str) -> Name {
        (self, name.into())
    }
}

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Watch => "watch",
            Self::Lease => "lease",
            Self::Mark => "mark",
            Self::Fill => "fill",
        })
    }
}
