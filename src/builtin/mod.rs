//! The backends that are part of kvspec: each is one value, and `ALL` lists them.
//!
//! A new one is a file here that makes such a value, and two lines in this one.

#[cfg(feature = "etcd")]
mod etcd;
#[cfg(feature = "etcd-v2")]
mod etcd_v2;
mod flag;
mod memory;
#[cfg(feature = "redis")]
mod redis;
#[cfg(any(feature = "etcd", feature = "redis"))]
mod served;

use std::path::Path;

#[cfg(feature = "etcd")]
pub use self::etcd::{ETCD, etcd_target, options as etcd_options};
#[cfg(feature = "etcd-v2")]
pub use self::etcd_v2::etcd_v2_target;
pub use self::flag::{Flag, Given};
pub use self::memory::memory_target;
#[cfg(feature = "redis")]
pub use self::redis::redis_target;
use crate::known::KnownFailures;
use crate::runner::Abort;
use crate::target::Target;

/// The backends of this build.
pub static ALL: &[&Builtin] = &[
    &memory::MEMORY,
    #[cfg(feature = "etcd")]
    &etcd::ETCD,
    #[cfg(feature = "etcd-v2")]
    &etcd_v2::ETCD_V2,
    #[cfg(feature = "redis")]
    &redis::REDIS,
];

/// The features that add the backend of the same name.
pub const FEATURES: [&str; 3] = ["etcd", "etcd-v2", "redis"];

/// A backend that is part of kvspec.
#[derive(Debug)]
pub struct Builtin {
    /// Its name on the command line and in reports.
    pub name: &'static str,
    /// Whether it is run if no backend is named.
    pub is_default: bool,
    /// What its flags are listed under, such as `etcd server`.
    pub heading: &'static str,
    /// The flags that say which server is meant; those of a server that several backends use are the same.
    pub flags: &'static [Flag],
    /// Whether it can start a server program that is named: [`Given::program`].
    pub takes_program: bool,
    /// Its target, not opened yet; why not, if the flags or the environment are wrong.
    pub target: fn(&Given, Abort) -> Result<Target, String>,
    /// The text of `known-failures/NAME.txt`; empty if there is no such file.
    pub known: &'static str,
}

impl Builtin {
    /// What most of them have in common.
    const PLAIN: Self = Self {
        name: "",
        is_default: false,
        heading: "",
        flags: &[],
        takes_program: false,
        target: |_, _| Err("the backend cannot be opened".into()),
        known: "",
    };

    /// What the backend is known not to do; its target carries the list.
    pub fn known_failures(&self) -> Option<KnownFailures> {
        let file = format!("known-failures/{}.txt", self.name);
        let read = || KnownFailures::parse(Path::new(&file), self.known);
        (!self.known.is_empty()).then(|| read().expect("a test reads every list"))
    }
}

/// The backend of that name, if this build has it.
pub fn find(name: &str) -> Option<&'static Builtin> {
    ALL.iter().copied().find(|one| one.name == name)
}

/// The names of the backends of this build.
pub fn names() -> impl Iterator<Item = &'static str> {
    ALL.iter().map(|one| one.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_can_be_read_and_matches_the_suite() {
        let suite = crate::scenario::embedded().unwrap();
        for (backend, list) in ALL.iter().filter_map(|one| Some((one.name, one.known_failures()?)))
        {
            assert!(!list.entries.is_empty(), "{backend}");
            list.check(&suite, &[backend]).unwrap();
        }
    }

    #[test]
    fn flags_of_one_name_are_one_flag() {
        let flags: Vec<_> = ALL.iter().flat_map(|one| one.flags).collect();
        for one in &flags {
            assert!(
                flags.iter().all(|other| one.name != other.name || one == other),
                "{}",
                one.name
            );
        }
    }
}
