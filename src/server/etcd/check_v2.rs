//! Checks that a server can be tested by its v2 API, and says in plain words why not.

use std::future::Future;

use tokio::time::timeout;

use super::super::token;
use super::check::{CALL, CheckError, Checked, KEY_TTL};
use crate::backend::etcd::Access;
use crate::backend::etcd_v2::Client;
use crate::store::{ErrorKind, Result, StoreError};

/// Checks that the server behind `access` serves the v2 API, and lets kvspec write, read and delete its own keys.
///
/// Leaves no key behind: the one that it writes is deleted again, and ends by itself should the check be cut off.
pub async fn check_v2(access: &Access) -> std::result::Result<Checked, CheckError> {
    let path = format!("/kvspec/check-{}", token());
    match examine(access, &path).await {
        Ok(version) => Ok(Checked { version, members: Vec::new() }),
        Err(error) => Err(CheckError::new(access, &words(error, access))),
    }
}

async fn examine(access: &Access, path: &str) -> Result<String> {
    let client = Client::new(access)?;
    let written = write_and_read(&client, path).await;
    // Also after a write that failed: one without an answer may have been done.
    let deleted = call("a delete", client.delete(path, "")).await;
    written?;
    deleted?;
    call("the version", client.version()).await
}

async fn write_and_read(client: &Client, path: &str) -> Result<()> {
    let ttl = KEY_TTL.to_string();
    call("a write", client.put(path, &[("value", "check"), ("ttl", &ttl)])).await?;
    let found = call("a read", client.get(path, "")).await?;
    match found.node.value.as_deref() {
        Some("check") => Ok(()),
        _ => {
            Err(StoreError::new(ErrorKind::Other, "a key that was just written could not be read"))
        }
    }
}

async fn call<T>(what: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    match timeout(CALL, work).await {
        Ok(answer) => answer.map_err(|StoreError { kind, message }| match kind {
            ErrorKind::Unsupported | ErrorKind::Unavailable => StoreError { kind, message },
            _ => StoreError::new(kind, format!("{what} failed: {message}")),
        }),
        Err(_) => Err(StoreError::new(
            ErrorKind::DeadlineExceeded,
            format!("{what} was not answered within {} s", CALL.as_secs()),
        )),
    }
}

fn words(StoreError { kind, message }: StoreError, access: &Access) -> String {
    match (kind, &access.user) {
        (ErrorKind::Denied, None) => {
            "authentication required: set ETCDCTL_USER=name:password, a user of its v2 API".into()
        }
        (ErrorKind::Denied, Some(user)) => {
            format!("user '{}' was denied below /kvspec/ of the v2 API ({message})", user.name)
        }
        (ErrorKind::Unavailable, _) if message.to_lowercase().contains("connection refused") => {
            "connection refused: nothing listens there".into()
        }
        _ => message,
    }
}
