//! The kinds of races, and the clauses that each is about.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::named::named;

named! {
    /// What is raced for, by which the calls of a race are judged.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum RaceKind {
        /// Reads, writes and deletions of one key are linearizable.
        Register = "register",
        /// Exactly one client wins each round of compare-and-swap.
        Cas = "cas",
        /// A key written again around the end of its time is there until the new TTL has expired.
        RewriteAtExpiry = "renew",
        /// A lease kept alive around its end keeps its key until the new TTL has expired.
        Prolong = "prolong",
        /// A write right after a watch is open is delivered.
        Watch = "watch",
        /// A lease just granted can be kept alive.
        KeepAlive = "keep_alive",
        /// Two keys that are always written together are never read apart.
        AtomicRead = "flip",
        /// Many watches of one prefix get every event each.
        FanOut = "fan",
        /// No call waits for a watch that has a read pending.
        Pending = "pending",
        /// A watch that is opened again and again while others write loses nothing and repeats nothing.
        Resume = "resume",
        /// A compaction takes no event in silence from a watch that no one reads.
        Compact = "compact",
        /// Calls that are refused fail none that are made at once with them.
        Refused = "refused",
        /// An event comes soon after its write.
        Prompt = "prompt",
    }
}

impl RaceKind {
    /// How long such a race waits for TTLs.
    pub(crate) fn max_wait(self) -> Duration {
        match self {
            Self::RewriteAtExpiry => Duration::from_secs(9),
            Self::Prolong => Duration::from_secs(8),
            Self::Register
            | Self::Cas
            | Self::Watch
            | Self::KeepAlive
            | Self::AtomicRead
            | Self::FanOut
            | Self::Pending
            | Self::Resume
            | Self::Compact
            | Self::Refused
            | Self::Prompt => Duration::ZERO,
        }
    }

    /// The clauses that a wrong round may break, the likeliest first.
    pub(crate) fn clauses(self) -> &'static [&'static str] {
        match self {
            Self::Register => &["C3"],
            Self::Cas => &["X7"],
            Self::RewriteAtExpiry => &["C4"],
            Self::Watch | Self::FanOut => &["W3"],
            Self::KeepAlive | Self::Prolong => &["L10"],
            Self::AtomicRead => &["X1"],
            Self::Pending => &["A1"],
            Self::Resume => &["W5"],
            Self::Compact => &["W17", "W15"],
            Self::Refused => &["C5"],
            Self::Prompt => &["W18"],
        }
    }
}

impl FromStr for RaceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::from_name("race", text)
    }
}
