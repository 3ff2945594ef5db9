//! The flags that say which server a backend is run on, and those that were given.

use std::path::PathBuf;

/// A flag of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flag {
    /// Its name, without the dashes.
    pub name: &'static str,
    /// What its value is, such as `URL`; `None` for a flag without one.
    pub value: Option<&'static str>,
    /// What it is for, in a line.
    pub help: &'static str,
    /// The flag that must be given with it.
    pub requires: Option<&'static str>,
    /// Of a flag that names the server under test: the flag that names another one, to compare it with.
    pub other: Option<&'static str>,
}

impl Flag {
    /// A flag with a value.
    pub const fn new(name: &'static str, value: &'static str, help: &'static str) -> Self {
        Self { name, value: Some(value), help, requires: None, other: None }
    }

    /// A flag without a value.
    pub const fn switch(name: &'static str, help: &'static str) -> Self {
        Self { value: None, ..Self::new(name, "", help) }
    }

    /// A flag that is of no use without another.
    pub const fn requires(self, other: &'static str) -> Self {
        Self { requires: Some(other), ..self }
    }

    /// A flag that names the server under test.
    pub const fn address(self, other: &'static str) -> Self {
        Self { other: Some(other), ..self }
    }
}

/// The flags that were given, in the order in which a backend has them.
#[derive(Debug, Clone, Default)]
pub struct Given {
    /// The server program to start, and no other way to be tried.
    pub program: Option<PathBuf>,
    flags: Vec<(&'static Flag, String)>,
}

impl Given {
    /// Takes a flag; one that was given before has the new value.
    pub fn set(&mut self, flag: &'static Flag, value: impl Into<String>) {
        self.flags.retain(|(other, _)| other.name != flag.name);
        self.flags.push((flag, value.into()));
    }

    /// The value of a flag, if it was given.
    pub fn text(&self, name: &str) -> Option<&str> {
        let mut flags = self.flags.iter();
        flags.find(|(flag, _)| flag.name == name).map(|(_, value)| value.as_str())
    }

    /// Whether a flag was given.
    pub fn has(&self, name: &str) -> bool {
        self.text(name).is_some()
    }

    /// The value of a flag as a path.
    pub fn path(&self, name: &str) -> Option<PathBuf> {
        self.text(name).map(PathBuf::from)
    }

    /// The flags, each with its value.
    pub fn flags(&self) -> impl Iterator<Item = (&'static Flag, &str)> {
        self.flags.iter().map(|(flag, value)| (*flag, value.as_str()))
    }
}
