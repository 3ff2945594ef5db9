//! Directories in the memory store: which paths are directories, and what that forbids.

use std::collections::BTreeSet;

use crate::store::{ErrorKind, Result};

/// The directories of a memory store that has them. Those on the way to a key are made with it, and stay.
#[derive(Debug, Default)]
pub(super) struct Tree {
    directories: BTreeSet<Vec<u8>>,
}

impl Tree {
    /// Refuses a write of `path` as a key, if it is a directory or lies below a key.
    pub fn allow_key(&self, path: &[u8], is_key: impl Fn(&[u8]) -> bool) -> Result<()> {
        if self.is_directory(path) {
            return Err(ErrorKind::NotAFile.into());
        }
        below_no_key(path, is_key)
    }

    /// Refuses to delete a directory as if it were a key.
    pub fn allow_deletion(&self, path: &[u8]) -> Result<()> {
        if self.is_directory(path) { Err(ErrorKind::NotAFile.into()) } else { Ok(()) }
    }

    /// Makes a directory, and those on the way to it, unless a key is in the way.
    pub fn make(&mut self, path: &[u8], is_key: impl Fn(&[u8]) -> bool) -> Result<()> {
        if is_key(path) {
            return Err(ErrorKind::NotADirectory.into());
        }
        below_no_key(path, is_key)?;
        self.note(path);
        self.directories.insert(path.to_vec());
        Ok(())
    }

    /// Notes the directories on the way to `path`.
    pub fn note(&mut self, path: &[u8]) {
        self.directories.extend(parents(path).map(<[u8]>::to_vec));
    }

    pub fn is_directory(&self, path: &[u8]) -> bool {
        self.directories.contains(path)
    }
}

fn below_no_key(path: &[u8], is_key: impl Fn(&[u8]) -> bool) -> Result<()> {
    if parents(path).any(is_key) { Err(ErrorKind::NotADirectory.into()) } else { Ok(()) }
}

/// The directories on the way to `path`, outermost first.
fn parents(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at])
}
