//! Redis's errors, in the words that all stores share.

use redis::RedisError;

use crate::store::{ErrorKind, StoreError};

/// What is in an error of code `ERR`, which Redis gives to many, and what it means. The first that is found counts.
const WORDS: &[(&str, ErrorKind)] = &[
    ("unknown command", ErrorKind::Unsupported),
    ("unknown subcommand", ErrorKind::Unsupported),
    ("invalid expire time", ErrorKind::TtlTooLarge),
    ("exceeds maximum allowed size", ErrorKind::TooLarge),
    // What it says of a value beyond proto-max-bulk-len before it hangs up.
    ("invalid bulk length", ErrorKind::TooLarge),
    ("invalid password", ErrorKind::Denied),
    ("AUTH", ErrorKind::Denied),
    ("max number of clients reached", ErrorKind::Unavailable),
    ("DB index is out of range", ErrorKind::InvalidArgument),
    ("syntax error", ErrorKind::InvalidArgument),
];

/// Puts an error of the client into the words of all stores; where no answer came, it says from what `address`.
pub(super) fn from_client(error: &RedisError, address: &str) -> StoreError {
    let kind = kind_of(error);
    match kind {
        ErrorKind::Unavailable => StoreError::new(kind, format!("{error} (server: {address})")),
        _ => StoreError::new(kind, error.to_string()),
    }
}

fn kind_of(error: &RedisError) -> ErrorKind {
    match error.kind() {
        redis::ErrorKind::Io => ErrorKind::Unavailable,
        redis::ErrorKind::AuthenticationFailed => ErrorKind::Denied,
        redis::ErrorKind::InvalidClientConfig => ErrorKind::InvalidArgument,
        _ => kind_of_answer(error.code().unwrap_or_default(), error.detail().unwrap_or_default()),
    }
}

/// The kind of an error that the server answered: its first word is a code, the rest is for people.
fn kind_of_answer(code: &str, detail: &str) -> ErrorKind {
    match code {
        "NOAUTH" | "WRONGPASS" | "NOPERM" | "DENIED" => ErrorKind::Denied,
        // It serves again by itself, or once memory, disk or the master is back.
        "LOADING" | "BUSY" | "MASTERDOWN" | "CLUSTERDOWN" | "TRYAGAIN" | "OOM" | "READONLY"
        | "MISCONF" | "NOREPLICAS" => ErrorKind::Unavailable,
        // The keys are spread over a cluster, and this client speaks to one server.
        "MOVED" | "ASK" | "CROSSSLOT" => ErrorKind::Unsupported,
        "WRONGTYPE" => ErrorKind::InvalidArgument,
        _ => WORDS
            .iter()
            .find(|(words, _)| detail.contains(words))
            .map_or(ErrorKind::Other, |&(_, kind)| kind),
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::{Value, parse_redis_value};
    use rstest::rstest;

    use super::*;

    /// The error that the client makes of a line of the server's.
    fn answered(line: &str) -> RedisError {
        match parse_redis_value(format!("-{line}\r\n").as_bytes()) {
            Ok(Value::ServerError(error)) => error.into(),
            other => panic!("'{line}' is read as {other:?}"),
        }
    }

    #[rstest]
    #[case("NOAUTH Authentication required.", ErrorKind::Denied)]
    #[case("WRONGPASS invalid username-password pair or user is disabled.", ErrorKind::Denied)]
    #[case("NOPERM this user has no permissions to run the 'set' command", ErrorKind::Denied)]
    #[case("ERR invalid password", ErrorKind::Denied)]
    #[case("ERR AUTH <password> called without any password configured", ErrorKind::Denied)]
    #[case("OOM command not allowed when used memory > 'maxmemory'.", ErrorKind::Unavailable)]
    #[case("READONLY You can't write against a read only replica.", ErrorKind::Unavailable)]
    #[case("LOADING Redis is loading the dataset in memory", ErrorKind::Unavailable)]
    #[case("MASTERDOWN Link with MASTER is down", ErrorKind::Unavailable)]
    #[case("MISCONF Redis is configured to save RDB snapshots", ErrorKind::Unavailable)]
    #[case("BUSY Redis is busy running a script.", ErrorKind::Unavailable)]
    #[case("ERR max number of clients reached", ErrorKind::Unavailable)]
    #[case("CLUSTERDOWN Hash slot not served", ErrorKind::Unavailable)]
    #[case("MOVED 3999 127.0.0.1:6381", ErrorKind::Unsupported)]
    #[case(
        "ERR unknown command 'CONFIG', with args beginning with: 'GET' ",
        ErrorKind::Unsupported
    )]
    #[case("ERR invalid expire time in 'set' command", ErrorKind::TtlTooLarge)]
    #[case("ERR string exceeds maximum allowed size (proto-max-bulk-len)", ErrorKind::TooLarge)]
    #[case("ERR Protocol error: invalid bulk length", ErrorKind::TooLarge)]
    #[case(
        "WRONGTYPE Operation against a key holding the wrong kind of value",
        ErrorKind::InvalidArgument
    )]
    #[case("ERR DB index is out of range", ErrorKind::InvalidArgument)]
    #[case("ERR something else", ErrorKind::Other)]
    #[case("NEWCODE something else", ErrorKind::Other)]
    fn an_error_of_redis_has_its_kind(#[case] line: &str, #[case] kind: ErrorKind) {
        let error = from_client(&answered(line), "a:1");
        assert_eq!(error.kind, kind, "{error}");
        assert_eq!(error.message.contains("(server: a:1)"), kind == ErrorKind::Unavailable);
    }

    #[test]
    fn a_connection_that_failed_is_unavailable() {
        let error = RedisError::from(io::Error::from(io::ErrorKind::ConnectionRefused));
        assert_eq!(from_client(&error, "a:1").kind, ErrorKind::Unavailable);
    }
}
