//! The one switch that ends every case of a run early.

use std::sync::{Arc, OnceLock};

use tokio::sync::watch;

/// A switch that, once thrown, ends every case that shares it. It stays thrown.
#[derive(Debug, Clone)]
pub struct Abort {
    thrown: Arc<watch::Sender<bool>>,
    reason: Arc<OnceLock<String>>,
}

impl Abort {
    /// A switch that is not thrown.
    pub fn new() -> Self {
        Self { thrown: Arc::new(watch::Sender::new(false)), reason: Arc::default() }
    }

    /// Throws the switch.
    pub fn throw(&self) {
        self.thrown.send_replace(true);
    }

    /// Throws the switch because a store was lost, and says which and how; of several reasons the first counts.
    pub fn throw_for(&self, reason: String) {
        let _ = self.reason.set(reason);
        self.throw();
    }

    /// Which store was lost and how, if that is why the switch was thrown.
    pub fn reason(&self) -> Option<String> {
        self.reason.get().cloned()
    }

    /// Whether the switch was thrown.
    pub fn is_thrown(&self) -> bool {
        *self.thrown.borrow()
    }

    /// Waits until the switch is thrown.
    pub async fn thrown(&self) {
        // The sender lives as long as this handle, so the wait ends by the throw and by nothing else.
        let _ = self.thrown.subscribe().wait_for(|thrown| *thrown).await;
    }
}

impl Default for Abort {
    fn default() -> Self {
        Self::new()
    }
}
