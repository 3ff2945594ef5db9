//! The words of a script: what is written can be read, and what is read can be written.

use std::error::Error;
use std::time::Duration;

use goldenscript::{Context, Runner};
use kvspec::scenario::words::{Bytes, Rev, Size, Span, quote, quote_value, seconds};
use rstest::rstest;

/// Collects the arguments of a script as goldenscript reads them.
#[derive(Default)]
struct Arguments(Vec<Vec<u8>>);

impl Runner for Arguments {
    type Command = goldenscript::Command;

    fn run(
        &mut self,
        command: &goldenscript::Command,
        _: &Context,
    ) -> Result<String, Box<dyn Error>> {
        let mut arguments = command.consume_args();
        while let Some(argument) = arguments.next_pos() {
            self.0.push(argument.parse::<Bytes>()?.0);
        }
        Ok(String::new())
    }
}

/// The bytes that a script has which was written from these.
fn read_back(all: &[Vec<u8>]) -> Vec<Vec<u8>> {
    let lines: String = all.iter().map(|bytes| format!("read {}\n", quote(bytes))).collect();
    let mut arguments = Arguments::default();
    let script = format!("{lines}---\nok\n");
    goldenscript::generate(&mut arguments, &script).expect("what is written can be parsed");
    arguments.0
}

#[test]
fn every_string_of_up_to_two_bytes_is_read_back() {
    let ones = (0..=u8::MAX).map(|byte| vec![byte]);
    let twos = (0..=u16::MAX).map(|pair| pair.to_be_bytes().to_vec());
    let all: Vec<_> = std::iter::once(Vec::new()).chain(ones).chain(twos).collect();
    // Strings side by side, so that one which swallows its neighbour shows.
    for part in all.chunks(4096) {
        assert!(read_back(part) == part);
    }
}

#[rstest]
#[case::empty(b"", "\"\"")]
#[case::plain(b"key1", "key1")]
#[case::a_path(b"a/b-c.d@e_f", "a/b-c.d@e_f")]
#[case::a_path_from_the_root(b"/a", "\"/a\"")]
#[case::a_blank(b"a b", "\"a b\"")]
#[case::a_colon(b"a:b", "\"a:b\"")]
#[case::an_equals_sign(b"a=b", "\"a=b\"")]
#[case::quotes(b"'\"\\", "\"'\\\"\\\\\"")]
#[case::line_ends(b"a\r\n\tb", "\"a\\r\\n\\tb\"")]
#[case::controls(b"\0\x1f\x7f", "\"\\x00\\x1f\\x7f\"")]
#[case::high_bytes(b"\x80\xff", "\"\\x80\\xff\"")]
#[case::latin(b"\xc3\xa9", "\"\\xc3\\xa9\"")]
#[case::further_off("\u{100}\u{4e2d}\u{1f600}".as_bytes(), "\"\u{100}\u{4e2d}\u{1f600}\"")]
#[case::half_a_letter(b"\xe4\xb8", "\"\\xe4\\xb8\"")]
#[case::a_letter_too_many(b"\xe4\xb8\xad\xad", "\"\u{4e2d}\\xad\"")]
#[case::a_comment(b"#a", "\"#a\"")]
#[case::a_separator(b"---", "\"---\"")]
#[case::brackets(b"(a)[b]", "\"(a)[b]\"")]
#[case::a_long_one(&[b'a'; 5000], &"a".repeat(5000))]
fn bytes_are_written_as_a_script_reads_them(#[case] bytes: &[u8], #[case] written: &str) {
    assert_eq!(quote(bytes), written);
    assert_eq!(read_back(&[bytes.to_vec()]), [bytes]);
}

#[test]
fn long_strings_of_any_bytes_are_read_back() {
    let mut state = 1_u64;
    let mut byte = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    let all: Vec<Vec<u8>> =
        (0..500).map(|length| (0..length % 40).map(|_| byte()).collect()).collect();
    assert!(read_back(&all) == all);
}

#[rstest]
#[case::an_escape("\"\\xff\"", b"\xff")]
#[case::a_letter_is_a_byte_too("\"\u{e9}\"", b"\xe9")]
#[case::its_utf8_must_be_written_out("\"\\xc3\\xa9\"", "\u{e9}".as_bytes())]
#[case::single_quotes("'a\"b'", b"a\"b")]
#[case::a_code_point("\"\\u{4e2d}\"", "\u{4e2d}".as_bytes())]
#[case::a_nul("\"\\0\"", b"\0")]
fn words_are_read_as_bytes(#[case] written: &str, #[case] bytes: &[u8]) {
    let mut arguments = Arguments::default();
    goldenscript::generate(&mut arguments, &format!("read {written}\n---\nok\n")).unwrap();
    assert_eq!(arguments.0, [bytes]);
}

#[test]
fn a_long_value_is_told_by_its_length_and_its_hash() {
    assert_eq!(quote_value(&[b'v'; 80]), "v".repeat(80));
    assert_eq!(quote_value(&[b'v'; 81]), "(81 bytes, hash 0c5f0409)");
    let (mut one, mut other) = (vec![0; 5000], vec![0; 5000]);
    (one[4000], other[4001]) = (1, 1);
    assert_ne!(quote_value(&one), quote_value(&other), "a single byte makes a difference");
}

#[rstest]
#[case("0s", 0)]
#[case("500ms", 500)]
#[case("5s", 5_000)]
#[case("2m", 120_000)]
#[case("1h", 3_600_000)]
#[case("30d", 2_592_000_000)]
#[case("9000000001s", 9_000_000_001_000)]
fn a_span_is_a_number_and_a_unit(#[case] text: &str, #[case] millis: u64) {
    assert_eq!(text.parse(), Ok(Span(Duration::from_millis(millis))));
}

#[rstest]
fn what_is_no_span_is_named(
    #[values(
        "",
        "5",
        "s",
        "5 s",
        "-5s",
        "+5s",
        "1.5s",
        "5sec",
        "5S",
        "ms",
        "99999999999999999999s",
        "18446744073709551615d"
    )]
    text: &str,
) {
    let told = text.parse::<Span>().unwrap_err();
    assert!(told.starts_with(&format!("invalid duration '{text}': expected ")), "{told}");
}

#[rstest]
#[case("0", 0)]
#[case("100", 100)]
#[case("3KiB", 3 << 10)]
#[case("1MiB", 1 << 20)]
fn a_size_is_a_number_and_perhaps_a_unit(#[case] text: &str, #[case] bytes: usize) {
    assert_eq!(text.parse(), Ok(Size(bytes)));
}

#[rstest]
fn what_is_no_size_is_named(
    #[values(
        "",
        "KiB",
        "3KB",
        "3kib",
        "-1",
        "1.5MiB",
        "99999999999999999999",
        "99999999999999999MiB"
    )]
    text: &str,
) {
    let told = text.parse::<Size>().unwrap_err();
    assert!(told.starts_with(&format!("invalid size '{text}': expected ")), "{told}");
}

#[rstest]
#[case("m", "m", 0)]
#[case("m+2", "m", 2)]
#[case("m-1", "m", -1)]
fn a_revision_is_told_from_a_mark(#[case] text: &str, #[case] mark: &str, #[case] offset: i64) {
    let rev: Rev = text.parse().unwrap();
    assert_eq!((rev.mark.as_str(), rev.offset), (mark, offset));
}

#[rstest]
#[case(0, "0s")]
#[case(5, "5ms")]
#[case(999, "999ms")]
#[case(1_000, "1s")]
#[case(2_346, "2.35s")]
#[case(60_000, "60s")]
fn times_are_written_for_people(#[case] millis: u64, #[case] written: &str) {
    assert_eq!(seconds(Duration::from_millis(millis)), written);
}
