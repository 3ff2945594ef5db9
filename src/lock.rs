//! Keeps the cases of several processes apart that test one store, as those of nextest do.

use std::collections::hash_map::DefaultHasher;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::hash::{Hash, Hasher};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use crate::runner::Abort;

/// How often a lock that another process holds is tried again.
const RETRY: Duration = Duration::from_millis(20);

/// The locks of one store: files of the temporary folder that every process finds by the store's name.
///
/// Whoever wants the store takes the gate first. One that wants it alone holds the gate until the others are gone, so
/// that no more of them come.
#[derive(Debug)]
pub(crate) struct Lock {
    gate: PathBuf,
    store: PathBuf,
}

/// A store that is held until this is dropped; nothing where the lock could not be had.
#[derive(Debug)]
pub(crate) struct Held(#[expect(dead_code, reason = "held until it is dropped")] Option<File>);

impl Lock {
    /// The lock of the store that `name` means.
    pub fn of(name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        (user(), name).hash(&mut hasher);
        let path = |what: &str| {
            std::env::temp_dir().join(format!("kvspec-{:016x}.{what}", hasher.finish()))
        };
        Self { gate: path("gate"), store: path("lock") }
    }

    /// Waits until the store is free, or no one holds it alone; goes without where the temporary folder takes no files,
    /// and once the run is to end.
    pub fn hold(&self, is_alone: bool, abort: &Abort) -> Held {
        let held = locked(&self.gate, is_alone, abort).and_then(|gate| {
            let store = locked(&self.store, is_alone, abort)?;
            drop(gate);
            Some(store)
        });
        Held(held)
    }
}

impl Drop for Lock {
    /// Deletes the files if no other process holds or awaits them.
    fn drop(&mut self) {
        let alone = |path: &Path| opened(path).filter(|file| file.try_lock().is_ok());
        if let Some(_gate) = alone(&self.gate)
            && let Some(_store) = alone(&self.store)
            && CAN_TELL_FILES_APART
        {
            let _ = fs::remove_file(&self.store);
            let _ = fs::remove_file(&self.gate);
        }
    }
}

fn locked(path: &Path, is_alone: bool, abort: &Abort) -> Option<File> {
    let mut file = opened(path)?;
    while !abort.is_thrown() {
        match if is_alone { file.try_lock() } else { file.try_lock_shared() } {
            Ok(()) if is_at(&file, path) => return Some(file),
            // Another process was the last to need the file, and deleted it in the meantime.
            Ok(()) => file = opened(path)?,
            Err(TryLockError::WouldBlock) => thread::sleep(RETRY),
            Err(TryLockError::Error(_)) => return None,
        }
    }
    None
}

fn opened(path: &Path) -> Option<File> {
    OpenOptions::new().create(true).append(true).open(path).ok()
}

/// Whether it can be seen that an open file was deleted, so that lock files may be deleted at all.
const CAN_TELL_FILES_APART: bool = cfg!(unix);

/// Whether the open file is still the one at `path`.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let id = |found: std::io::Result<fs::Metadata>| found.ok().map(|one| (one.dev(), one.ino()));
    id(file.metadata()) == id(fs::metadata(path))
}

#[cfg(not(unix))]
fn is_at(_: &File, _: &Path) -> bool {
    true
}

/// Whoever runs this, so that no one's files are in another's way.
fn user() -> Option<std::ffi::OsString> {
    std::env::var_os("USER").or_else(|| std::env::var_os("USERNAME"))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn one_that_is_alone_waits_for_the_others_and_keeps_more_from_coming() {
        let lock = Lock::of(&format!("a test of {}", std::process::id()));
        let abort = Abort::new();
        let (first, second) = (lock.hold(false, &abort), lock.hold(false, &abort));
        let is_alone = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                let _alone = lock.hold(true, &abort);
                is_alone.store(true, Ordering::Release);
                thread::sleep(3 * RETRY);
                is_alone.store(false, Ordering::Release);
            });
            drop(first);
            thread::sleep(3 * RETRY);
            assert!(!is_alone.load(Ordering::Acquire));
            drop(second);
            while !is_alone.load(Ordering::Acquire) {
                thread::yield_now();
            }
            let _late = lock.hold(false, &abort);
            assert!(!is_alone.load(Ordering::Acquire));
        });
        abort.throw();
    }

    #[test]
    #[cfg(unix)]
    fn the_last_to_need_the_files_deletes_them() {
        let (name, abort) = (format!("a third test of {}", std::process::id()), Abort::new());
        let (one, other) = (Lock::of(&name), Lock::of(&name));
        let paths = [one.gate.clone(), one.store.clone()];
        let held = other.hold(false, &abort);
        drop(one);
        assert!(paths.iter().all(|path| path.exists()));
        // A file that was deleted in the meantime is not mistaken for the one of that name.
        let late = opened(&paths[1]).expect("the file is there");
        drop(held);
        drop(other);
        assert!(paths.iter().all(|path| !path.exists()));
        let again = opened(&paths[1]).expect("a new file");
        assert!(!is_at(&late, &paths[1]) && is_at(&again, &paths[1]));
        fs::remove_file(&paths[1]).expect("the new file is deleted");
    }

    #[test]
    fn a_run_that_is_to_end_waits_for_nobody() {
        let lock = Lock::of(&format!("another test of {}", std::process::id()));
        let abort = Abort::new();
        let _alone = lock.hold(true, &abort);
        abort.throw();
        let _also = lock.hold(true, &abort);
    }
}
