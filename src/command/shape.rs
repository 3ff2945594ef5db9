//! What a random program may have that some stores are known to answer otherwise, each with the scenario that asks for it.

/// Something that a random program may have, unless the store is known to answer it otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Shape {
    /// Values that are not UTF-8.
    BinaryValues,
    /// Keys that begin with an underscore.
    HiddenNames,
    /// TTLs that are longer than etcd grants.
    HugeTtls,
    /// A key that is changed again before every watch was read.
    ChangesInARow,
    /// Watches from the revision that was compacted.
    WatchesFromTheCompacted,
}

impl Shape {
    /// Every one of them.
    pub const ALL: [Self; 5] = [
        Self::BinaryValues,
        Self::HiddenNames,
        Self::HugeTtls,
        Self::ChangesInARow,
        Self::WatchesFromTheCompacted,
    ];

    /// The scenario that asks for it. Where a list of known failures names it, programs do without.
    pub fn scenario(self) -> &'static str {
        match self {
            Self::BinaryValues => "core/add/binary-value",
            Self::HiddenNames => "core/list/hidden-names",
            Self::HugeTtls => "core/ttl/huge",
            Self::ChangesInARow => "core/watch/value-is-the-events",
            Self::WatchesFromTheCompacted => "revision/watch-from-a-compacted-delete",
        }
    }

    /// What it is, in a few words.
    pub fn name(self) -> &'static str {
        match self {
            Self::BinaryValues => "values that are not UTF-8",
            Self::HiddenNames => "keys that begin with an underscore",
            Self::HugeTtls => "TTLs longer than etcd grants",
            Self::ChangesInARow => "keys that are changed again before every watch was read",
            Self::WatchesFromTheCompacted => "watches from the compacted revision itself",
        }
    }
}
