//! Finds a running etcd to test against, or starts one in a container or as a process.

mod check;
#[cfg(feature = "etcd-v2")]
mod check_v2;
#[cfg(feature = "container")]
mod container;
#[cfg(all(feature = "power-loss", target_os = "linux"))]
mod forgetful;
#[cfg(not(all(feature = "power-loss", target_os = "linux")))]
#[path = "unforgetful.rs"]
mod forgetful;
mod options;
mod own;
mod power;
mod process;
#[cfg(all(feature = "power-loss", target_os = "linux"))]
mod unsynced;

use std::time::Duration;

pub use check::{CheckError, Checked, check};
#[cfg(feature = "etcd-v2")]
pub use check_v2::check_v2;
pub use options::{BadOption, ServerChoice, ServerOptions, endpoints};
pub use own::OwnEtcd;
pub use process::program;

use super::{Attempt, NoServer, Server, Way, guard};
use crate::backend::etcd::Access;

/// What servers of this kind are called.
pub const PRODUCT: &str = "etcd";

/// A running etcd.
pub type EtcdServer = Server<Access>;

/// Finds a server in the order that `options` allow: the first way that gives one that passes its check is used.
///
/// Endpoints that were named and do not answer end the search: who names a server does not want another one tested.
/// Dropping the future takes down what it had started.
pub async fn find(options: &ServerOptions) -> Result<EtcdServer, NoServer> {
    let mut attempts = Vec::new();
    for way in ways(options) {
        match attempt(way, options).await {
            Ok(server) => return Ok(Server { failed: attempts, ..server }),
            Err(reason) => attempts.push(Attempt::new(way, reason)),
        }
    }
    Err(none(attempts))
}

/// The error of a search that tried these ways.
pub fn none(attempts: Vec<Attempt>) -> NoServer {
    NoServer { product: PRODUCT, advice: advice(&attempts), attempts }
}

fn advice(attempts: &[Attempt]) -> &'static str {
    match attempts {
        [.., Attempt { way: Way::Endpoints, .. }] => {
            "Start that server, or leave out the endpoints to have one started."
        }
        [Attempt { way: Way::Container, .. }] => {
            "Start Docker, or use --server auto or --server process."
        }
        [Attempt { way: Way::Process, .. }] => {
            "Set KVSPEC_ETCD=PROGRAM, or use --server auto or --server container."
        }
        _ => "Start Docker, or set ETCD_ENDPOINTS=URL or KVSPEC_ETCD=PROGRAM.",
    }
}

fn ways(options: &ServerOptions) -> Vec<Way> {
    match options.choice {
        ServerChoice::Auto if options.access.endpoints.is_empty() => {
            vec![Way::Endpoints, Way::Container, Way::Process]
        }
        ServerChoice::Auto | ServerChoice::Endpoints => vec![Way::Endpoints],
        ServerChoice::Container => vec![Way::Container],
        ServerChoice::Process => vec![Way::Process],
    }
}

async fn attempt(way: Way, options: &ServerOptions) -> Result<EtcdServer, String> {
    match way {
        Way::Endpoints => given(options).await,
        Way::Container => contained(options).await,
        Way::Process => {
            let (program, start) = (program(options)?, Start::of(options));
            let started = guard::guard(move |stop| process::start(program, start, stop)).await?;
            speaking(Server::started(started), options).await
        }
    }
}

/// How a server is to be started.
#[derive(Debug, Clone, Copy)]
struct Start {
    /// How long it may take until it answers.
    startup: Duration,
    /// Whether it serves the v2 API too.
    enable_v2: bool,
}

impl Start {
    fn of(options: &ServerOptions) -> Self {
        Self { startup: options.startup, enable_v2: options.enable_v2 }
    }

    /// The flags beyond those that every server is started with.
    fn flags(self) -> impl Iterator<Item = &'static str> {
        self.enable_v2.then_some("--enable-v2=true").into_iter()
    }
}

async fn given(options: &ServerOptions) -> Result<EtcdServer, String> {
    let access = &options.access;
    if access.endpoints.is_empty() {
        return Err("none given (--endpoints or ETCD_ENDPOINTS)".into());
    }
    // By the API that it will be tested by: an etcd 2 speaks no other.
    let checked = if options.enable_v2 { checked_v2(access).await } else { check(access).await };
    let Checked { version, .. } = checked.map_err(|error| error.to_string())?;
    Ok(Server::given(access.clone(), PRODUCT.into(), version, access.endpoints.clone()))
}

/// The server, if it speaks v2 or need not; one that must and does not is taken down.
async fn speaking(server: EtcdServer, options: &ServerOptions) -> Result<EtcdServer, String> {
    if !options.enable_v2 {
        return Ok(server);
    }
    match checked_v2(server.access()).await {
        Ok(_) => Ok(server),
        Err(error) => match server.stop().await {
            Ok(()) => Err(error.to_string()),
            Err(left) => Err(format!("{error}; {left}")),
        },
    }
}

#[cfg(feature = "etcd-v2")]
use check_v2 as checked_v2;

#[cfg(not(feature = "etcd-v2"))]
async fn checked_v2(access: &Access) -> Result<Checked, CheckError> {
    Err(CheckError::new(access, &lacks("etcd-v2")))
}

#[cfg(feature = "container")]
async fn contained(options: &ServerOptions) -> Result<EtcdServer, String> {
    let (image, tag, start) = (options.image.clone(), options.tag.clone(), Start::of(options));
    let started = guard::guard(move |stop| container::start(image, tag, start, stop)).await?;
    speaking(Server::started(started), options).await
}

#[cfg(not(feature = "container"))]
async fn contained(_: &ServerOptions) -> Result<EtcdServer, String> {
    Err(lacks("container"))
}

/// Why a build without one of its features cannot do what is asked.
#[cfg(not(all(feature = "container", feature = "etcd-v2")))]
fn lacks(feature: &str) -> String {
    format!("this kvspec was built without its feature `{feature}`")
}
