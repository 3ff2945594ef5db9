//! Prefixes as Redis's glob patterns, in which some bytes are not literal.

/// The pattern that matches whatever begins with `prefix`, byte by byte.
pub(super) fn of_prefix(prefix: &[u8]) -> Vec<u8> {
    let mut pattern = Vec::with_capacity(prefix.len() + 1);
    for &byte in prefix {
        if b"*?[]\\".contains(&byte) {
            pattern.push(b'\\');
        }
        pattern.push(byte);
    }
    pattern.push(b'*');
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case::nothing(b"", b"*")]
    #[case::plain(b"/kvspec/a", b"/kvspec/a*")]
    #[case::star(b"a*b", b"a\\*b*")]
    #[case::mark(b"a?", b"a\\?*")]
    #[case::class(b"a[b]", b"a\\[b\\]*")]
    #[case::negation(b"[^a-c]", b"\\[^a-c\\]*")]
    #[case::backslash(b"a\\", b"a\\\\*")]
    #[case::bytes(b"\x00\xff\n", b"\x00\xff\n*")]
    fn every_byte_of_a_prefix_stands_for_itself(#[case] prefix: &[u8], #[case] pattern: &[u8]) {
        assert_eq!(of_prefix(prefix), pattern);
    }
}
