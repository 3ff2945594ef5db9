//! The disk of a server that a case may take the power from.

use std::path::{Path, PathBuf};

use super::forgetful::Forgetful;

/// Where a server keeps its data.
pub(super) enum Disk {
    /// In its folder, as any program does.
    Plain,
    /// On a file system that forgets what was not synced.
    Forgetful(Option<Mounted>),
}

pub(super) struct Mounted {
    disk: PathBuf,
    at: PathBuf,
    files: Forgetful,
}

impl Disk {
    /// The disk of a server that is started on this thread.
    pub fn of_this_thread(loses_power: bool) -> Result<Self, String> {
        if !loses_power {
            return Ok(Self::Plain);
        }
        Forgetful::own_mounts()?;
        Ok(Self::Forgetful(None))
    }

    /// The place for the data of a server whose folder this is.
    pub fn mount(&mut self, folder: &Path) -> Result<PathBuf, String> {
        let Self::Forgetful(mounted) = self else { return Ok(folder.into()) };
        // Of a server that did not start before.
        *mounted = None;
        let (disk, at) = (folder.join("disk"), folder.join("mounted"));
        for path in [&disk, &at] {
            std::fs::create_dir(path)
                .map_err(|error| format!("cannot make {}: {error}", path.display()))?;
        }
        let files = Forgetful::mount(&disk, &at)?;
        *mounted = Some(Mounted { disk, at: at.clone(), files });
        Ok(at)
    }

    /// Takes the power: what is not synced by now is lost.
    pub fn cut(&self) {
        if let Self::Forgetful(Some(mounted)) = self {
            mounted.files.cut();
        }
    }

    /// Gives the power back. The server must have ended.
    pub fn restore(&mut self) -> Result<(), String> {
        let Self::Forgetful(mounted) = self else { return Ok(()) };
        // The rest, with what is mounted, ends here.
        let Some(Mounted { disk, at, .. }) = mounted.take() else { return Ok(()) };
        let files = Forgetful::mount(&disk, &at)?;
        *mounted = Some(Mounted { disk, at, files });
        Ok(())
    }
}
