//! What opens stores of one kind: the place where a store is plugged in.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::store::{ErrorKind, Limits, Result, Store, StoreError};

#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(feature = "etcd-v2")]
pub mod etcd_v2;
mod fresh;
pub mod memory;
mod queue;
#[cfg(feature = "redis")]
pub mod redis;
mod shared;
mod spread;
#[cfg(any(feature = "etcd", feature = "redis"))]
mod watching;

pub use fresh::Fresh;
pub use shared::Shared;

/// Opens stores of one kind, and says what the trait cannot say of them.
#[async_trait]
pub trait Backend: Send + Sync {
    /// The name that tests and reports carry: short, lower case, no spaces or colons.
    fn name(&self) -> &str;

    /// The clock that the store's times run on.
    fn clock(&self) -> Clock {
        Clock::Wall
    }

    /// On how many threads the tasks of one case run at once. With one, they all run on the thread of the case; with more,
    /// which only a case on the wall clock can have, data races of a store in this process show.
    fn threads(&self) -> usize {
        1
    }

    /// What this kind of store cannot do, or does later than etcd.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether the instances of different cases share one store, so that an exclusive case must run alone.
    fn is_shared(&self) -> bool {
        true
    }

    /// Whether the store is kvspec's alone, so that a scenario may compact its history.
    fn is_disposable(&self) -> bool {
        false
    }

    /// The version of the server or the library behind it, for reports and for lists of known failures; `None` if it is
    /// not known.
    fn version(&self) -> Option<String> {
        None
    }

    /// Gives the instance that one case runs against: a fresh store, or a share of one that all cases use.
    ///
    /// Called inside the runtime of the case; [`Instance::close`] takes down what belongs to it alone.
    async fn instance(&self) -> Result<Box<dyn Instance>>;

    /// Why an instance cannot be reopened after this ending, or `None` if it can. It becomes the reason why the scenarios
    /// of durability are skipped.
    fn cannot_reopen(&self, _ending: Ending) -> Option<String> {
        Some("the backend cannot be reopened, so durability is not tested".into())
    }

    /// Gives the instance for a case that reopens it after one of `endings`. No other case may use its store, since
    /// reopening ends the store.
    async fn reopenable(&self, _endings: &[Ending]) -> Result<Box<dyn Instance>> {
        self.instance().await
    }
}

/// One running store, as one case sees it.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Opens one client. All clients of an instance see the same keys.
    async fn open(&self) -> Result<Box<dyn Store>>;

    /// Reports whether the store can still be reached. Asked only after a call that got no answer, to distinguish a store that is
    /// wrong from one that is gone.
    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    /// Takes down what belongs to this instance alone, and waits for that.
    ///
    /// Called inside the runtime of the case, after its last client is dropped. An instance that is dropped without it, as
    /// the runtime of a case that hangs does, takes down what it can without waiting.
    async fn close(self: Box<Self>) -> Result<()> {
        Ok(())
    }

    /// Ends the store in the given way and opens it again on the data that it left.
    ///
    /// Called when every client is dropped, and closed before that if the ending is clean. Called only if
    /// [`Backend::cannot_reopen`] answers `None` for this ending.
    async fn reopen(&self, _ending: Ending) -> Result<()> {
        Err(StoreError::new(ErrorKind::Unsupported, "the backend cannot be reopened"))
    }
}

/// How a store ends before it is reopened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Ending {
    /// The clients are closed, then the store shuts down in its own time.
    Clean,
    /// The store's process ends at once, as by SIGKILL. What it wrote to files stays, synced or not.
    Crash,
    /// The machine loses power: what the store wrote to files and did not sync is gone.
    PowerLoss,
}

/// The clock that a store's times run on.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Clock {
    /// Real time passes.
    #[default]
    Wall,
    /// The store sleeps on tokio's timers and on nothing else, so that hours pass in microseconds.
    Virtual,
}
