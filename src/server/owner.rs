//! Temporary folders that their process keeps a file locked in, so that only what no one owns any more is swept.

use std::env;
use std::fs::{self, File, TryLockError};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use tempfile::TempDir;

/// The age from which something whose owner cannot be seen from here is taken to be left over: no run lasts a day.
pub(super) const FORGOTTEN: Duration = Duration::from_secs(24 * 60 * 60);

/// The file of a folder that its owner keeps locked; the system unlocks it when the process ends, however it ends.
const LOCK: &str = "owner";

/// A temporary folder of this process, removed when dropped. If the process is killed, a later run sweeps it.
#[derive(Debug)]
pub(super) struct OwnFolder {
    folder: TempDir,
    _lock: File,
}

/// What can be said of the owner of a folder from here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It runs.
    Lives,
    /// It has ended.
    Gone,
    /// The folder is not there, has no lock, or its lock cannot be tried from here.
    Unseen,
}

impl OwnFolder {
    /// A new folder whose name begins with `prefix` and this process's id.
    pub fn new(prefix: &str) -> io::Result<Self> {
        let prefix = format!("{prefix}{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir()?;
        // Locked before it has its name: no one finds it unlocked.
        let unnamed = folder.path().join("owner.new");
        let lock = File::create_new(&unnamed)?;
        lock.lock()?;
        fs::rename(unnamed, folder.path().join(LOCK))?;
        Ok(Self { folder, _lock: lock })
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Removes the folder.
    pub fn close(self) -> io::Result<()> {
        self.folder.close()
    }
}

/// Says whether the process that owns a folder still runs.
pub(super) fn standing(folder: &Path) -> Standing {
    let Ok(lock) = File::open(folder.join(LOCK)) else { return Standing::Unseen };
    // Shared, so that two who look at once do not take each other for the owner.
    match lock.try_lock_shared() {
        Ok(()) => Standing::Gone,
        Err(TryLockError::WouldBlock) => Standing::Lives,
        Err(TryLockError::Error(_)) => Standing::Unseen,
    }
}

/// Removes the folders whose names begin with `prefix` and whose owner was killed; what cannot be removed is left for
/// another time.
pub(super) fn sweep(prefix: &str) {
    let entries = fs::read_dir(env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(prefix)) {
        // Of the entry itself and not of what a link points to; and only this user's own.
        let Ok(meta) = entry.metadata() else { continue };
        // SAFETY: a system call without arguments that cannot fail.
        if !meta.is_dir() || meta.uid() != unsafe { libc::geteuid() } {
            continue;
        }
        let is_left = match standing(&entry.path()) {
            Standing::Lives => false,
            Standing::Gone => true,
            Standing::Unseen => is_old(&meta),
        };
        if is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

fn is_old(meta: &fs::Metadata) -> bool {
    let age = meta.modified().ok().and_then(|time| time.elapsed().ok());
    age.is_some_and(|age| age > FORGOTTEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_swept_once_its_owner_is_gone() {
        let prefix = format!("kvspec-owner-test-{}-", std::process::id());
        let OwnFolder { folder, _lock } = OwnFolder::new(&prefix).unwrap();
        let path = folder.path().to_owned();
        assert_eq!(standing(&path), Standing::Lives);
        sweep(&prefix);
        assert!(path.exists());
        drop(_lock);
        assert_eq!(standing(&path), Standing::Gone);
        sweep(&prefix);
        assert!(!path.exists());
    }

    #[test]
    fn a_folder_without_a_lock_is_kept_for_a_day() {
        let prefix = format!("kvspec-ownerless-test-{}-", std::process::id());
        let folder = tempfile::Builder::new().prefix(&prefix).tempdir().unwrap();
        assert_eq!(standing(folder.path()), Standing::Unseen);
        sweep(&prefix);
        assert!(folder.path().exists());
    }
}
