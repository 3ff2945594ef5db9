//! Which servers the command line says to run against, over what the environment says.

#[cfg(feature = "etcd")]
use std::path::PathBuf;

use clap::Args as Group;

use super::{Problem, said};
#[cfg(feature = "etcd")]
use crate::{
    backend::etcd::{Tls, User},
    server::{ServerChoice, ServerOptions, endpoints},
};
#[cfg(feature = "redis")]
use crate::{backend::redis::Address, server::redis::RedisOptions};

/// Which etcd to run against. What is not given here is read from the environment.
#[cfg(feature = "etcd")]
#[derive(Debug, Group)]
#[command(next_help_heading = "etcd server")]
pub(super) struct ServerArgs {
    /// Client URLs of a server of yours, separated by commas [env: ETCD_ENDPOINTS]
    #[arg(long, value_name = "URL,…")]
    pub endpoints: Option<String>,
    /// The ways to come by a server that may be tried.
    #[arg(long, value_name = "auto|endpoints|container|process", default_value_t = ServerChoice::Auto, hide_default_value = true)]
    pub server: ServerChoice,
    /// The server's history is nobody's: scenarios that compact it may run [env: KVSPEC_DISPOSABLE]
    #[arg(long)]
    pub disposable: bool,
    /// The authority that signed the server's certificate, a PEM file [env: ETCDCTL_CACERT]
    #[arg(long, value_name = "FILE")]
    pub cacert: Option<PathBuf>,
    /// The client's certificate, a PEM file [env: ETCDCTL_CERT]
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The client's key, a PEM file [env: ETCDCTL_KEY]
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The user to log in as; the password is read from ETCDCTL_PASSWORD [env: ETCDCTL_USER]
    #[arg(long, value_name = "NAME")]
    pub user: Option<String>,
}

#[cfg(feature = "etcd")]
impl ServerArgs {
    /// What the environment says, and over it what the command line says.
    pub fn options(&self) -> Result<ServerOptions, Problem> {
        let mut options = ServerOptions::from_env().map_err(said)?;
        options.choice = self.server;
        options.disposable |= self.disposable;
        if let Some(list) = &self.endpoints {
            options.access.endpoints =
                endpoints(list).map_err(|error| said(format!("--endpoints: {error}")))?;
        }
        if options.choice == ServerChoice::Container || options.choice == ServerChoice::Process {
            options.access.endpoints.clear();
        }
        if self.cacert.is_some() || self.cert.is_some() {
            let tls = options.access.tls.get_or_insert_with(Tls::default);
            tls.ca = self.cacert.clone().or(tls.ca.take());
            tls.client = self.cert.clone().zip(self.key.clone()).or(tls.client.take());
        }
        if let Some(name) = &self.user {
            let password = std::env::var("ETCDCTL_PASSWORD");
            let password =
                password.map_err(|_| said("--user needs the password in ETCDCTL_PASSWORD"))?;
            options.access.user = Some(User { name: name.clone(), password });
        }
        Ok(options)
    }

    /// The flags that were given, as a user would type them again.
    pub fn typed(&self) -> String {
        let mut typed = String::new();
        let mut flag = |name: &str, value: Option<String>| {
            if let Some(value) = value {
                typed.push_str(&format!(" --{name} {}", super::typed(&value)));
            }
        };
        let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
        flag("endpoints", self.endpoints.clone());
        flag("server", (self.server != ServerChoice::Auto).then(|| self.server.to_string()));
        flag("cacert", path(&self.cacert));
        flag("cert", path(&self.cert));
        flag("key", path(&self.key));
        flag("user", self.user.clone());
        if self.disposable {
            typed.push_str(" --disposable");
        }
        typed
    }
}

/// Which Redis to run against. What is not given here is read from the environment.
#[cfg(feature = "redis")]
#[derive(Debug, Group)]
#[command(next_help_heading = "redis server")]
pub(super) struct RedisArgs {
    /// A server of yours, as redis://host:port/database; one with a password is read from the environment [env: REDIS_URL]
    #[arg(long, value_name = "URL")]
    pub redis_url: Option<String>,
}

#[cfg(feature = "redis")]
impl RedisArgs {
    /// What the environment says, and over it what the command line says.
    pub fn options(&self) -> Result<RedisOptions, Problem> {
        let Some(url) = &self.redis_url else { return RedisOptions::from_env().map_err(said) };
        let address = Address::parse(url);
        let address = address.map_err(|bad| said(format!("--redis-url: {}", bad.message)))?;
        if address.has_password() {
            // Everybody on this machine can read the arguments of a command.
            return Err(said("--redis-url: a password is no argument: put the URL into REDIS_URL"));
        }
        Ok(RedisOptions { address: Some(address), ..RedisOptions::default() })
    }

    /// The flags that were given, as a user would type them again.
    pub fn typed(&self) -> String {
        let url = self.redis_url.as_deref();
        url.map_or(String::new(), |url| format!(" --redis-url {}", super::typed(url)))
    }
}
