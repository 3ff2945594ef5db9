//! Many writes in one command, several of them under way at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::clients::CallLimit;
use super::meter::Meter;
use super::ttls::Hold;
use crate::store::{ErrorKind, LeaseId, Result, Store};
use crate::words::numbered_value;

/// How many writes are under way at once where the script does not say.
const WRITERS: usize = 16;

/// What a `fill` writes.
pub(crate) struct Fill {
    pub store: Arc<dyn Store>,
    /// Whole keys, in the order of the writes.
    pub keys: Vec<Vec<u8>>,
    pub size: Option<usize>,
    pub writers: Option<usize>,
    pub ttl: Option<Duration>,
    pub lease: Option<LeaseId>,
    pub limit: CallLimit,
    pub meter: Meter,
}

impl Fill {
    /// Writes all, and gives the TTLs that were granted, with the numbers of their writes, in that order.
    ///
    /// Each key is written by one writer only, so that its values come in ascending order.
    pub async fn run(self) -> Result<Granted> {
        let writers = self.writers.unwrap_or(WRITERS).max(1);
        let mut shares: Vec<Vec<(usize, &Vec<u8>)>> = vec![Vec::new(); writers];
        let mut owner = std::collections::BTreeMap::new();
        for (number, key) in self.keys.iter().enumerate() {
            let next = owner.len() % writers;
            shares[*owner.entry(key).or_insert(next)].push((number, key));
        }
        let mut writes = Vec::new();
        for share in shares {
            writes.push(self.write_share(share));
        }
        let mut granted = try_join_all(writes).await?.concat();
        granted.sort_by_key(|(number, _)| *number);
        Ok(granted)
    }

    async fn write_share(&self, share: Vec<(usize, &Vec<u8>)>) -> Result<Granted> {
        let mut all = Vec::new();
        for (number, key) in share {
            // Others get their turn also where a store answers without ever waiting.
            tokio::task::yield_now().await;
            let value = numbered_value(number, self.size);
            let before = Instant::now();
            let write = self.meter.time(self.write(key, &value));
            let granted = self.limit.within(Duration::ZERO, write).await?;
            all.extend(granted.map(|granted| (number, Hold::until_now(granted, before))));
        }
        Ok(all)
    }

    async fn write(&self, key: &[u8], value: &[u8]) -> Result<Option<Duration>> {
        match (self.ttl, self.lease) {
            (Some(ttl), _) => self.store.update_with_ttl(key, value, ttl).await.map(Some),
            (None, Some(lease)) => {
                let leases = self.store.leases().ok_or(ErrorKind::Unsupported)?;
                leases.update_with_lease(key, value, lease).await.map(|()| None)
            }
            (None, None) => self.store.update(key, value).await.map(|()| None),
        }
    }
}

/// The number of the write that gave this value, where a fill did.
pub(crate) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The keys of a fill: `KEY0000`, `KEY0001`, …, `distinct` of them in turn; `KEY` alone where nothing is counted.
pub(crate) fn keys(key: &[u8], count: Option<usize>, distinct: Option<usize>) -> Vec<Vec<u8>> {
    let Some(count) = count else { return vec![key.to_vec()] };
    let distinct = distinct.unwrap_or(count).max(1);
    (0..count)
        .map(|number| [key, format!("{:04}", number % distinct).as_bytes()].concat())
        .collect()
}

/// The TTLs that the writes of a fill were granted, by the numbers of the writes.
pub(crate) type Granted = Vec<(usize, Hold)>;

/// A fill that goes on in the background.
pub(crate) type Running = JoinHandle<Result<Granted>>;
