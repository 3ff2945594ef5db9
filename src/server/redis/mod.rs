//! Finds a running Redis to test against, or starts one, and takes down again what it started.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use super::keeper::{self, Facts, Keeper, LeftBehind};
use super::{Attempt, Origin, Way, one_line};
use crate::backend::redis::Address;
use crate::store::StoreError;

mod check;
mod process;

/// How long a server that kvspec starts may take until it answers.
const STARTUP: Duration = Duration::from_secs(30);

/// Which Redis is wanted, and what is needed to find or start it.
#[derive(Debug, Clone)]
pub struct RedisOptions {
    /// How the user's own server is reached, where there is one.
    pub address: Option<Address>,
    /// The `redis-server` program to run; the first on `PATH` where it is not given.
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
        // Where it is not UTF-8 it is no URL either, and is refused as one.
        let url = given("REDIS_URL").map(|url| url.to_string_lossy().trim().to_owned());
        let address = url.map(|url| Address::parse(&url)).transpose();
        let address = address
            .map_err(|bad| StoreError::new(bad.kind, format!("REDIS_URL: {}", bad.message)))?;
        let program = given("KVSPEC_REDIS").map(PathBuf::from);
        Ok(Self { address, program, ..Self::default() })
    }
}

/// A running Redis that was checked and can be tested against.
///
/// A process that kvspec started goes with this value, as an etcd does with its [`Server`](super::Server).
#[derive(Debug)]
pub struct RedisServer {
    address: Address,
    version: String,
    origin: Origin,
    keeper: Option<Keeper>,
}

impl RedisServer {
    /// How the server is reached.
    pub fn address(&self) -> &Address {
        &self.address
    }

    /// The version that the server says it is, such as `7.0.15`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the server came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Tells whether kvspec started the server, so that it may be disturbed and thrown away.
    pub fn is_ours(&self) -> bool {
        self.keeper.is_some()
    }

    /// Takes the server down if kvspec started it, and waits until that is done.
    pub async fn stop(self) -> Result<(), LeftBehind> {
        match self.keeper {
            Some(keeper) => keeper.stop().await,
            None => Ok(()),
        }
    }
}

/// No Redis was found: every way that was tried, and why it failed.
///
/// Its text is plain and several lines long; who prints it gives it its colour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoRedis {
    /// The ways in the order in which they were tried.
    pub attempts: Vec<Attempt>,
}

impl fmt::Display for NoRedis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "目前找不到可实验的 Redis 服务器")?;
        writeln!(f, "no redis server was found to test against:")?;
        for Attempt { way, reason } in &self.attempts {
            writeln!(f, "  {way}: {}", one_line(reason))?;
        }
        f.write_str(match self.attempts.as_slice() {
            [Attempt { way: Way::Endpoints, .. }] => {
                "Make that server answer, or leave the URL out to have one started."
            }
            _ => "Name a server in REDIS_URL, or a redis-server program in KVSPEC_REDIS.",
        })
    }
}

impl std::error::Error for NoRedis {}

/// Finds a server: the one that was named, else a child process of the local program.
///
/// A server that was named and does not pass its check ends the search: who names one does not want another one tested.
/// Dropping the future takes down what it had started.
pub async fn find(options: &RedisOptions) -> Result<RedisServer, NoRedis> {
    let failed = |way, reason: String| Attempt { way, reason: one_line(&reason) };
    match &options.address {
        Some(address) => given(address)
            .await
            .map_err(|reason| NoRedis { attempts: vec![failed(Way::Endpoints, reason)] }),
        None => started(options).await.map_err(|reason| NoRedis {
            attempts: vec![
                failed(Way::Endpoints, "none given (--redis-url or REDIS_URL)".into()),
                failed(Way::Process, reason),
            ],
        }),
    }
}

async fn given(address: &Address) -> Result<RedisServer, String> {
    let checked = check::check(address).await.map_err(|error| error.to_string())?;
    let origin = Origin::Endpoints(vec![address.to_string()]);
    Ok(RedisServer { address: address.clone(), version: checked.version, origin, keeper: None })
}

async fn started(options: &RedisOptions) -> Result<RedisServer, String> {
    let program = process::REDIS.find(options.program.as_deref())?;
    let startup = options.startup;
    let (keeper, facts) = keeper::keep(move |stop| process::start(program, startup, stop)).await?;
    let Facts { access, version, origin } = facts;
    Ok(RedisServer { address: access, version, origin, keeper: Some(keeper) })
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
        assert!(words.contains("no redis server was found to test against:"), "{words}");
        assert!(words.contains("/no/such/redis-server is not a program"), "{words}");
    }
}
