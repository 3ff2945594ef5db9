//! The directories that v2 made on the way to keys, so that none is left behind.

use std::collections::BTreeSet;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::timeout;

use super::client::Client;
use super::key;
use crate::store::ErrorKind;

/// How long all removals together may take.
const REMOVAL: Duration = Duration::from_secs(1);

/// The directories below a base prefix that the clients of one instance may have made.
#[derive(Debug)]
pub(super) struct Traces {
    client: Client,
    base: String,
    directories: Mutex<BTreeSet<String>>,
}

impl Traces {
    pub fn new(client: Client, base_prefix: &[u8]) -> Self {
        let base = String::from_utf8_lossy(base_prefix).into_owned();
        Self { client, base, directories: Mutex::default() }
    }

    /// Notes the directories that a write to `path` makes.
    pub fn note(&self, path: &str) {
        let mut directories = self.directories();
        for parent in key::parents(path, &self.base) {
            if !directories.contains(parent) {
                directories.insert(parent.to_owned());
            }
        }
    }

    /// Notes a directory, and those that are made on the way to it.
    pub fn note_directory(&self, path: &str) {
        self.note(path);
        self.directories().insert(path.to_owned());
    }

    fn directories(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Removes what was noted and is empty, as well as that can be done.
    pub async fn remove(&self) {
        let directories = std::mem::take(&mut *self.directories());
        let removing = async {
            // What is deeper comes later in the order of names, and must go first.
            for directory in directories.iter().rev() {
                // One that is not empty stays: the server refuses to remove it.
                let removed = self.client.delete(directory, "?dir=true").await;
                if removed.is_err_and(|error| error.kind == ErrorKind::Unavailable) {
                    return;
                }
            }
        };
        // What is left then stays, which is all that can be done.
        let _ = timeout(REMOVAL, removing).await;
    }
}
