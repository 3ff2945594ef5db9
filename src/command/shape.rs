//! What a random program may have that some stores are known to answer otherwise, each with the scenario that asks for it.

use crate::named::named;

named! {
    /// Something that a random program may have, unless the store is known to answer it otherwise. Its name says what it is.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub enum Shape {
        /// Values that are not UTF-8.
        BinaryValues = "values that are not UTF-8",
        /// Keys that begin with an underscore.
        HiddenNames = "keys that begin with an underscore",
        /// TTLs that are longer than etcd grants.
        HugeTtls = "TTLs longer than etcd grants",
        /// A key that is changed again before every watch was read.
        ChangesInARow = "keys that are changed again before every watch was read",
        /// Watches from the revision that was compacted.
        WatchesFromTheCompacted = "watches from the compacted revision itself",
    }
}

impl Shape {
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
}
