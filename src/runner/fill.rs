//! Many writes in one command, several of them under way at once.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::perform::Session;
use crate::scenario::command::Command;
use crate::store::{ErrorKind, LeaseId, Result, Store, StoreError};
use crate::transcript::Answer;

/// How many writes are under way at once where the script does not say.
const WRITERS: usize = 16;

/// What a `fill` writes.
pub(super) struct Fill {
    pub store: Arc<dyn Store>,
    /// Whole keys, in the order of the writes.
    pub keys: Vec<Vec<u8>>,
    pub size: Option<usize>,
    pub writers: Option<usize>,
    pub ttl: Option<Duration>,
    pub lease: Option<LeaseId>,
    pub deadline: Duration,
}

impl Fill {
    /// Writes all, and gives the least time to live that was granted, where one was asked for.
    ///
    /// Each key is written by one writer only, so that its values come in ascending order.
    pub async fn run(self) -> Result<Option<Duration>> {
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
        let granted = try_join_all(writes).await?;
        Ok(granted.into_iter().flatten().min())
    }

    async fn write_share(&self, share: Vec<(usize, &Vec<u8>)>) -> Result<Option<Duration>> {
        let mut least = None;
        for (number, key) in share {
            let value = value(number, self.size);
            let write = tokio::time::timeout(self.deadline, self.write(key, &value)).await;
            let granted = write.map_err(|_| {
                StoreError::new(ErrorKind::DeadlineExceeded, "a write of the fill hung")
            })??;
            least = least.into_iter().chain(granted).min();
        }
        Ok(least)
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

/// The value of the write of that number: the number, padded to `size`.
fn value(number: usize, size: Option<usize>) -> Vec<u8> {
    let mut value = number.to_string().into_bytes();
    if let Some(size) = size {
        value.resize(size, b'.');
    }
    value
}

/// The number of the write that gave this value, where a fill did.
pub(super) fn number(value: &[u8]) -> Option<u64> {
    let digits = value.iter().take_while(|byte| byte.is_ascii_digit()).count();
    str::from_utf8(&value[..digits]).ok()?.parse().ok()
}

/// The keys of a fill: `KEY0000`, `KEY0001`, …, `distinct` of them in turn; `KEY` alone where nothing is counted.
pub(super) fn keys(key: &[u8], count: Option<usize>, distinct: Option<usize>) -> Vec<Vec<u8>> {
    let Some(count) = count else { return vec![key.to_vec()] };
    let distinct = distinct.unwrap_or(count).max(1);
    (0..count)
        .map(|number| [key, format!("{:04}", number % distinct).as_bytes()].concat())
        .collect()
}

/// A fill that goes on in the background.
pub(super) type Running = JoinHandle<Result<Option<Duration>>>;

impl Session<'_> {
    pub(super) async fn fill(
        &mut self,
        store: Arc<dyn Store>,
        command: &Command,
    ) -> Result<Answer> {
        let Command::Fill { key, count, distinct, size, writers, ttl, lease, name } = command
        else {
            unreachable!("only a fill is dispatched here")
        };
        let own = keys(&key.0, *count, *distinct);
        let fill = Fill {
            store,
            keys: own.iter().map(|key| self.touch(key)).collect(),
            size: size.map(|size| size.0),
            writers: *writers,
            ttl: ttl.map(|ttl| ttl.0),
            lease: lease.as_deref().map(|lease| self.lease_id(lease)),
            deadline: self.clients.deadline,
        };
        if let Some(name) = name {
            self.fills.insert(name.clone(), tokio::spawn(fill.run()));
            return Ok(Answer::Done);
        }
        let before = Instant::now();
        let granted = fill.run().await?;
        for key in &own {
            match (granted, lease) {
                (Some(granted), _) => self.ties.own(key, granted, before),
                (None, Some(lease)) => self.ties.tie_to_lease(key, lease),
                (None, None) => self.ties.untie(key),
            }
        }
        let asked = ttl.map(|ttl| ttl.0);
        Ok(asked
            .zip(granted)
            .map_or(Answer::Done, |(asked, granted)| Answer::Granted { asked, granted }))
    }

    pub(super) async fn join(&mut self, name: &str) -> Result<Answer> {
        let Some(running) = self.fills.remove(name) else {
            return Err(StoreError::new(
                ErrorKind::Other,
                format!("no fill called '{name}' is under way"),
            ));
        };
        match running.await {
            Ok(written) => written.map(|_| Answer::Done),
            Err(error) if error.is_panic() => {
                Ok(Answer::Panic(super::panic_message(error.into_panic())))
            }
            Err(error) => Err(StoreError::new(ErrorKind::Other, error.to_string())),
        }
    }
}
