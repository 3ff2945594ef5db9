//! The errors that a store answers, by kind.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::named::named;

/// An error that the store answered: data that a scenario may expect, judged by its kind alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[error("{kind}: {message}")]
pub struct StoreError {
    /// What went wrong, in words that all stores share.
    pub kind: ErrorKind,
    /// The store's own wording, shown to people and never compared.
    pub message: String,
}

/// What kvspec's own words begin with, where an error is not the store's.
const OWN: &str = "kvspec: ";

impl StoreError {
    /// An error of `kind` with the store's own wording.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }

    /// An error of `kind` that kvspec found, with its own wording.
    pub(crate) fn own(kind: ErrorKind, message: impl fmt::Display) -> Self {
        Self { kind, message: format!("{OWN}{message}") }
    }

    /// Whether kvspec found the error itself.
    pub(crate) fn is_own(&self) -> bool {
        self.message.starts_with(OWN)
    }

    /// The kind, and the store's own words where they say more.
    pub(crate) fn in_short(&self) -> String {
        match self.message.strip_prefix(OWN).unwrap_or(&self.message) {
            message if message == self.kind.as_str() => message.into(),
            message => format!("{}: {message}", self.kind),
        }
    }

    /// The error in a sentence that says whose words it is in; `about` names the command, where it must be named.
    pub(crate) fn said(&self, about: Option<&str>) -> String {
        let about = about.map(|about| format!("{about}: ")).unwrap_or_default();
        match self.message.strip_prefix(OWN) {
            Some(message) => format!("{OWN}{about}{}: {message}", self.kind),
            None => format!("the store said: {about}{self}"),
        }
    }
}

impl From<ErrorKind> for StoreError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, kind.as_str())
    }
}

named! {
    /// What can go wrong in a store, in words that all stores share.
    ///
    /// The etcd message or gRPC status that stands behind each is named in [`ErrorKind::as_str`]'s table of the manual.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
    #[non_exhaustive]
    #[serde(rename_all = "snake_case")]
    pub enum ErrorKind {
        /// The lease does not exist (any more).
        LeaseNotFound = "lease not found",
        /// A lease of that id exists already.
        LeaseExists = "lease exists",
        /// The TTL is beyond what the store can grant.
        TtlTooLarge = "ttl too large",
        /// The key is empty.
        EmptyKey = "empty key",
        /// The key, the value or the whole request is larger than the store takes.
        TooLarge = "too large",
        /// The revision asked for has been compacted.
        Compacted = "compacted",
        /// The revision asked for lies in the future.
        FutureRevision = "future revision",
        /// A transaction writes one key twice.
        DuplicateKey = "duplicate key",
        /// A transaction has more operations than the store takes.
        TooManyOps = "too many operations",
        /// The key does not exist, where the call needs it to.
        KeyNotFound = "key not found",
        /// The key exists already, where the call needs it not to.
        KeyExists = "key exists",
        /// The key is a directory, where the call needs a file.
        NotAFile = "not a file",
        /// The key is a file, where the call needs a directory.
        NotADirectory = "not a directory",
        /// The request is not one that the store understands.
        InvalidArgument = "invalid argument",
        /// The user may not do this, or could not be authenticated.
        Denied = "denied",
        /// The store has no such function.
        Unsupported = "unsupported",
        /// The store cannot be reached, or cannot serve now.
        Unavailable = "unavailable",
        /// No answer came in time.
        DeadlineExceeded = "deadline exceeded",
        /// The store ended the watch.
        Canceled = "canceled",
        /// This client was closed.
        Closed = "closed",
        /// None of the others; the message says more.
        Other = "other",
    }
}
