//! What there is instead of a folder that loses power, in builds and on systems that have none.

use std::path::Path;

/// A folder that forgets what was not synced: there is none here.
pub(super) enum Forgetful {}

impl Forgetful {
    const REASON: &str = match cfg!(target_os = "linux") {
        true => {
            "this kvspec cannot take the power from a server: it was built without the feature `power-loss`"
        }
        false => "kvspec can take the power from a server on Linux only",
    };

    /// Why no such folder can be mounted.
    pub fn cannot_mount() -> Option<String> {
        Some(Self::REASON.into())
    }

    /// Fails.
    pub fn own_mounts() -> Result<(), String> {
        Err(Self::REASON.into())
    }

    /// Takes the power from a folder that cannot be.
    pub fn cut(&self) {
        match *self {}
    }

    /// Fails.
    pub fn mount(_disk: &Path, _at: &Path) -> Result<Self, String> {
        Err(Self::REASON.into())
    }
}
