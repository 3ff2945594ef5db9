//! The arguments of a command: how each is read from a script, and written back.

use std::fmt;
use std::str::FromStr;

use goldenscript::{Argument, ArgumentConsumer};

use super::Help;
use crate::words::{Bytes, Rev, Size, Span, quote};

/// The longest time that a script waits for a TTL which it asks for: none that means to end waits for more.
pub(super) const LONGEST_WAIT: std::time::Duration = std::time::Duration::from_secs(60);

/// Makes the type of a command: its name, usage and help, and each argument by its kind and name.
macro_rules! command {
    (
        $(#[$meta:meta])*
        $Type:ident = $name:literal, $usage:literal, $help:literal {
            $($(#[$doc:meta])* $field:ident: $ty:ty = $kind:ident($word:literal),)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub struct $Type {
            $($(#[$doc])* pub $field: $ty,)*
        }

        impl $Type {
            pub(super) const HELP: $crate::command::Help =
                $crate::command::Help { name: $name, usage: $usage, help: $help };

            pub(super) fn of(
                args: &mut $crate::command::args::Args<'_>,
            ) -> std::result::Result<Self, String> {
                $(let $field = args.$kind($word)?;)*
                args.end()?;
                Ok(Self { $($field),* })
            }
        }

        impl std::fmt::Display for $Type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str($name)?;
                $($crate::command::args::write::$kind(f, $word, &self.$field)?;)*
                Ok(())
            }
        }
    };
}

pub(super) use command;

/// A value that a script writes as one word.
pub(super) trait Word: Sized {
    /// Reads it; fails with what was expected.
    fn read(word: &str) -> Result<Self, String>;

    /// Writes it as a script would, in quotes if it needs them.
    fn written(&self) -> String;
}

impl Word for Bytes {
    fn read(word: &str) -> Result<Self, String> {
        word.parse().map_err(|never: std::convert::Infallible| match never {})
    }

    fn written(&self) -> String {
        quote(&self.0)
    }
}

impl Word for String {
    fn read(word: &str) -> Result<Self, String> {
        Ok(word.into())
    }

    fn written(&self) -> String {
        let written = Argument::Positional(self.clone()).to_string();
        let byte = |c: char| match c {
            // What a script reads as one byte is written as one.
            '\u{80}'..='\u{ff}' => format!("\\x{:02x}", u32::from(c)),
            c => c.to_string(),
        };
        written.chars().map(byte).collect()
    }
}

impl Word for usize {
    fn read(word: &str) -> Result<Self, String> {
        word.parse().map_err(|_| format!("invalid number '{word}': expected a whole number"))
    }

    fn written(&self) -> String {
        self.to_string()
    }
}

/// Words that are read and written by the traits of the standard library.
macro_rules! plain_words {
    ($($Type:ty),*) => {$(
        impl Word for $Type {
            fn read(word: &str) -> Result<Self, String> {
                Self::from_str(word)
            }

            fn written(&self) -> String {
                self.to_string()
            }
        }
    )*};
}

plain_words!(Span, Size, super::RaceKind);

impl Word for Rev {
    fn read(word: &str) -> Result<Self, String> {
        word.parse()
    }

    fn written(&self) -> String {
        quote(self.to_string().as_bytes())
    }
}

/// The arguments of a command that were not read yet.
pub(super) struct Args<'a> {
    help: Help,
    rest: ArgumentConsumer<'a>,
}

impl<'a> Args<'a> {
    pub fn new(help: Help, command: &'a goldenscript::Command) -> Self {
        Self { help, rest: command.consume_args() }
    }

    fn lacks(&self, argument: &str) -> String {
        let Help { name, usage, .. } = self.help;
        format!("{name} lacks its {argument}; expected: {usage}")
    }

    /// A word that must be there.
    pub fn word<T: Word>(&mut self, name: &str) -> Result<T, String> {
        let word = self.rest.next_pos().ok_or_else(|| self.lacks(name))?;
        T::read(word).map_err(|wrong| format!("{name}: {wrong}"))
    }

    /// All words that are left, of which there may be none.
    pub fn words<T: Word>(&mut self, name: &str) -> Result<Vec<T>, String> {
        let mut words = Vec::new();
        while let Some(word) = self.rest.next_pos() {
            words.push(T::read(word).map_err(|wrong| format!("{name}: {wrong}"))?);
        }
        Ok(words)
    }

    /// All words that are left, of which there must be one.
    pub fn some_words<T: Word>(&mut self, name: &str) -> Result<Vec<T>, String> {
        let words = self.words(name)?;
        if words.is_empty() { Err(self.lacks(name)) } else { Ok(words) }
    }

    /// A word behind `KEY=`, if it is there.
    pub fn named<T: Word>(&mut self, key: &str) -> Result<Option<T>, String> {
        let word = self.rest.take_key(key);
        word.map(T::read).transpose().map_err(|wrong| format!("{key}: {wrong}"))
    }

    /// A word behind `KEY=` that must be there.
    pub fn needed<T: Word>(&mut self, key: &str) -> Result<T, String> {
        self.named(key)?.ok_or_else(|| self.lacks(key))
    }

    /// Whether there is `KEY=true`.
    pub fn flag(&mut self, key: &str) -> Result<bool, String> {
        match self.rest.take_key(key) {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(word) => Err(format!("{key}: invalid flag '{word}': expected true or false")),
        }
    }

    /// Refuses what is left.
    pub fn end(&mut self) -> Result<(), String> {
        let Help { name, usage, .. } = self.help;
        self.rest.next().map_or(Ok(()), |argument| {
            Err(format!("{name} takes no '{argument}'; expected: {usage}"))
        })
    }
}

/// Writes arguments back, by the functions of [`Args`] that read them.
pub(super) mod write {
    use super::{Word, fmt};

    pub fn word(f: &mut fmt::Formatter<'_>, _: &str, word: &impl Word) -> fmt::Result {
        write!(f, " {}", word.written())
    }

    pub fn words(f: &mut fmt::Formatter<'_>, name: &str, words: &[impl Word]) -> fmt::Result {
        words.iter().try_for_each(|one| word(f, name, one))
    }

    pub fn some_words(f: &mut fmt::Formatter<'_>, name: &str, all: &[impl Word]) -> fmt::Result {
        words(f, name, all)
    }

    pub fn named(f: &mut fmt::Formatter<'_>, key: &str, word: &Option<impl Word>) -> fmt::Result {
        word.as_ref().map_or(Ok(()), |word| needed(f, key, word))
    }

    pub fn needed(f: &mut fmt::Formatter<'_>, key: &str, word: &impl Word) -> fmt::Result {
        write!(f, " {key}={}", word.written())
    }

    pub fn flag(f: &mut fmt::Formatter<'_>, key: &str, is_set: &bool) -> fmt::Result {
        if *is_set { write!(f, " {key}=true") } else { Ok(()) }
    }
}
