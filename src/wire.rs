//! How bytes and times are written in recorded runs: text where it is text, and whole nanoseconds.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::de::value::MapAccessDeserializer;
use serde::de::{self, MapAccess, SeqAccess, Visitor};
use serde::ser::SerializeSeq;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// How bytes are written that are not UTF-8.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Encoded {
    base64: String,
}

/// Writes a value; the two functions are what `serde(with = "crate::wire")` looks for.
pub(crate) fn serialize<T: Wire, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
    value.write(to)
}

/// Reads a value.
pub(crate) fn deserialize<'de, T: Wire, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    T::read(from)
}

/// What is written otherwise than serde would: bytes, times, and lists and options of them.
pub(crate) trait Wire: Sized {
    /// Writes the value.
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error>;
    /// Reads a value.
    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error>;
}

impl Wire for Duration {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_nanos().serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        const SECOND: u128 = 1_000_000_000;
        let nanos = u128::deserialize(from)?;
        let seconds = u64::try_from(nanos / SECOND).map_err(de::Error::custom)?;
        Ok(Self::new(seconds, u32::try_from(nanos % SECOND).expect("less than a second")))
    }
}

impl Wire for Vec<u8> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match std::str::from_utf8(self) {
            Ok(text) => to.serialize_str(text),
            Err(_) => Encoded { base64: BASE64_STANDARD.encode(self) }.serialize(to),
        }
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(BytesVisitor)
    }
}

/// Reads bytes from text, or from an object.
struct BytesVisitor;

impl<'de> Visitor<'de> for BytesVisitor {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("bytes: text, or an object")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Vec<u8>, E> {
        Ok(text.as_bytes().into())
    }

    fn visit_string<E: de::Error>(self, text: String) -> Result<Vec<u8>, E> {
        Ok(text.into_bytes())
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vec<u8>, A::Error> {
        let Encoded { base64 } = Encoded::deserialize(MapAccessDeserializer::new(map))?;
        BASE64_STANDARD.decode(base64).map_err(de::Error::custom)
    }
}

impl<T: Wire> Wire for Option<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.as_ref().map(Written).serialize(to)
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Ok(Option::<Owned<T>>::deserialize(from)?.map(|owned| owned.0))
    }
}

impl<T: Wire> Wire for Vec<T> {
    fn write<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut list = to.serialize_seq(Some(self.len()))?;
        self.iter().try_for_each(|one| list.serialize_element(&Written(one)))?;
        list.end()
    }

    fn read<'de, D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(ListVisitor(std::marker::PhantomData))
    }
}

/// Reads a list of what is written otherwise than serde would.
struct ListVisitor<T>(std::marker::PhantomData<T>);

impl<'de, T: Wire> Visitor<'de> for ListVisitor<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut read = Vec::new();
        while let Some(Owned(one)) = list.next_element()? {
            read.push(one);
        }
        Ok(read)
    }
}

/// A value that serde writes as this module does.
struct Written<'a, T>(&'a T);

impl<T: Wire> Serialize for Written<'_, T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.write(to)
    }
}

/// A value that serde reads as this module does.
struct Owned<T>(T);

impl<'de, T: Wire> Deserialize<'de> for Owned<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        T::read(from).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn written<T: Wire>(value: &T) -> String {
        serde_json::to_string(&Written(value)).unwrap()
    }

    fn read<T: Wire>(text: &str) -> T {
        serde_json::from_str::<Owned<T>>(text).unwrap().0
    }

    #[rstest]
    #[case(b"", r#""""#)]
    #[case(b"<script>", r#""<script>""#)]
    #[case(b"a\0\"", r#""a\u0000\"""#)]
    #[case("é".as_bytes(), r#""é""#)]
    #[case(b"\xff\xfe", r#"{"base64":"//4="}"#)]
    fn bytes_survive(#[case] bytes: &[u8], #[case] text: &str) {
        let bytes = bytes.to_vec();
        assert_eq!(written(&bytes), text);
        assert_eq!(read::<Vec<u8>>(text), bytes);
    }

    #[rstest]
    #[case(Duration::ZERO, "0")]
    #[case(Duration::from_millis(1), "1000000")]
    #[case(Duration::MAX, "18446744073709551615999999999")]
    fn times_survive(#[case] span: Duration, #[case] text: &str) {
        assert_eq!(written(&span), text);
        assert_eq!(read::<Duration>(text), span);
    }

    #[test]
    fn lists_and_options_survive() {
        let keys = vec![b"a".to_vec(), b"\xff".to_vec()];
        assert_eq!(written(&keys), r#"["a",{"base64":"/w=="}]"#);
        assert_eq!(read::<Vec<Vec<u8>>>(&written(&keys)), keys);
        for value in [None, Some(b"".to_vec())] {
            assert_eq!(read::<Option<Vec<u8>>>(&written(&value)), value);
        }
    }
}
