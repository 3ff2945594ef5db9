//! The small words of a script: bytes, durations and sizes, read and written the same way.

use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

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

/// A length of time as a script writes it: `500ms`, `5s`, `2m`, `1h`, `30d`.
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

fn bad_span(text: &str) -> String {
    format!(
        "'{text}' is no length of time: expected a whole number and ms, s, m, h or d, such as 500ms or 5s"
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
                "'{text}' is no revision: expected a mark, or one and a distance, such as m or m+2"
            )),
        }
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
                "'{text}' is no size: expected a whole number of bytes, KiB or MiB, such as 100KiB"
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

fn split_unit(text: &str) -> (&str, &str) {
    text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()))
}

/// The longest value that is shown whole, in bytes; longer ones are told by their length and a hash.
const SHOWN_WHOLE: usize = 80;

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

/// Writes a value as a script would; a long one as its length and its FNV-1a hash.
pub fn quote_value(bytes: &[u8]) -> String {
    if bytes.len() <= SHOWN_WHOLE {
        return quote(bytes);
    }
    format!("({} bytes, hash {:08x})", bytes.len(), hash(bytes))
}

/// The factor of FNV-1a in 32 bits.
const PRIME: u32 = 0x0100_0193;

/// The FNV-1a hash of bytes, many of which may be padding at the end.
fn hash(bytes: &[u8]) -> u32 {
    let step = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(PRIME);
    let padding = padding(bytes);
    let (start, rest) = bytes.split_at(bytes.len() - padding);
    padded(start.iter().fold(0x811c_9dc5, step), rest.first().copied().unwrap_or_default(), padding)
}

/// Goes on with a hash over so many bytes that are all the same, a whole period at once.
///
/// What the exclusive or adds to a hash is decided by its lowest byte, which comes back within 256 steps; so does the sum
/// of all that was added, and every later period is one multiplication and one addition.
fn padded(mut hash: u32, byte: u8, mut times: usize) -> u32 {
    let step = |hash: u32| (hash ^ u32::from(byte)).wrapping_mul(PRIME);
    let (first, mut scale, mut period) = (hash, 1_u32, 0);
    while times > 0 {
        (hash, scale, period, times) =
            (step(hash), scale.wrapping_mul(PRIME), period + 1, times - 1);
        if hash as u8 == first as u8 {
            break;
        }
    }
    let added = hash.wrapping_sub(first.wrapping_mul(scale));
    for _ in 0..times.checked_div(period).unwrap_or_default() {
        hash = hash.wrapping_mul(scale).wrapping_add(added);
    }
    (0..times.checked_rem(period).unwrap_or_default()).fold(hash, |hash, _| step(hash))
}

/// How many bytes at the end are all the same, counted in whole chunks: a value may be a megabyte, and is seen often.
pub(crate) fn padding(bytes: &[u8]) -> usize {
    const CHUNK: usize = 64;
    let Some(last) = bytes.last() else { return 0 };
    let is_padding = |chunk: &&[u8]| chunk.iter().fold(0, |odd, byte| odd | (byte ^ last)) == 0;
    bytes.rchunks_exact(CHUNK).take_while(is_padding).count() * CHUNK
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

    #[rstest]
    fn padding_changes_no_hash(
        #[values("", "start")] start: &str,
        #[values(0, 1, b'.', 0xff)] byte: u8,
        #[values(0, 1, 63, 64, 255, 256, 1000, 4096, 100_001)] times: usize,
    ) {
        let mut bytes = start.as_bytes().to_vec();
        bytes.resize(start.len() + times, byte);
        let plain = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(PRIME);
        assert_eq!(hash(&bytes), bytes.iter().fold(0x811c_9dc5, plain));
    }
}
