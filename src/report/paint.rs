//! How text is shown: in colour or not, and within which width.

use std::fmt::Display;
use std::io::{stderr, stdout};

use anstream::{AutoStream, ColorChoice};
use anstyle::{AnsiColor, Style};

/// Where text is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stream {
    /// The standard output.
    Stdout,
    /// The standard error.
    Stderr,
}

impl Stream {
    /// The width of the terminal that this is, or else the one in `COLUMNS`.
    #[cfg(feature = "cli")]
    fn width(self) -> Option<usize> {
        let size = match self {
            Self::Stdout => terminal_size::terminal_size_of(stdout()),
            Self::Stderr => terminal_size::terminal_size_of(stderr()),
        };
        let columns = || std::env::var("COLUMNS").ok()?.parse().ok();
        size.map(|(width, _)| usize::from(width.0)).or_else(columns).filter(|width| *width > 0)
    }

    #[cfg(not(feature = "cli"))]
    fn width(self) -> Option<usize> {
        None
    }
}

/// Paints text or leaves it as it is, and keeps lines within a width.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paint {
    is_on: bool,
    width: Option<usize>,
}

impl Paint {
    /// Paints if `is_on`; lines may be of any width.
    pub const fn new(is_on: bool) -> Self {
        Self { is_on, width: None }
    }

    /// Paints if `stream` shows colour, and neither `NO_COLOR` nor the terminal's kind says otherwise; within the width of
    /// the terminal, if `stream` is one.
    pub fn auto(stream: Stream) -> Self {
        let choice = match stream {
            Stream::Stdout => AutoStream::choice(&stdout()),
            Stream::Stderr => AutoStream::choice(&stderr()),
        };
        Self { is_on: choice != ColorChoice::Never, width: stream.width() }
    }

    /// The same, with lines of at most `width` characters.
    pub const fn within(self, width: usize) -> Self {
        Self { width: Some(width), ..self }
    }

    /// Breaks a sentence into lines, each set in by `indent` and the later ones by two more.
    pub fn wrap(self, text: &str, indent: usize) -> Vec<String> {
        let mut lines = Vec::new();
        let mut line = " ".repeat(indent);
        let mut is_begun = false;
        for word in text.split_whitespace() {
            let length = line.chars().count() + 1 + word.chars().count();
            if is_begun && self.width.is_some_and(|width| length > width) {
                lines.push(std::mem::replace(&mut line, " ".repeat(indent + 2)));
            } else if is_begun {
                line.push(' ');
            }
            line.push_str(word);
            is_begun = true;
        }
        lines.push(line);
        lines
    }

    /// Cuts a line that has `used` characters before it where the width ends.
    pub fn cut(self, text: &str, used: usize) -> String {
        let Some(room) = self.width.map(|width| width.saturating_sub(used).max(1)) else {
            return text.into();
        };
        match text.char_indices().nth(room) {
            None => text.into(),
            Some(_) => text.chars().take(room - 1).chain(['…']).collect(),
        }
    }

    /// Cuts the first of two texts that share the rest of a line, so that the second has half of it if it needs that.
    pub fn cut_to_half(self, first: &str, second: &str, used: usize) -> String {
        let Some(room) = self.width.map(|width| width.saturating_sub(used + 2)) else {
            return first.into();
        };
        let second = second.chars().count().min(room / 2);
        self.cut(first, used + 2 + second)
    }

    fn style(self, text: impl Display, style: Style) -> String {
        if self.is_on { format!("{style}{text}{style:#}") } else { text.to_string() }
    }

    /// What is good.
    pub fn good(self, text: impl Display) -> String {
        self.style(text, AnsiColor::Green.on_default())
    }

    /// What is wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.style(text, AnsiColor::Red.on_default())
    }

    /// What is wrong, where it must not be missed.
    pub fn loud(self, text: impl Display) -> String {
        self.style(text, AnsiColor::Red.on_default().bold())
    }

    /// What wants a second look.
    pub fn odd(self, text: impl Display) -> String {
        self.style(text, AnsiColor::Yellow.on_default())
    }

    /// What matters less.
    pub fn faint(self, text: impl Display) -> String {
        self.style(text, Style::new().dimmed())
    }

    /// What a paragraph is about.
    pub fn head(self, text: impl Display) -> String {
        self.style(text, Style::new().bold())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sentence_is_broken_between_words() {
        let paint = Paint::new(false).within(16);
        assert_eq!(
            paint.wrap("clause T6: the last write decides", 2),
            ["  clause T6: the", "    last write", "    decides"]
        );
        assert_eq!(Paint::new(false).wrap("clause  T6: the last", 1), [" clause T6: the last"]);
        assert_eq!(
            paint.wrap("a-word-that-is-too-long-to-fit yes", 0),
            ["a-word-that-is-too-long-to-fit", "  yes"]
        );
    }

    #[test]
    fn a_line_is_cut_at_the_width() {
        let paint = Paint::new(false).within(10);
        assert_eq!(
            [paint.cut("12345", 5), paint.cut("123456", 5), paint.cut("é2", 10)],
            ["12345", "1234…", "…"]
        );
        assert_eq!(Paint::new(false).cut("123456", 500), "123456");
    }
}
