//! One client of a Redis: the six functions of a store.

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use async_trait::async_trait;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, FromRedisValue, cmd};
use tokio::sync::watch;

use super::address::Address;
use super::watch::Watching;
use super::{error, pattern};
use crate::backend::watching::deliver;
use crate::store::{ErrorKind, Result, Store, StoreError, WatchStream};

/// How many keys the server looks at for one answer to a list; it serves no one else meanwhile.
const SCANNED: usize = 1000;

/// The shortest TTL that is granted. Redis counts in milliseconds, but a key that is gone before its writer has
/// heard that it was written is of use to no one.
const FLOOR: Duration = Duration::from_secs(1);

/// One client of a Redis, with a connection that its calls share and one more for each watch.
///
/// A connection that broke stays broken: then every call answers [`ErrorKind::Unavailable`], and another client has to
/// be opened.
pub struct RedisStore {
    address: Address,
    base_prefix: Vec<u8>,
    /// What calls go through; `None` once the client is closed, which ends calls and watches under way.
    connection: watch::Sender<Option<MultiplexedConnection>>,
}

impl RedisStore {
    /// Connects a client that may write below `base_prefix`, and logs it in where the address has a password.
    pub async fn connect(address: &Address, base_prefix: impl Into<Vec<u8>>) -> Result<Self> {
        let connection = watch::Sender::new(Some(address.connect().await?));
        Ok(Self { address: address.clone(), base_prefix: base_prefix.into(), connection })
    }

    /// Sends one command and waits for its answer, but no longer than until this client is closed.
    async fn ask<T: FromRedisValue>(&self, command: &Cmd) -> Result<T> {
        let mut connection = self.connected()?;
        let asking = async {
            let answer = command.query_async(&mut connection).await;
            answer.map_err(|error| error::from_client(&error, &self.address.to_string()))
        };
        self.unless_closed(asking).await
    }

    fn connected(&self) -> Result<MultiplexedConnection> {
        self.connection.borrow().clone().ok_or_else(|| ErrorKind::Closed.into())
    }

    async fn unless_closed<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            biased;
            () = closed(self.connection.subscribe()) => Err(ErrorKind::Closed.into()),
            done = work => done,
        }
    }

    /// Refuses to watch where the server is set not to report; where its settings are not shown, the watch is tried.
    async fn check_notifications(&self) -> Result<()> {
        let asked = self.ask(cmd("CONFIG").arg("GET").arg(super::watch::SETTING)).await;
        let told: Vec<String> = match asked {
            Err(StoreError { kind: ErrorKind::Denied | ErrorKind::Unsupported, .. }) => {
                return Ok(());
            }
            other => other?,
        };
        super::watch::check_setting(told.get(1).map_or("", String::as_str))
    }
}

/// Ends once the client is closed, or gone.
async fn closed(mut connection: watch::Receiver<Option<MultiplexedConnection>>) {
    let _ = connection.wait_for(Option::is_none).await;
}

/// Refuses the empty key, which is a key like any other to Redis and none to the stores that it replaces.
fn named(key: &[u8]) -> Result<&[u8]> {
    if key.is_empty() { Err(ErrorKind::EmptyKey.into()) } else { Ok(key) }
}

/// A TTL in the milliseconds that Redis counts in: never less, and never 0, which Redis refuses.
fn milliseconds(ttl: Duration) -> Result<u64> {
    let whole = ttl.max(FLOOR).as_nanos().div_ceil(1_000_000);
    u64::try_from(whole).ok().filter(|whole| i64::try_from(*whole).is_ok()).ok_or_else(|| {
        StoreError::new(ErrorKind::TtlTooLarge, "Redis counts no more than 2^63 milliseconds")
    })
}

#[async_trait]
impl Store for RedisStore {
    fn base_prefix(&self) -> &[u8] {
        &self.base_prefix
    }

    async fn update(&self, key: &[u8], value: &[u8]) -> Result<()> {
        self.ask(cmd("SET").arg(named(key)?).arg(value)).await
    }

    async fn update_with_ttl(&self, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
        let ttl = milliseconds(ttl)?;
        let () = self.ask(cmd("SET").arg(named(key)?).arg(value).arg("PX").arg(ttl)).await?;
        Ok(Duration::from_millis(ttl))
    }

    async fn delete(&self, key: &[u8]) -> Result<()> {
        self.ask(cmd("DEL").arg(named(key)?)).await
    }

    async fn read(&self, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.ask(cmd("GET").arg(named(key)?)).await
    }

    async fn list(&self, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let pattern = pattern::of_prefix(prefix);
        // Sorted and without those that SCAN gives twice, as it may while keys come and go.
        let mut keys = BTreeSet::new();
        let mut cursor = 0u64;
        loop {
            let mut scan = cmd("SCAN");
            scan.arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(SCANNED);
            let (next, some): (u64, Vec<Vec<u8>>) = self.ask(&scan).await?;
            keys.extend(some);
            if next == 0 {
                return Ok(keys.into_iter().collect());
            }
            cursor = next;
        }
    }

    async fn watch(&self, prefix: &[u8]) -> Result<WatchStream> {
        self.check_notifications().await?;
        let opening = Watching::open(&self.address, self.connected()?, prefix);
        let watching = self.unless_closed(opening).await?;
        Ok(deliver(watching, closed(self.connection.subscribe())))
    }

    async fn close(&self) -> Result<()> {
        self.connection.send_replace(None);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case(Duration::ZERO, 1000)]
    #[case(Duration::from_millis(10), 1000)]
    #[case(Duration::from_nanos(1_000_000_001), 1001)]
    #[case(Duration::from_millis(2500), 2500)]
    fn a_time_to_live_is_never_cut_short(#[case] ttl: Duration, #[case] granted: u64) {
        assert_eq!(milliseconds(ttl), Ok(granted));
    }

    #[test]
    fn a_time_to_live_beyond_counting_is_refused() {
        assert_eq!(milliseconds(Duration::MAX).unwrap_err().kind, ErrorKind::TtlTooLarge);
        let most = Duration::from_secs(i64::MAX as u64);
        assert_eq!(milliseconds(most).unwrap_err().kind, ErrorKind::TtlTooLarge);
    }
}
