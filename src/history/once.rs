//! Results that are computed at most once, and are not recorded.

use std::sync::OnceLock;

/// A result that is kept with what it is worked out from. Two are always equal, for what they come from is compared.
#[derive(Debug, Clone)]
pub(super) struct Once<T>(OnceLock<T>);

impl<T> Once<T> {
    pub(super) fn get(&self, work: impl FnOnce() -> T) -> &T {
        self.0.get_or_init(work)
    }
}

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PartialEq for Once<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl<T> Eq for Once<T> {}
