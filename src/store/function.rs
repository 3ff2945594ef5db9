//! The functions that scenarios lean on: those of the traits, and the forms of them that a store may lack by themselves.

use crate::named::named;

named! {
    /// A function of a store's traits, or a form of one that a store may lack by itself. Its name in reports is that of the
    /// method, or what is wanted of it.
    ///
    /// None depends on a later one.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
    pub enum Function {
        /// `Store::update`.
        Update = "update",
        /// `Store::read`.
        Read = "read",
        /// `Store::list`.
        List = "list",
        /// `Store::delete`.
        Delete = "delete",
        /// `Store::watch`.
        Watch = "watch",
        /// `Revisions::revision`.
        Revision = "revision",
        /// `Revisions::metadata`.
        Metadata = "metadata",
        /// `Revisions::read_at`.
        ReadAt = "read_at",
        /// `Revisions::list_at` with a revision.
        ListAt = "list_at",
        /// `Revisions::list_at` with a limit.
        ListLimit = "list_at with a limit",
        /// `Revisions::watch_from`.
        WatchFrom = "watch_from",
        /// Revisions in the events of a watch.
        EventRevisions = "revisions in events",
        /// `Revisions::compact`.
        Compact = "compact",
        /// `Leases::lease`.
        Lease = "lease",
        /// `Store::update_with_ttl`, which may be made of a lease.
        UpdateWithTtl = "update_with_ttl",
        /// `Leases::lease_with_id`.
        LeaseWithId = "lease_with_id",
        /// `Leases::update_with_lease`.
        UpdateWithLease = "update_with_lease",
        /// `Leases::keep_alive`.
        KeepAlive = "keep_alive",
        /// `Leases::time_to_live`.
        TimeToLive = "time_to_live",
        /// `Leases::revoke`.
        Revoke = "revoke",
        /// `Transactions::txn`: a put if the key has another version than is given.
        Txn = "txn",
        /// One without a comparison.
        TxnUnconditional = "txn without a comparison",
        /// Several comparisons.
        TxnCompares = "txn with several comparisons",
        /// Several operations in a branch.
        TxnOps = "txn with several operations",
        /// A comparison by value.
        TxnValue = "txn that compares values",
        /// A comparison by the revision that created the key.
        TxnCreate = "txn that compares create revisions",
        /// A comparison by the revision of the last write.
        TxnMod = "txn that compares mod revisions",
        /// A read.
        TxnRead = "txn that reads",
        /// A list.
        TxnList = "txn that lists",
        /// A deletion.
        TxnDelete = "txn that deletes",
        /// A deletion of all keys with a prefix.
        TxnDeletePrefix = "txn that deletes a prefix",
        /// A comparison by lease.
        TxnLease = "txn that compares leases",
        /// A put that attaches the key to a lease.
        TxnAttach = "txn that attaches to a lease",
        /// `Directories::mkdir`.
        Mkdir = "mkdir",
        /// `Directories::create`.
        Create = "create",
    }
}

impl Function {
    /// Whether it opens a watch.
    pub fn is_watch(&self) -> bool {
        matches!(self, Self::Watch | Self::WatchFrom)
    }
}
