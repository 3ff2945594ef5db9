//! The errors that a store answers, by kind.

use std::fmt;

/// An error that the store answered: data that a scenario may expect, judged by its kind alone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {message}")]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
pub struct StoreError {
    /// What went wrong, in words that all stores share.
    pub kind: ErrorKind,
    /// The store's own wording, shown to people and never compared.
    pub message: String,
}

impl StoreError {
    /// An error of `kind` with the store's own wording.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self { kind, message: message.into() }
    }
}

impl From<ErrorKind> for StoreError {
    fn from(kind: ErrorKind) -> Self {
        Self::new(kind, kind.as_str())
    }
}

/// What can go wrong in a store, in words that all stores share.
///
/// The etcd message or gRPC status that stands behind each is named in [`ErrorKind::as_str`]'s table of the manual.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum ErrorKind {
    /// The lease does not exist (any more).
    LeaseNotFound,
    /// A lease of that id exists already.
    LeaseExists,
    /// The time to live is beyond what the store can grant.
    TtlTooLarge,
    /// The key is empty.
    EmptyKey,
    /// The key, the value or the whole request is larger than the store takes.
    TooLarge,
    /// The revision asked for has been compacted.
    Compacted,
    /// The revision asked for lies in the future.
    FutureRevision,
    /// A transaction writes one key twice.
    DuplicateKey,
    /// A transaction has more operations than the store takes.
    TooManyOps,
    /// The key does not exist, where the call needs it to.
    KeyNotFound,
    /// The key exists already, where the call needs it not to.
    KeyExists,
    /// The key is a directory, where the call needs a file.
    NotAFile,
    /// The key is a file, where the call needs a directory.
    NotADirectory,
    /// The request is not one that the store understands.
    InvalidArgument,
    /// The user may not do this, or could not be told who it is.
    Denied,
    /// The store has no such function.
    Unsupported,
    /// The store cannot be reached, or cannot serve now.
    Unavailable,
    /// No answer came in time.
    DeadlineExceeded,
    /// The store ended the watch.
    Canceled,
    /// This client was closed.
    Closed,
    /// None of the others; the message says more.
    Other,
}

impl ErrorKind {
    /// The words in which scripts expect this kind.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LeaseNotFound => "lease not found",
            Self::LeaseExists => "lease exists",
            Self::TtlTooLarge => "ttl too large",
            Self::EmptyKey => "empty key",
            Self::TooLarge => "too large",
            Self::Compacted => "compacted",
            Self::FutureRevision => "future revision",
            Self::DuplicateKey => "duplicate key",
            Self::TooManyOps => "too many operations",
            Self::KeyNotFound => "key not found",
            Self::KeyExists => "key exists",
            Self::NotAFile => "not a file",
            Self::NotADirectory => "not a directory",
            Self::InvalidArgument => "invalid argument",
            Self::Denied => "denied",
            Self::Unsupported => "unsupported",
            Self::Unavailable => "unavailable",
            Self::DeadlineExceeded => "deadline exceeded",
            Self::Canceled => "canceled",
            Self::Closed => "closed",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for ErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
