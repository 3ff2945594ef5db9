//! Colour, where it is wanted.

use std::cell::Cell;
use std::fmt::Display;

use owo_colors::{OwoColorize, Style};

/// Paints text, or leaves it as it is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Paint {
    is_on: bool,
}

impl Paint {
    /// Paints where `is_on`.
    pub const fn new(is_on: bool) -> Self {
        Self { is_on }
    }

    /// Paints where `stream` shows colour, and neither `NO_COLOR` nor the terminal's kind says otherwise.
    pub fn auto(stream: owo_colors::Stream) -> Self {
        let is_on = Cell::new(false);
        let text = "x".if_supports_color(stream, |text| {
            is_on.set(true);
            *text
        });
        // Whether the closure above is called, which the answer lies in, is decided when the text is written.
        let _ = text.to_string();
        Self { is_on: is_on.get() }
    }

    fn style(self, text: impl Display, style: Style) -> String {
        if self.is_on { text.style(style).to_string() } else { text.to_string() }
    }

    /// What is good.
    pub fn good(self, text: impl Display) -> String {
        self.style(text, Style::new().green())
    }

    /// What is wrong.
    pub fn bad(self, text: impl Display) -> String {
        self.style(text, Style::new().red())
    }

    /// What is wrong, where it must not be missed.
    pub fn loud(self, text: impl Display) -> String {
        self.style(text, Style::new().red().bold())
    }

    /// What wants a second look.
    pub fn odd(self, text: impl Display) -> String {
        self.style(text, Style::new().yellow())
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
