//! Calls and replies as a script writes them, and bytes in them.

use std::fmt::{self, Formatter, Write as _};
use std::time::Duration;

use super::{KeyMetadata, WatchStream};

/// Writes bytes as a script would, whole.
pub fn quote(bytes: &[u8]) -> String {
    let bare = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    let plain = bytes.first().is_some_and(|first| bare(*first))
        && bytes.iter().all(|byte| bare(*byte) || b"-./@".contains(byte));
    if plain {
        return String::from_utf8_lossy(bytes).into_owned();
    }
    let mut quoted = String::from('"');
    for chunk in bytes.utf8_chunks() {
        chunk.valid().chars().for_each(|c| escape(c, &mut quoted));
        chunk
            .invalid()
            .iter()
            .for_each(|byte| write!(quoted, "\\x{byte:02x}").expect("a string takes all"));
    }
    quoted.push('"');
    quoted
}

fn escape(c: char, quoted: &mut String) {
    match c {
        '"' | '\\' => quoted.extend(['\\', c]),
        '\n' => quoted.push_str("\\n"),
        '\r' => quoted.push_str("\\r"),
        '\t' => quoted.push_str("\\t"),
        // A script reads these as single bytes, so each byte of theirs is written as one.
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{ff}' => {
            for byte in c.encode_utf8(&mut [0; 4]).bytes() {
                write!(quoted, "\\x{byte:02x}").expect("a string takes all");
            }
        }
        c => quoted.push(c),
    }
}

/// Writes keys as a list prints them.
pub(super) fn keys(keys: &Vec<Vec<u8>>) -> String {
    match keys.as_slice() {
        [] => "(no keys)".into(),
        keys => keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join(" "),
    }
}

/// Writes a value, if there is one.
pub(super) fn value(value: &Option<Vec<u8>>) -> String {
    value.as_ref().map_or("(none)".into(), |value| quote(value))
}

/// Writes a time as a script does, to the millisecond.
pub(super) fn span(span: Duration) -> String {
    match span.subsec_millis() {
        0 => format!("{}s", span.as_secs()),
        _ => format!("{}ms", span.as_millis()),
    }
}

/// What a call is given, other than keys and values.
pub(super) trait Argument {
    /// Its text in a command; `None` if it is left out.
    fn text(&self) -> Option<String>;

    /// The keys in it.
    fn keys_mut(&mut self) -> Vec<&mut Vec<u8>> {
        Vec::new()
    }

    /// Writes it after a blank, with its name if it has one.
    fn write(&self, name: &str, f: &mut Formatter) -> fmt::Result {
        match self.text() {
            None => Ok(()),
            Some(text) if name.is_empty() => write!(f, " {text}"),
            Some(text) => write!(f, " {name}={text}"),
        }
    }
}

impl Argument for Duration {
    fn text(&self) -> Option<String> {
        Some(span(*self))
    }
}

impl Argument for i64 {
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Argument for usize {
    fn text(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl<T: Argument> Argument for Option<T> {
    fn text(&self) -> Option<String> {
        self.as_ref()?.text()
    }
}

pub(super) fn done((): &()) -> String {
    "ok".into()
}

pub(super) fn granted(ttl: &Duration) -> String {
    format!("granted {}", span(*ttl))
}

pub(super) fn watching(_: &WatchStream) -> String {
    "watching".into()
}

pub(super) fn found(metadata: &Option<KeyMetadata>) -> String {
    metadata.as_ref().map_or("(none)".into(), KeyMetadata::to_string)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use crate::store::{Call, Reply};

    fn call(json: &str) -> Call {
        serde_json::from_str(json).expect("it is a call")
    }

    #[rstest]
    #[case(r#"{"update":{"key":"k","value":"a b"}}"#, r#"update k "a b""#)]
    #[case(
        r#"{"update_with_ttl":{"key":"k","value":"","ttl":1500000000}}"#,
        r#"update k "" ttl=1500ms"#
    )]
    #[case(r#"{"lease_with_id":{"id":7,"ttl":2000000000}}"#, "lease id=7 ttl=2s")]
    #[case(r#"{"list_at":{"prefix":"","revision":5,"limit":null}}"#, r#"list "" at=5"#)]
    #[case(r#"{"close":{}}"#, "close")]
    #[case(
        r#"{"txn":{"txn":{"compare":[{"key":"k","comparison":"equal","operand":{"value":""}}],"then":[{"put":{"key":"k","value":"v","lease":7}}],"otherwise":[]}}}"#,
        r#"txn if "value k = ''" then "put k v 7""#
    )]
    fn a_call_prints_as_its_command_and_is_read_back(#[case] json: &str, #[case] text: &str) {
        assert_eq!(call(json).to_string(), text);
        assert_eq!(serde_json::to_string(&call(json)).expect("it is written"), json);
    }

    #[rstest]
    #[case(().into(), "ok")]
    #[case(None::<Vec<u8>>.into(), "(none)")]
    #[case(vec![b"a".to_vec(), b"b c".to_vec()].into(), r#"a "b c""#)]
    fn a_reply_prints_as_an_answer(#[case] reply: Reply, #[case] text: &str) {
        assert_eq!(reply.to_string(), text);
    }
}
