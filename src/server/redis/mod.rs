//! Finds a running Redis to test against, or starts one, and takes down again what it started.

mod check;
mod process;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use self::check::{Checked, check};
use super::{Attempt, NoServer, Server, Way, guard};
use crate::backend::redis::Address;
use crate::store::StoreError;

/// What servers of this kind are called, unless they say otherwise.
pub const PRODUCT: &str = "redis";

/// How long a server that kvspec starts may take until it answers.
const STARTUP: Duration = Duration::from_secs(30);

/// Which Redis is wanted, and what is needed to find or start it.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// How the user's own server is reached, if there is one.
    pub address: Option<Address>,
    /// The `redis-server` program to run; the first on `PATH` if it is not given.
    pub program: Option<PathBuf>,
    /// How long a server that kvspec starts may take until it answers.
    pub startup: Duration,
}

impl Default for RedisOptions {
    fn default() -> Self {
        Self { address: None, program: None, startup: STARTUP }
    }
}

impl RedisOptions {
    /// Reads the options from the environment.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `REDIS_URL` | a server of the user's, as `redis://user:password@host:port/database` |
    /// | `KVSPEC_REDIS` | the `redis-server` program to run |
    pub fn from_env() -> Result<Self, StoreError> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// Reads the options from variables that `var` looks up, as [`RedisOptions::from_env`] does.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, StoreError> {
        let given = |name| var(name).filter(|value| !value.is_empty());
        // If it is not UTF-8 it is no URL either, and is refused as one.
        let url = given("REDIS_URL").map(|url| url.to_string_lossy().trim().to_owned());
        let address = url.map(|url| Address::parse(&url)).transpose();
        let address = address
            .map_err(|bad| StoreError::new(bad.kind, format!("REDIS_URL: {}", bad.message)))?;
        let program = given("KVSPEC_REDIS").map(PathBuf::from);
        Ok(Self { address, program, ..Self::default() })
    }
}

/// A running Redis, or what came of it.
pub type RedisServer = Server<Address>;

/// Finds a server: the one that was named, else a child process of the local program.
///
/// A server that was named and does not pass its check ends the search: who names one does not want another one tested.
/// Dropping the future takes down what it had started.
pub async fn find(options: &RedisOptions) -> Result<RedisServer, NoServer> {
    let failed = |attempts, advice| NoServer { product: PRODUCT, attempts, advice };
    match &options.address {
        Some(address) => given(address).await.map_err(|reason| {
            let attempts = vec![Attempt::new(Way::Endpoints, reason)];
            failed(attempts, "Start that server, or leave out the URL to have one started.")
        }),
        None => started(options).await.map_err(|reason| {
            let attempts = vec![
                Attempt::new(Way::Endpoints, "none given (--redis-url or REDIS_URL)"),
                Attempt::new(Way::Process, reason),
            ];
            failed(attempts, "Set REDIS_URL=URL or KVSPEC_REDIS=PROGRAM.")
        }),
    }
}

async fn given(address: &Address) -> Result<RedisServer, String> {
    let Checked { product, version, .. } = check(address).await?;
    Ok(Server::given(address.clone(), product, version, vec![address.to_string()]))
}

async fn started(options: &RedisOptions) -> Result<RedisServer, String> {
    let program = process::REDIS.find(options.program.as_deref())?;
    let startup = options.startup;
    let started = guard::guard(move |stop| process::start(program, startup, stop)).await?;
    Ok(Server::started(started))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(vars: &[(&str, &str)]) -> Result<RedisOptions, StoreError> {
        let var = |name: &str| vars.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into());
        RedisOptions::from_vars(var)
    }

    #[test]
    fn the_environment_names_a_server_or_a_program() {
        let given = options(&[("REDIS_URL", " redis://:hunter2@a:1 "), ("KVSPEC_REDIS", "/r")]);
        let given = given.unwrap();
        assert_eq!(given.address.as_ref().map(Address::to_string).as_deref(), Some("a:1/0"));
        assert_eq!(given.program, Some("/r".into()));
        assert!(!format!("{given:?}").contains("hunter2"));
        let empty = options(&[("REDIS_URL", ""), ("KVSPEC_REDIS", "")]).unwrap();
        assert!(empty.address.is_none() && empty.program.is_none());
    }

    #[test]
    fn a_url_that_cannot_be_read_is_said_by_its_variable() {
        let error = options(&[("REDIS_URL", "hunter2")]).unwrap_err().to_string();
        assert!(error.contains("REDIS_URL") && !error.contains("hunter2"), "{error}");
    }

    #[tokio::test]
    async fn no_server_is_said_with_each_way() {
        let program = Some(PathBuf::from("/no/such/redis-server"));
        let none = find(&RedisOptions { program, ..RedisOptions::default() }).await.unwrap_err();
        let words = none.to_string();
        assert!(words.contains("no redis server was found to test / "), "{words}");
        assert!(words.contains("/no/such/redis-server is not a program"), "{words}");
    }
}
