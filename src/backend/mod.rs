//! What opens stores of one kind: the place where a store is plugged in.

use async_trait::async_trait;

use crate::store::{Limits, Result, Store};

#[cfg(feature = "etcd")]
pub mod etcd;
#[cfg(feature = "etcd-v2")]
pub mod etcd_v2;
mod fresh;
pub mod memory;
#[cfg(feature = "redis")]
pub mod redis;
mod shared;

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

    /// What this kind of store cannot do, or does later than etcd.
    fn limits(&self) -> Limits {
        Limits::default()
    }

    /// Whether the instances of different cases share one store, so that an exclusive case must run alone.
    fn is_shared(&self) -> bool {
        true
    }

    /// Whether the store is nobody's but kvspec's, so that a scenario may compact its history.
    fn is_disposable(&self) -> bool {
        false
    }

    /// The version of the server or the library behind it, for reports; `None` where there is none to tell.
    fn version(&self) -> Option<String> {
        None
    }

    /// Gives the instance that one case runs against: a fresh store, or a share of one that all cases use.
    ///
    /// Called inside the runtime of the case; dropping the instance takes down what belongs to it alone.
    async fn instance(&self) -> Result<Box<dyn Instance>>;
}

/// One running store, as one case sees it.
#[async_trait]
pub trait Instance: Send + Sync {
    /// Opens one client. All clients of an instance see the same keys.
    async fn open(&self) -> Result<Box<dyn Store>>;

    /// Tells whether the store can still be reached. Asked only after a call that got no answer, to tell a store that is
    /// wrong from one that is gone.
    async fn ping(&self) -> Result<()> {
        Ok(())
    }
}

/// The clock that a store's times run on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// Real time passes.
    Wall,
    /// The store sleeps on tokio's timers and on nothing else, so that hours pass in microseconds.
    Virtual,
}
