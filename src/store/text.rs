//! Calls and replies as a script writes them, and bytes in them.

use std::fmt::{self, Display, Formatter, Write as _};
use std::time::Duration;

use super::{
    Call, Compare, Comparison, KeyMetadata, Op, OpAnswer, Operand, Reply, TimeToLive, Txn,
    TxnAnswer,
};

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
fn keys(keys: &[Vec<u8>]) -> String {
    match keys {
        [] => "(no keys)".into(),
        keys => keys.iter().map(|key| quote(key)).collect::<Vec<_>>().join(" "),
    }
}

fn value(value: &Option<Vec<u8>>) -> String {
    value.as_ref().map_or("(none)".into(), |value| quote(value))
}

/// Writes a time as a script does, to the millisecond.
fn span(span: Duration) -> String {
    match span.subsec_millis() {
        0 => format!("{}s", span.as_secs()),
        _ => format!("{}ms", span.as_millis()),
    }
}

impl Display for Call {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let optional = |name: &str, number: Option<String>| {
            number.map_or(String::new(), |number| format!(" {name}={number}"))
        };
        match self {
            Self::Update { key, value } => write!(f, "update {} {}", quote(key), quote(value)),
            Self::UpdateWithTtl { key, value, ttl } => {
                write!(f, "update {} {} ttl={}", quote(key), quote(value), span(*ttl))
            }
            Self::UpdateWithLease { key, value, lease } => {
                write!(f, "update {} {} lease={lease}", quote(key), quote(value))
            }
            Self::Delete { key } => write!(f, "delete {}", quote(key)),
            Self::Read { key } => write!(f, "read {}", quote(key)),
            Self::ReadAt { key, revision } => write!(f, "read {} at={revision}", quote(key)),
            Self::List { prefix } => write!(f, "list {}", quote(prefix)),
            Self::ListAt { prefix, revision, limit } => {
                let at = optional("at", revision.map(|revision| revision.to_string()));
                let limit = optional("limit", limit.map(|limit| limit.to_string()));
                write!(f, "list {}{at}{limit}", quote(prefix))
            }
            Self::Watch { prefix } => write!(f, "watch {}", quote(prefix)),
            Self::WatchFrom { prefix, revision } => {
                write!(f, "watch {} from={revision}", quote(prefix))
            }
            Self::Lease { ttl } => write!(f, "lease ttl={}", span(*ttl)),
            Self::LeaseWithId { id, ttl } => write!(f, "lease ttl={} id={id}", span(*ttl)),
            Self::KeepAlive { lease } => write!(f, "keep_alive {lease}"),
            Self::TimeToLive { lease } => write!(f, "time_to_live {lease}"),
            Self::Revoke { lease } => write!(f, "revoke {lease}"),
            Self::Metadata { key } => write!(f, "metadata {}", quote(key)),
            Self::Compact { revision } => write!(f, "compact {revision}"),
            Self::Txn { txn } => write!(f, "txn{txn}"),
            Self::Mkdir { directory } => write!(f, "mkdir {}", quote(directory)),
            Self::Create { key, value } => write!(f, "create {} {}", quote(key), quote(value)),
            Self::Revision {} | Self::Close {} => f.write_str(self.method()),
        }
    }
}

/// The parts of a transaction, each after a blank.
impl Display for Txn {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        part(f, "if", &self.compare)?;
        part(f, "then", &self.then)?;
        part(f, "else", &self.otherwise)
    }
}

fn part(f: &mut Formatter, name: &str, lines: &[impl Display]) -> fmt::Result {
    if !lines.is_empty() {
        write!(f, " {name}")?;
    }
    lines.iter().try_for_each(|line| write!(f, " {}", quote(line.to_string().as_bytes())))
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Equal => "=",
            Self::NotEqual => "!=",
            Self::Greater => ">",
            Self::Less => "<",
        })
    }
}

impl Display for Compare {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let (target, operand) = match &self.operand {
            Operand::Value(value) => ("value", word(value)),
            Operand::Version(version) => ("version", version.to_string()),
            Operand::CreateRevision(revision) => ("create", revision.to_string()),
            Operand::ModRevision(revision) => ("mod", revision.to_string()),
            Operand::Lease(lease) => ("lease", lease.to_string()),
        };
        write!(f, "{target} {} {} {operand}", word(&self.key), self.comparison)
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Put { key, value, lease: None } => write!(f, "put {} {}", word(key), word(value)),
            Self::Put { key, value, lease: Some(lease) } => {
                write!(f, "put {} {} {lease}", word(key), word(value))
            }
            Self::Delete { key } => write!(f, "delete {}", word(key)),
            Self::DeletePrefix { prefix } => write!(f, "delete_prefix {}", word(prefix)),
            Self::Read { key } => write!(f, "read {}", word(key)),
            Self::List { prefix } => write!(f, "list {}", word(prefix)),
        }
    }
}

/// Bytes as a word of a transaction, where two single quotes are none.
fn word(bytes: &[u8]) -> String {
    match bytes {
        b"" => "''".into(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

impl Display for Reply {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Done(()) => f.write_str("ok"),
            Self::Granted(ttl) => write!(f, "granted {}", span(*ttl)),
            Self::Value(found) => f.write_str(&value(found)),
            Self::Keys(found) => f.write_str(&keys(found)),
            Self::Watch(_) => f.write_str("watching"),
            Self::Lease(lease) => write!(f, "lease {} granted {}", lease.id, span(lease.ttl)),
            Self::TimeToLive(TimeToLive { granted, remaining, keys: attached }) => {
                write!(f, "{} of {} left: {}", span(*remaining), span(*granted), keys(attached))
            }
            Self::Revision(revision) => write!(f, "{revision}"),
            Self::Metadata(None) => f.write_str("(none)"),
            Self::Metadata(Some(metadata)) => metadata.fmt(f),
            Self::Page(page) => {
                write!(f, "{} of {}: {}", page.keys.len(), page.count, keys(&page.keys))
            }
            Self::Txn(answer) => answer.fmt(f),
        }
    }
}

impl Display for KeyMetadata {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let Self { create_revision, mod_revision, version, lease } = self;
        write!(f, "version={version} create={create_revision} mod={mod_revision}")?;
        lease.iter().try_for_each(|lease| write!(f, " lease={lease}"))
    }
}

impl Display for TxnAnswer {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(if self.succeeded { "then" } else { "else" })?;
        self.answers.iter().try_for_each(|answer| match answer {
            OpAnswer::Put => f.write_str(" put"),
            OpAnswer::Deleted(count) => write!(f, " deleted {count}"),
            OpAnswer::Value(found) => write!(f, " {}", value(found)),
            OpAnswer::Keys(found) => write!(f, " {}", keys(found)),
        })
    }
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        write!(f, "Reply({self})")
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    fn call(json: &str) -> Call {
        serde_json::from_str(json).expect("it is a call")
    }

    #[rstest]
    #[case(r#"{"update":{"key":"k","value":"a b"}}"#, r#"update k "a b""#)]
    #[case(
        r#"{"update_with_ttl":{"key":"k","value":"","ttl":1500000000}}"#,
        r#"update k "" ttl=1500ms"#
    )]
    #[case(r#"{"lease_with_id":{"id":7,"ttl":2000000000}}"#, "lease ttl=2s id=7")]
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
