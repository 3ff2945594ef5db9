//! Text of any origin, shown so that neither a browser nor an eye takes it for anything else.

use std::fmt::Write as _;

use maud::{Escaper, Render};

/// How many characters of one piece of text are shown.
const WIDTH: usize = 400;

/// Text from a store, a script or a user.
pub(super) struct Text<'a>(pub &'a str);

impl Render for Text<'_> {
    fn render_to(&self, page: &mut String) {
        let end = match self.0.len() {
            ..=WIDTH => None,
            _ => self.0.char_indices().nth(WIDTH),
        };
        let shown = end.map_or(self.0, |(end, _)| &self.0[..end]);
        plain(shown, page);
        if shown.len() < self.0.len() {
            page.push('…');
        }
    }
}

/// Lines below each other, each of them shown as [`Text`] is.
pub(super) struct Lines<I>(pub I);

impl<'a, I: IntoIterator<Item = &'a str> + Clone> Render for Lines<I> {
    fn render_to(&self, page: &mut String) {
        for (index, line) in self.0.clone().into_iter().enumerate() {
            if index > 0 {
                page.push('\n');
            }
            Text(line).render_to(page);
        }
    }
}

fn plain(text: &str, page: &mut String) {
    // Looked at without a way out midway, many bytes are looked at at once.
    if text.bytes().fold(true, |is_so, byte| is_so & is_plain(byte)) {
        return page.push_str(text);
    }
    let mut rest = text;
    while let Some(at) = rest.find(is_odd) {
        escape(&rest[..at], page);
        let odd = rest[at..].chars().next().unwrap_or_default();
        page.extend(odd.escape_default());
        rest = &rest[at + odd.len_utf8()..];
    }
    escape(rest, page);
}

/// Whether a byte is one that every page shows as it is: most text has no other.
fn is_plain(byte: u8) -> bool {
    let is_markup = (byte == b'&') | (byte == b'<') | (byte == b'>') | (byte == b'"');
    (b' '..=b'~').contains(&byte) & !is_markup
}

fn escape(text: &str, page: &mut String) {
    Escaper::new(page).write_str(text).expect("a string takes all");
}

/// Whether a character is none that can be seen: it is a control, or changes the direction of what is around it.
fn is_odd(c: char) -> bool {
    (c.is_control() && c != '\n' && c != '\t')
        || matches!(c, '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
        || matches!(u32::from(c) & 0xffff, 0xfffe | 0xffff | 0xfdd0..=0xfdef)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    #[rstest]
    #[case::markup("<b a='x'>&", "&lt;b a='x'&gt;&amp;")]
    #[case::control("a\u{1b}[31m", r"a\u{1b}[31m")]
    #[case::nul("\0", r"\u{0}")]
    #[case::turned("\u{202e}abc", r"\u{202e}abc")]
    #[case::plain("目前 é \n", "目前 é \n")]
    fn text_is_shown_as_text(#[case] text: &str, #[case] shown: &str) {
        assert_eq!(Text(text).render().into_string(), shown);
    }

    #[test]
    fn long_text_is_cut() {
        let shown = Text(&"é".repeat(WIDTH + 1)).render().into_string();
        assert_eq!(shown, "é".repeat(WIDTH) + "…");
    }

    #[test]
    fn every_line_is_cut_by_itself() {
        let (long, cut) = ("x".repeat(WIDTH + 1), "x".repeat(WIDTH) + "…");
        let shown = Lines([long.as_str(), "<"]).render().into_string();
        assert_eq!(shown, cut + "\n&lt;");
    }
}
