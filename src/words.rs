//! The small words of a script: bytes, durations and sizes, read and written the same way.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use crate::store::quote;

/// What is put before a key that does not lie below the prefix of a scenario.
pub(crate) const OUTSIDE: &str = "outside:";

/// Bytes as a script writes them: UTF-8, save that a character from U+0080 to U+00FF is the byte of that number, so that
/// `"\xff"` is one byte.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Bytes(pub Vec<u8>);

impl FromStr for Bytes {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut bytes = Vec::with_capacity(text.len());
        for c in text.chars() {
            match u8::try_from(u32::from(c)) {
                Ok(byte) => bytes.push(byte),
                Err(_) => bytes.extend(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        Ok(Self(bytes))
    }
}

/// A duration as a script writes it: `500ms`, `5s`, `2m`, `1h`, `30d`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (number, unit) = split_unit(text);
        let seconds = match unit {
            "ms" => {
                return number
                    .parse()
                    .map(Duration::from_millis)
                    .map(Span)
                    .map_err(|_| bad_span(text));
            }
            "s" => 1,
            "m" => 60,
            "h" => 3_600,
            "d" => 86_400,
            _ => return Err(bad_span(text)),
        };
        let number: u64 = number.parse().map_err(|_| bad_span(text))?;
        number.checked_mul(seconds).map(Duration::from_secs).map(Span).ok_or_else(|| bad_span(text))
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.subsec_millis() {
            0 => write!(f, "{}s", self.0.as_secs()),
            _ => write!(f, "{}ms", self.0.as_millis()),
        }
    }
}

fn bad_span(text: &str) -> String {
    format!(
        "invalid duration '{text}': expected a whole number and ms, s, m, h or d, such as 500ms or 5s"
    )
}

/// A revision as a script writes it: a mark of the script, or so many before or after it: `m`, `m+2`, `m-1`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rev {
    /// The mark.
    pub mark: String,
    /// How far from it.
    pub offset: i64,
}

impl FromStr for Rev {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (mark, offset) = text.split_at(text.find(['+', '-']).unwrap_or(text.len()));
        let offset = if offset.is_empty() { Ok(0) } else { offset.parse() };
        match offset {
            Ok(offset) if !mark.is_empty() => Ok(Self { mark: mark.into(), offset }),
            _ => Err(format!(
                "invalid revision '{text}': expected a mark, or a mark and a distance, such as m or m+2"
            )),
        }
    }
}

impl fmt::Display for Rev {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&distance(&self.mark, 0, self.offset))
    }
}

/// A number of bytes as a script writes it: `100`, `100KiB`, `1MiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Size(pub usize);

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bad = || {
            format!(
                "invalid size '{text}': expected a whole number of bytes, KiB or MiB, such as 100KiB"
            )
        };
        let (number, unit) = split_unit(text);
        let scale = match unit {
            "" => 1,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            _ => return Err(bad()),
        };
        number
            .parse()
            .ok()
            .and_then(|number: usize| number.checked_mul(scale))
            .map(Size)
            .ok_or_else(bad)
    }
}

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            0 => f.write_str("0"),
            bytes if bytes % (1 << 20) == 0 => write!(f, "{}MiB", bytes >> 20),
            bytes if bytes % (1 << 10) == 0 => write!(f, "{}KiB", bytes >> 10),
            bytes => write!(f, "{bytes}"),
        }
    }
}

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The value of the write of that number in a `fill`: the number, padded to `size`.
pub fn numbered_value(number: usize, size: Option<usize>) -> Vec<u8> {
    let mut value = number.to_string().into_bytes();
    if let Some(size) = size {
        value.resize(size, b'.');
    }
    value
}

/// The longest value that is shown whole, in bytes; longer ones are reported by their length and a hash.
const SHOWN_WHOLE: usize = 80;

/// A value as it is shown, recorded and judged: one of more than 80 bytes is its length and its FNV-1a hash.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, from = "Recorded")]
pub enum Value {
    /// A short value.
    Whole(#[serde(with = "crate::wire")] Vec<u8>),
    /// A long one.
    Long {
        /// How long it is.
        bytes: usize,
        /// 32 bits of FNV-1a, in hex.
        hash: String,
    },
}

/// A value as it may be recorded: a long one whole too, by kvspecs that did so.
#[derive(Deserialize)]
#[serde(untagged)]
enum Recorded {
    Whole(#[serde(with = "crate::wire")] Vec<u8>),
    Long { bytes: usize, hash: String },
}

impl From<Recorded> for Value {
    fn from(value: Recorded) -> Self {
        match value {
            Recorded::Whole(value) => value.into(),
            Recorded::Long { bytes, hash } => Self::Long { bytes, hash },
        }
    }
}

impl From<Vec<u8>> for Value {
    fn from(value: Vec<u8>) -> Self {
        match value.len() {
            ..=SHOWN_WHOLE => Self::Whole(value),
            bytes => Self::Long { bytes, hash: format!("{:08x}", hash(&value)) },
        }
    }
}

impl From<&str> for Value {
    fn from(value: &str) -> Self {
        value.as_bytes().to_vec().into()
    }
}

/// As a script would write it.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole(value) => f.write_str(&quote(value)),
            Self::Long { bytes, hash } => write!(f, "({bytes} bytes, hash {hash})"),
        }
    }
}

/// Writes a value, or a key of an answer, as a script would; a long one as its length and its FNV-1a hash.
pub fn quote_value(bytes: &[u8]) -> String {
    Value::from(bytes.to_vec()).to_string()
}

/// The FNV-1a hash of bytes.
fn hash(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    bytes.iter().fold(0x811c_9dc5, step)
}

/// Writes a revision as its distance from a mark.
pub fn distance(mark: &str, from: i64, revision: i64) -> String {
    match revision - from {
        0 => mark.into(),
        distance => format!("{mark}{distance:+}"),
    }
}

/// Writes a measured time for people.
pub fn seconds(span: Duration) -> String {
    let (whole, nanos) = (span.as_secs(), span.subsec_nanos());
    match (whole, nanos) {
        (_, 0) => format!("{whole}s"),
        (0, _) => format!("{}ms", (nanos + 500_000) / 1_000_000),
        _ => {
            let hundredths = (nanos + 5_000_000) / 10_000_000;
            format!("{}.{:02}s", whole + u64::from(hundredths / 100), hundredths % 100)
        }
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::nothing(0, "0s")]
    #[case::less_than_shown(400_000, "0ms")]
    #[case::milliseconds(1_500_000, "2ms")]
    #[case::whole(3_000_000_000, "3s")]
    #[case::hundredths(1_234_000_000, "1.23s")]
    #[case::rounded_up(1_999_000_000, "2.00s")]
    fn times_read_well(#[case] nanos: u64, #[case] words: &str) {
        assert_eq!(seconds(Duration::from_nanos(nanos)), words);
    }
}
