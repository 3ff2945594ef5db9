//! v2's errors, in the words that all stores share.

use hyper::StatusCode;

use super::answer::Refusal;
use crate::store::{ErrorKind, StoreError};

/// What is wrong where a server has no v2 API, in words that say what to do.
pub(super) const NO_V2: &str =
    "the server does not serve the v2 API: /v2 answers 404; start it with --enable-v2=true";

/// The kind of each of v2's error codes.
///
/// Codes about a peer, a standby or a removed feature are not a client's, and none of the kinds.
fn kind_of(code: u32) -> ErrorKind {
    match code {
        100 => ErrorKind::KeyNotFound,
        // "Compare failed": a prevValue or prevIndex, which this client does not send.
        101 => ErrorKind::Other,
        // "Directory not empty" is answered to a removal that would take what is in it, which is then not done.
        102 | 108 => ErrorKind::NotAFile,
        104 => ErrorKind::NotADirectory,
        105 => ErrorKind::KeyExists,
        // "Root is read only".
        107 => ErrorKind::InvalidArgument,
        110 => ErrorKind::Denied,
        // A prevValue is missing, a TTL or an index is no number, a field or a form is not valid.
        201..=203 | 209..=212 => ErrorKind::InvalidArgument,
        // "Raft Internal Error", "During Leader Election".
        300 | 301 => ErrorKind::Unavailable,
        // "watcher is cleared due to etcd recovery".
        400 => ErrorKind::Canceled,
        // "The event in requested index is outdated and cleared".
        401 => ErrorKind::Compacted,
        _ => ErrorKind::Other,
    }
}

/// The error that an answer with this status and body is.
pub(super) fn from_answer(status: StatusCode, body: &[u8]) -> StoreError {
    match serde_json::from_slice::<Refusal>(body) {
        Ok(refusal) if refusal.error_code != 0 => {
            StoreError::new(kind_of(refusal.error_code), words(&refusal))
        }
        Ok(refusal) => StoreError::new(kind_of_status(status), words(&refusal)),
        Err(_) if status == StatusCode::NOT_FOUND => StoreError::new(ErrorKind::Unsupported, NO_V2),
        Err(_) => {
            let body: String = String::from_utf8_lossy(body).chars().take(200).collect();
            let message =
                format!("the server answered {status}, which is not v2: {:?}", body.trim());
            StoreError::new(kind_of_status(status), message)
        }
    }
}

/// The error that an answer is which claims success and is not what v2 answers.
pub(super) fn unreadable(error: &serde_json::Error) -> StoreError {
    StoreError::new(ErrorKind::Other, format!("the server's answer is not one of v2: {error}"))
}

fn words(refusal: &Refusal) -> String {
    match refusal.cause.as_str() {
        "" => refusal.message.clone(),
        cause => format!("{} ({cause})", refusal.message),
    }
}

fn kind_of_status(status: StatusCode) -> ErrorKind {
    match status.as_u16() {
        401 | 403 => ErrorKind::Denied,
        413 => ErrorKind::TooLarge,
        408 | 504 => ErrorKind::DeadlineExceeded,
        429 | 500 | 502 | 503 => ErrorKind::Unavailable,
        _ => ErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(404, 100, "Key not found", ErrorKind::KeyNotFound)]
    #[case(412, 101, "Compare failed", ErrorKind::Other)]
    #[case(403, 102, "Not a file", ErrorKind::NotAFile)]
    #[case(400, 104, "Not a directory", ErrorKind::NotADirectory)]
    #[case(412, 105, "Key already exists", ErrorKind::KeyExists)]
    #[case(400, 107, "Root is read only", ErrorKind::InvalidArgument)]
    #[case(403, 108, "Directory not empty", ErrorKind::NotAFile)]
    #[case(401, 110, "The request requires user authentication", ErrorKind::Denied)]
    #[case(400, 201, "PrevValue is Required in POST form", ErrorKind::InvalidArgument)]
    #[case(400, 202, "The given TTL in POST form is not a number", ErrorKind::InvalidArgument)]
    #[case(400, 203, "The given index in POST form is not a number", ErrorKind::InvalidArgument)]
    #[case(400, 209, "Invalid field", ErrorKind::InvalidArgument)]
    #[case(400, 210, "Invalid POST form", ErrorKind::InvalidArgument)]
    #[case(500, 300, "Raft Internal Error", ErrorKind::Unavailable)]
    #[case(503, 301, "During Leader Election", ErrorKind::Unavailable)]
    #[case(500, 400, "watcher is cleared due to etcd recovery", ErrorKind::Canceled)]
    #[case(400, 401, "The event in requested index is outdated and cleared", ErrorKind::Compacted)]
    fn a_code_of_v2_has_its_kind(
        #[case] status: u16,
        #[case] code: u32,
        #[case] message: &str,
        #[case] kind: ErrorKind,
    ) {
        let body =
            format!(r#"{{"errorCode":{code},"message":"{message}","cause":"/k","index":7}}"#);
        let error = from_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(error, StoreError::new(kind, format!("{message} (/k)")));
    }

    #[rstest]
    #[case(401, r#"{"message":"Insufficient credentials"}"#, ErrorKind::Denied)]
    #[case(503, r#"{"message":"etcdserver: no leader"}"#, ErrorKind::Unavailable)]
    #[case(404, "404 page not found\n", ErrorKind::Unsupported)]
    #[case(502, "<html>bad gateway</html>", ErrorKind::Unavailable)]
    #[case(418, "tea", ErrorKind::Other)]
    fn what_is_no_code_is_judged_by_its_status(
        #[case] status: u16,
        #[case] body: &str,
        #[case] kind: ErrorKind,
    ) {
        let error = from_answer(StatusCode::from_u16(status).unwrap(), body.as_bytes());
        assert_eq!(error.kind, kind);
    }

    #[test]
    fn a_server_without_v2_is_told_in_plain_words() {
        let error = from_answer(StatusCode::NOT_FOUND, b"404 page not found\n");
        assert_eq!(error.message, NO_V2);
    }
}
