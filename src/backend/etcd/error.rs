//! etcd's errors, in the words that all stores share.

use std::error::Error as _;

use etcd_client::Error;

use crate::store::{ErrorKind, StoreError};

/// What etcd writes into its statuses, and what it means.
///
/// The words come before the status code, because etcd gives one code to many errors, and servers that imitate it
/// keep its words more often than its codes. The first entry found in a message counts.
const WORDS: &[(&str, ErrorKind)] = &[
    ("lease not found", ErrorKind::LeaseNotFound),
    ("lease already exists", ErrorKind::LeaseExists),
    ("too large lease TTL", ErrorKind::TtlTooLarge),
    ("key is not provided", ErrorKind::EmptyKey),
    ("request is too large", ErrorKind::TooLarge),
    // grpc-go's limit on what a server receives, then tonic's own on what this client sends and receives.
    ("message larger than max", ErrorKind::TooLarge),
    ("message length too large", ErrorKind::TooLarge),
    ("required revision has been compacted", ErrorKind::Compacted),
    ("required revision is a future revision", ErrorKind::FutureRevision),
    ("duplicate key given in txn request", ErrorKind::DuplicateKey),
    ("too many operations in txn request", ErrorKind::TooManyOps),
    ("etcdserver: key not found", ErrorKind::KeyNotFound),
    ("value is provided", ErrorKind::InvalidArgument),
    ("lease is provided", ErrorKind::InvalidArgument),
    ("permission denied", ErrorKind::Denied),
    ("invalid auth token", ErrorKind::Denied),
    ("user name is empty", ErrorKind::Denied),
    ("user name not found", ErrorKind::Denied),
    ("authentication failed", ErrorKind::Denied),
    ("authentication is not enabled", ErrorKind::Denied),
    ("invalid auth management", ErrorKind::Denied),
    ("revision of auth store is old", ErrorKind::Denied),
    ("no leader", ErrorKind::Unavailable),
    ("not leader", ErrorKind::Unavailable),
    ("leader changed", ErrorKind::Unavailable),
    ("request timed out", ErrorKind::Unavailable),
    ("too many requests", ErrorKind::Unavailable),
    ("server stopped", ErrorKind::Unavailable),
    ("unhealthy cluster", ErrorKind::Unavailable),
    ("corrupt cluster", ErrorKind::Unavailable),
    ("database space exceeded", ErrorKind::Unavailable),
    ("not supported for learner", ErrorKind::Unavailable),
    ("not supported", ErrorKind::Unsupported),
    ("watch canceled", ErrorKind::Canceled),
    // What tonic makes of a stream that its server cut off in the middle.
    ("without a final status", ErrorKind::Unavailable),
];

/// Puts an error of etcd-client into the words of all stores; where no answer came, it says from what `address`.
pub(super) fn from_client(error: Error, address: &str) -> StoreError {
    let kind = kind_of_error(&error);
    let message = message_of(&error);
    match kind {
        ErrorKind::Unavailable => StoreError::new(kind, format!("{message} (server: {address})")),
        _ => StoreError::new(kind, message),
    }
}

fn kind_of_error(error: &Error) -> ErrorKind {
    match error {
        // A status with a source was made on this side, of a connection that failed.
        Error::GRpcStatus(status) if status.source().is_some() => {
            kind_of_words(status.message()).unwrap_or(ErrorKind::Unavailable)
        }
        Error::GRpcStatus(status) => kind_of(status.code().into(), status.message()),
        Error::TransportError(_) | Error::IoError(_) => ErrorKind::Unavailable,
        Error::InvalidArgs(_) | Error::InvalidUri(_) => ErrorKind::InvalidArgument,
        // Besides an unknown lease, these two say only that the stream was over before it began.
        Error::LeaseKeepAliveError(message) | Error::WatchError(message) => {
            kind_of_words(message).unwrap_or(ErrorKind::Unavailable)
        }
        _ => ErrorKind::Other,
    }
}

/// Puts the reason for which a server ended a watch into the words of all stores.
pub(super) fn from_cancel_reason(reason: &str) -> StoreError {
    let message =
        if reason.is_empty() { "the server canceled the watch and gave no reason" } else { reason };
    StoreError::new(kind_of_words(reason).unwrap_or(ErrorKind::Canceled), message)
}

/// The kind of a gRPC status: by its words where they are etcd's, else by its code.
fn kind_of(code: i32, message: &str) -> ErrorKind {
    kind_of_words(message).unwrap_or_else(|| kind_of_code(code))
}

fn kind_of_words(message: &str) -> Option<ErrorKind> {
    WORDS.iter().find(|(words, _)| message.contains(words)).map(|&(_, kind)| kind)
}

/// The kind that a gRPC status code alone reports, by the numbers of the gRPC specification.
fn kind_of_code(code: i32) -> ErrorKind {
    match code {
        1 => ErrorKind::Canceled,
        3 => ErrorKind::InvalidArgument,
        4 => ErrorKind::DeadlineExceeded,
        7 | 16 => ErrorKind::Denied,
        8 | 14 => ErrorKind::Unavailable,
        12 => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    }
}

/// The server's own message, or for a failed connection all that is known of it.
fn message_of(error: &Error) -> String {
    match error {
        Error::GRpcStatus(status) if status.source().is_some() => with_causes(None, status),
        Error::GRpcStatus(status) if status.message().is_empty() => status.code().to_string(),
        Error::GRpcStatus(status) => status.message().to_owned(),
        Error::TransportError(error) => with_causes(None, error),
        other => other.to_string(),
    }
}

/// What was said and an error's causes in one line, outermost first: transport errors say little by themselves.
pub(in crate::backend) fn with_causes(
    said: Option<String>,
    error: &dyn std::error::Error,
) -> String {
    let mut parts: Vec<String> = said.into_iter().collect();
    let mut next = error.source();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !parts.iter().any(|part| part.contains(&words)) {
            parts.push(words);
        }
        next = cause.source();
    }
    parts.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(5, "etcdserver: requested lease not found", ErrorKind::LeaseNotFound)]
    #[case(9, "etcdserver: lease already exists", ErrorKind::LeaseExists)]
    #[case(11, "etcdserver: too large lease TTL", ErrorKind::TtlTooLarge)]
    #[case(3, "etcdserver: key is not provided", ErrorKind::EmptyKey)]
    #[case(3, "etcdserver: request is too large", ErrorKind::TooLarge)]
    #[case(8, "grpc: received message larger than max (3145760 vs. 2097152)", ErrorKind::TooLarge)]
    #[case(8, "trying to send message larger than max (9 vs. 8)", ErrorKind::TooLarge)]
    #[case(
        11,
        "Error, decoded message length too large: found 9 bytes, the limit is: 8 bytes",
        ErrorKind::TooLarge
    )]
    #[case(
        11,
        "Error, encoded message length too large: found 9 bytes, the limit is: 8 bytes",
        ErrorKind::TooLarge
    )]
    #[case(11, "etcdserver: mvcc: required revision has been compacted", ErrorKind::Compacted)]
    #[case(
        11,
        "etcdserver: mvcc: required revision is a future revision",
        ErrorKind::FutureRevision
    )]
    #[case(3, "etcdserver: duplicate key given in txn request", ErrorKind::DuplicateKey)]
    #[case(3, "etcdserver: too many operations in txn request", ErrorKind::TooManyOps)]
    #[case(3, "etcdserver: key not found", ErrorKind::KeyNotFound)]
    #[case(3, "etcdserver: value is provided", ErrorKind::InvalidArgument)]
    #[case(3, "etcdserver: lease is provided", ErrorKind::InvalidArgument)]
    #[case(3, "etcdserver: invalid sort option", ErrorKind::InvalidArgument)]
    #[case(3, "etcdserver: invalid client api version", ErrorKind::InvalidArgument)]
    #[case(7, "etcdserver: permission denied", ErrorKind::Denied)]
    #[case(16, "etcdserver: invalid auth token", ErrorKind::Denied)]
    #[case(2, "etcdserver: invalid auth token", ErrorKind::Denied)]
    #[case(3, "etcdserver: user name is empty", ErrorKind::Denied)]
    #[case(9, "etcdserver: user name not found", ErrorKind::Denied)]
    #[case(3, "etcdserver: authentication failed, invalid user ID or password", ErrorKind::Denied)]
    #[case(9, "etcdserver: authentication is not enabled", ErrorKind::Denied)]
    #[case(3, "etcdserver: invalid auth management", ErrorKind::Denied)]
    #[case(3, "etcdserver: revision of auth store is old", ErrorKind::Denied)]
    #[case(14, "etcdserver: no leader", ErrorKind::Unavailable)]
    #[case(9, "etcdserver: not leader", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: leader changed", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: request timed out", ErrorKind::Unavailable)]
    #[case(
        14,
        "etcdserver: request timed out, possibly due to previous leader failure",
        ErrorKind::Unavailable
    )]
    #[case(
        14,
        "etcdserver: request timed out, possibly due to connection lost",
        ErrorKind::Unavailable
    )]
    #[case(8, "etcdserver: too many requests", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: server stopped", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: unhealthy cluster", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: not capable", ErrorKind::Unavailable)]
    #[case(15, "etcdserver: corrupt cluster", ErrorKind::Unavailable)]
    #[case(8, "etcdserver: mvcc: database space exceeded", ErrorKind::Unavailable)]
    #[case(14, "etcdserver: rpc not supported for learner", ErrorKind::Unavailable)]
    #[case(2, "lease revoke is not supported", ErrorKind::Unsupported)]
    #[case(1, "etcdserver: watch canceled", ErrorKind::Canceled)]
    fn a_message_of_etcd_has_its_kind(
        #[case] code: i32,
        #[case] message: &str,
        #[case] kind: ErrorKind,
    ) {
        assert_eq!(kind_of(code, message), kind);
    }

    #[rstest]
    #[case::cancelled(1, ErrorKind::Canceled)]
    #[case::unknown(2, ErrorKind::Other)]
    #[case::invalid_argument(3, ErrorKind::InvalidArgument)]
    #[case::deadline_exceeded(4, ErrorKind::DeadlineExceeded)]
    #[case::not_found(5, ErrorKind::Other)]
    #[case::already_exists(6, ErrorKind::Other)]
    #[case::permission_denied(7, ErrorKind::Denied)]
    #[case::resource_exhausted(8, ErrorKind::Unavailable)]
    #[case::failed_precondition(9, ErrorKind::Other)]
    #[case::aborted(10, ErrorKind::Other)]
    #[case::out_of_range(11, ErrorKind::Other)]
    #[case::unimplemented(12, ErrorKind::Unsupported)]
    #[case::internal(13, ErrorKind::Other)]
    #[case::unavailable(14, ErrorKind::Unavailable)]
    #[case::data_loss(15, ErrorKind::Other)]
    #[case::unauthenticated(16, ErrorKind::Denied)]
    fn other_words_are_judged_by_code(#[case] code: i32, #[case] kind: ErrorKind) {
        assert_eq!(kind_of(code, "words of another server"), kind);
    }

    #[rstest]
    #[case(
        "rpc error: code = PermissionDenied desc = etcdserver: permission denied",
        ErrorKind::Denied
    )]
    #[case("etcdserver: mvcc: required revision has been compacted", ErrorKind::Compacted)]
    #[case("etcdserver: no leader", ErrorKind::Unavailable)]
    #[case("mvcc: watcher range is empty", ErrorKind::Canceled)]
    #[case("", ErrorKind::Canceled)]
    fn a_watch_is_canceled_for_a_reason(#[case] reason: &str, #[case] kind: ErrorKind) {
        let error = from_cancel_reason(reason);
        assert_eq!(error.kind, kind);
        assert!(!error.message.is_empty());
    }

    #[test]
    fn an_unknown_lease_is_known_from_keep_alive() {
        let error = from_client(Error::LeaseKeepAliveError("lease not found".into()), "a:1");
        assert_eq!(error.kind, ErrorKind::LeaseNotFound);
        let error = from_client(Error::LeaseKeepAliveError("channel closed".into()), "a:1");
        assert_eq!(error.kind, ErrorKind::Unavailable);
    }
}
