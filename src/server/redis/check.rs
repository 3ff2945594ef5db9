//! Checks that a Redis can be tested against, and says in plain words why not.

use std::future::Future;
use std::time::Duration;

use futures_util::StreamExt;
use redis::cmd;
use tokio::time::timeout;

use super::super::{one_line, token};
use crate::backend::redis::{Address, RedisStore};
use crate::store::{ErrorKind, Result, Store, StoreError};

/// How long one call may take.
const CALL: Duration = Duration::from_secs(5);
/// How long the check's key outlives a check that was cut off.
const KEY_TTL: Duration = Duration::from_secs(60);

/// What a check found out about a server.
#[derive(Debug, Clone)]
pub(super) struct Checked {
    /// `redis`, or the name of what came of it: `valkey`.
    pub product: String,
    pub version: String,
    /// The server's process id, which distinguishes it from another one on the same port.
    pub pid: Option<u32>,
}

/// Checks that the server answers, lets kvspec write, read and delete its own keys, and reports what happens to them.
///
/// Leaves nothing behind: the one key that it writes is deleted again, and has a TTL should the check be cut
/// off in between.
pub(super) async fn check(address: &Address) -> std::result::Result<Checked, String> {
    let key = format!("/kvspec/check-{}", token());
    match examine(address, key.as_bytes()).await {
        Ok(checked) => Ok(checked),
        Err(error) => Err(format!("{address}: {}", one_line(&words(&error, address)))),
    }
}

async fn examine(address: &Address, key: &[u8]) -> Result<Checked> {
    let checked = identity(address).await?;
    let store = RedisStore::connect(address, b"/kvspec/".as_slice()).await?;
    let tried = exercise(&store, key).await;
    // Also after a write that failed: one without an answer may have been applied.
    let deleted = call("a delete", store.delete(key)).await;
    let _ = store.close().await;
    tried.and(deleted).map(|()| checked)
}

async fn identity(address: &Address) -> Result<Checked> {
    let mut connection = address.connect().await?;
    let asked = async {
        let told = cmd("INFO").arg("server").query_async(&mut connection).await;
        told.map_err(|error| StoreError::new(ErrorKind::Denied, error.to_string()))
    };
    let info: String = call("the server's INFO", asked).await?;
    let field = |name: &str| info.lines().find_map(|line| line.strip_prefix(name));
    // Valkey states the version of Redis that it is compatible with, and its own under its own name.
    let product = field("server_name:").map_or("redis", str::trim);
    let version =
        field(&format!("{product}_version:")).ok_or_else(|| odd("it does not say its version"))?;
    let pid = field("process_id:").and_then(|pid| pid.parse().ok());
    Ok(Checked { product: product.to_owned(), version: version.to_owned(), pid })
}

async fn exercise(store: &RedisStore, key: &[u8]) -> Result<()> {
    let mut watch = call("a watch", store.watch(key)).await?;
    call("a write", store.update_with_ttl(key, b"check", KEY_TTL)).await?;
    if call("a read", store.read(key)).await?.as_deref() != Some(b"check") {
        return Err(odd("a key that was just written could not be read"));
    }
    // Where the server does not show its settings, this is how it is found out.
    match timeout(CALL, watch.next()).await {
        Ok(Some(told)) => told.map(drop),
        _ => Err(odd("keyspace notifications are off: set notify-keyspace-events to Kg$xe")),
    }
}

async fn call<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    let silent = || odd(&format!("{what} was not answered within {} s", CALL.as_secs()));
    timeout(CALL, work).await.unwrap_or_else(|_| Err(silent()))
}

fn odd(words: &str) -> StoreError {
    StoreError::new(ErrorKind::Other, words)
}

fn words(error: &StoreError, address: &Address) -> String {
    let message = &error.message;
    match error.kind {
        ErrorKind::Denied if !address.has_password() => {
            format!("authentication required: set user and password in REDIS_URL ({message})")
        }
        ErrorKind::Denied => format!("the user of REDIS_URL was denied ({message})"),
        ErrorKind::Unavailable if message.contains("refused") => {
            "connection refused: nothing listens there".into()
        }
        _ => message.clone(),
    }
}
