//! Where a Redis is reached, and as whom.

use std::fmt;
use std::time::Duration;

use redis::aio::{MultiplexedConnection, PubSub};
use redis::{AsyncConnectionConfig, Client};
use tokio::time::timeout;

use super::error;
use crate::store::{ErrorKind, Result, StoreError};

/// How long an attempt to connect may take, the login included.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Where a Redis is reached, and as whom; its text shows no user and no password.
#[derive(Clone)]
pub struct Address {
    client: Client,
}

impl Address {
    /// Reads a URL: `redis://[user:password@]host:port[/database]`, or `redis+unix:///path` for a socket.
    pub fn parse(url: &str) -> Result<Self> {
        // Neither the URL nor a part of it is repeated, as it may hold a password.
        let misuse = |reason: &str| StoreError::new(ErrorKind::InvalidArgument, reason);
        if url.starts_with("rediss://") {
            return Err(misuse("Redis over TLS (rediss://) is not supported: name a plain port"));
        }
        Client::open(url).map(|client| Self { client }).map_err(|error| {
            let why = error.detail().unwrap_or("it cannot be read");
            misuse(&format!("invalid Redis URL: expected redis://host:port/database: {why}"))
        })
    }

    /// Reports whether the URL held a password.
    pub fn has_password(&self) -> bool {
        self.client.get_connection_info().redis_settings().password().is_some()
    }

    /// The number of the database.
    pub fn database(&self) -> i64 {
        self.client.get_connection_info().redis_settings().db()
    }

    /// Opens a connection that any number of calls can share.
    pub(crate) async fn connect(&self) -> Result<MultiplexedConnection> {
        // How long an answer may take is for the caller to say.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(None);
        let connecting = self.client.get_multiplexed_async_connection_with_config(&config);
        self.in_time(connecting).await
    }

    /// Opens a connection for subscriptions.
    pub(super) async fn subscriber(&self) -> Result<PubSub> {
        self.in_time(self.client.get_async_pubsub()).await
    }

    async fn in_time<T>(&self, work: impl Future<Output = redis::RedisResult<T>>) -> Result<T> {
        match timeout(CONNECT_TIMEOUT, work).await {
            Ok(done) => done.map_err(|error| error::from_client(&error, &self.to_string())),
            Err(_) => Err(StoreError::new(
                ErrorKind::Unavailable,
                format!("no connection to {self} within {} s", CONNECT_TIMEOUT.as_secs()),
            )),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.client.get_connection_info().addr(), self.database())
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Address").field(&self.to_string()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("redis://127.0.0.1:7000", "127.0.0.1:7000/0")]
    #[case("redis://localhost/3", "localhost:6379/3")]
    #[case("redis://root:hunter2@a:1/2", "a:1/2")]
    fn an_address_shows_no_password(#[case] url: &str, #[case] shown: &str) {
        let address = Address::parse(url).unwrap();
        assert_eq!(address.to_string(), shown);
        assert!(!format!("{address:?}").contains("hunter2"));
        assert_eq!(address.has_password(), url.contains("hunter2"));
    }

    #[rstest]
    #[case("")]
    #[case("127.0.0.1:6379")]
    #[case("http://:hunter2@a:1")]
    #[case("redis://:hunter2@a:1/many")]
    #[case("rediss://:hunter2@a:1")]
    fn a_url_that_cannot_be_used_is_not_repeated(#[case] url: &str) {
        let error = Address::parse(url).unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(!error.message.contains("hunter2"), "{error}");
        assert!(error.message.contains("redis"), "{error}");
    }
}
