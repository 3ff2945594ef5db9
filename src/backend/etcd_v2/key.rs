//! Keys as v2 knows them: clean paths of text.

use std::borrow::Cow;

use crate::store::{ErrorKind, Result, StoreError};

/// The key as a path, if v2 would keep it as it is.
///
/// The server cleans paths: it would take `a//b` and `a/./b` for `a/b`, and write that in silence.
pub(super) fn path(key: &[u8]) -> Result<&str> {
    if key.is_empty() {
        return Err(ErrorKind::EmptyKey.into());
    }
    let text = text(key, "key")?;
    let Some(relative) = text.strip_prefix('/') else {
        return Err(refused(format!(
            "v2 keys are paths that begin with a slash, and {text:?} does not"
        )));
    };
    match relative.split('/').all(is_name) {
        true => Ok(text),
        false => {
            Err(refused(format!("v2 keys are clean paths: it would take {text:?} for another key")))
        }
    }
}

/// Bytes as the text that v2 wants; it would replace those that are none in silence.
pub(super) fn text<'a>(bytes: &'a [u8], what: &str) -> Result<&'a str> {
    std::str::from_utf8(bytes)
        .map_err(|_| refused(format!("v2 takes text only, and this {what} is not UTF-8")))
}

fn refused(message: String) -> StoreError {
    StoreError::new(ErrorKind::InvalidArgument, message)
}

fn is_name(segment: &str) -> bool {
    !matches!(segment, "" | "." | "..")
}

/// The deepest directory that holds every key that begins with `prefix`, without a slash at its end: `""` is the root.
///
/// Where the prefix is not a clean path of text no key of v2 begins with it, and any directory above does.
pub(super) fn directory(prefix: &[u8]) -> &str {
    let mut end = 0;
    let slashes = prefix.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
    for slash in slashes.skip_while(|slash| *slash == 0) {
        match std::str::from_utf8(&prefix[end..slash]) {
            Ok(segment) if segment.strip_prefix('/').is_some_and(is_name) => end = slash,
            _ => break,
        }
    }
    std::str::from_utf8(&prefix[..end]).unwrap_or_default()
}

/// The directories above `path` and below `base`, outermost first.
pub(super) fn parents<'a>(path: &'a str, base: &str) -> impl Iterator<Item = &'a str> {
    let from = if path.starts_with(base) { base.len() } else { 1 };
    path.match_indices('/').map(|(at, _)| at).filter(move |at| *at >= from).map(|at| &path[..at])
}

/// Text as it may be in a URL's path or in a form: all but plain characters as percent signs and digits.
pub(super) fn escaped<'a>(text: &'a str, plain: &str) -> Cow<'a, str> {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || plain.as_bytes().contains(byte);
    if text.as_bytes().iter().all(is_plain) {
        return text.into();
    }
    let mut escaped = String::with_capacity(text.len() * 2);
    for byte in text.bytes() {
        match is_plain(&byte) {
            true => escaped.push(byte.into()),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("/a")]
    #[case("/a/b c/\n/%20")]
    #[case("/a/..b/.c/_d/...")]
    fn a_clean_path_is_a_key(#[case] key: &str) {
        assert_eq!(path(key.as_bytes()), Ok(key));
    }

    #[rstest]
    #[case(b"", ErrorKind::EmptyKey)]
    #[case(b"a", ErrorKind::InvalidArgument)]
    #[case(b"/", ErrorKind::InvalidArgument)]
    #[case(b"/a/", ErrorKind::InvalidArgument)]
    #[case(b"/a//b", ErrorKind::InvalidArgument)]
    #[case(b"/a/./b", ErrorKind::InvalidArgument)]
    #[case(b"/a/../b", ErrorKind::InvalidArgument)]
    #[case(b"/a\xff", ErrorKind::InvalidArgument)]
    fn what_v2_would_take_for_another_key_is_refused(#[case] key: &[u8], #[case] kind: ErrorKind) {
        assert_eq!(path(key).unwrap_err().kind, kind);
    }

    #[rstest]
    #[case(b"", "")]
    #[case(b"/", "")]
    #[case(b"/a", "")]
    #[case(b"/a/", "/a")]
    #[case(b"/a/b", "/a")]
    #[case(b"/a/b/c", "/a/b")]
    #[case(b"/a//b/c", "/a")]
    #[case(b"/a/../b/c", "/a")]
    #[case(b"/a/b\xff/c", "/a")]
    #[case(b"/a/b\xff", "/a")]
    #[case(b"a/b/c", "")]
    fn a_prefix_lies_in_a_directory(#[case] prefix: &[u8], #[case] expected: &str) {
        assert_eq!(directory(prefix), expected);
    }

    #[test]
    fn parents_lie_below_the_base() {
        let parents_of = |path| parents(path, "/kvspec/").collect::<Vec<_>>();
        assert_eq!(parents_of("/kvspec/run/a/b"), ["/kvspec/run", "/kvspec/run/a"]);
        assert_eq!(parents_of("/kvspec/a"), Vec::<&str>::new());
    }

    #[test]
    fn text_is_escaped_byte_by_byte() {
        assert_eq!(escaped("/a b/é%&=+", "-._~/"), "/a%20b/%C3%A9%25%26%3D%2B");
        assert_eq!(escaped("/plain-1", "-._~/"), "/plain-1");
    }
}
