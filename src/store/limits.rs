//! What a store cannot do, or does later than etcd.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What the trait cannot say of a store; the default is etcd's.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Limits {
    /// The longest time between the end of a granted TTL and the moment the key is gone.
    ///
    /// etcd looks every 0.5 s and then commits the deletion, so 0 to 0.5 s is what it is seen to take; the default
    /// of 2 s leaves room for a busy machine.
    #[serde(with = "crate::wire")]
    pub expiry_lag: Duration,
    /// The longest time between the answer to a write and the moment its event is delivered to a watch that is read.
    ///
    /// etcd takes a few milliseconds; the default is 500 ms. A store that polls for changes needs its interval and more.
    #[serde(with = "crate::wire", default = "default_event_lag")]
    pub event_lag: Duration,
    /// The largest value that must be taken, in bytes; one half as large again must be refused as too large. The default
    /// is 1 MiB: etcd takes 1.5 MiB a request.
    pub max_value: usize,
    /// Whether keys may hold bytes that are not UTF-8.
    pub binary_keys: bool,
}

impl Limits {
    /// The same with another [`expiry_lag`](Self::expiry_lag).
    pub fn with_expiry_lag(self, expiry_lag: Duration) -> Self {
        Self { expiry_lag, ..self }
    }

    /// The same with another [`event_lag`](Self::event_lag).
    pub fn with_event_lag(self, event_lag: Duration) -> Self {
        Self { event_lag, ..self }
    }

    /// The same with another [`max_value`](Self::max_value), in bytes.
    pub fn with_max_value(self, max_value: usize) -> Self {
        Self { max_value, ..self }
    }

    /// The same with another [`binary_keys`](Self::binary_keys).
    pub fn with_binary_keys(self, binary_keys: bool) -> Self {
        Self { binary_keys, ..self }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            expiry_lag: Duration::from_secs(2),
            event_lag: default_event_lag(),
            max_value: 1024 * 1024,
            binary_keys: true,
        }
    }
}

fn default_event_lag() -> Duration {
    Duration::from_millis(500)
}
