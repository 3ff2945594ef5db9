//! Finds a running server to test against, or starts one, and takes down again what it started.

#[cfg(feature = "etcd")]
mod check;
#[cfg(feature = "etcd-v2")]
mod check_v2;
mod child;
#[cfg(feature = "container")]
mod container;
mod keeper;
#[cfg(feature = "etcd")]
mod options;
mod owner;
#[cfg(feature = "etcd")]
mod process;
mod ready;
#[cfg(feature = "redis")]
pub mod redis;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;
#[cfg(feature = "etcd")]
use std::time::Duration;

#[cfg(feature = "etcd")]
use crate::backend::etcd::Access;

#[cfg(feature = "etcd")]
pub use check::{CheckError, Checked, check};
#[cfg(feature = "etcd-v2")]
pub use check_v2::check_v2;
pub use keeper::{LeftBehind, take_down_all};
#[cfg(feature = "etcd")]
pub use options::{BadOption, ServerChoice, ServerOptions, endpoints};

#[cfg(feature = "etcd")]
use keeper::Keeper;

/// A running etcd that was checked and can be tested against.
///
/// A container or a process that kvspec started goes with this value: [`Server::stop`] says how that went, and dropping
/// it does the same in silence, inside a tokio runtime or outside.
#[derive(Debug)]
#[cfg(feature = "etcd")]
pub struct Server {
    access: Access,
    version: String,
    origin: Origin,
    keeper: Option<Keeper>,
}

#[cfg(feature = "etcd")]
impl Server {
    /// How the server is reached.
    pub fn access(&self) -> &Access {
        &self.access
    }

    /// The version that the server says it is, such as `3.5.1`.
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

/// Where a server came from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Origin {
    /// The user named its endpoints.
    Endpoints(Vec<String>),
    /// kvspec started a container.
    Container {
        /// The image, as `repository:tag`.
        image: String,
        /// The id that Docker gave the container.
        id: String,
    },
    /// kvspec started a program as its child.
    Process {
        /// The program.
        program: PathBuf,
        /// The child's process id.
        pid: u32,
    },
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Endpoints(endpoints) => write!(f, "endpoints {}", endpoints.join(",")),
            Self::Container { image, .. } => write!(f, "container {image}"),
            Self::Process { program, .. } => write!(f, "process {}", program.display()),
        }
    }
}

/// One way of coming by a server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// Endpoints that the user named.
    Endpoints,
    /// A container that kvspec starts.
    Container,
    /// A local program that kvspec starts.
    Process,
}

impl fmt::Display for Way {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Endpoints => "endpoints",
            Self::Container => "container",
            Self::Process => "process",
        })
    }
}

/// One way that was tried in vain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempt {
    /// The way that was tried.
    pub way: Way,
    /// Why it failed, in one line.
    pub reason: String,
}

/// No server was found: every way that was tried, and why it failed.
///
/// Its text is plain and several lines long; who prints it gives it its colour.
#[cfg(feature = "etcd")]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoServer {
    /// The ways in the order in which they were tried.
    pub attempts: Vec<Attempt>,
}

#[cfg(feature = "etcd")]
impl NoServer {
    fn advice(&self) -> &'static str {
        match self.attempts.last().map(|last| last.way) {
            Some(Way::Endpoints) => {
                "Make that server answer, or leave the endpoints out to have one started."
            }
            Some(Way::Container) if self.attempts.len() == 1 => {
                "Start Docker and run scripts/etcd-image, or use --server auto."
            }
            Some(Way::Process) if self.attempts.len() == 1 => {
                "Name an etcd program in KVSPEC_ETCD: scripts/etcd-image --binary DIR gets one."
            }
            _ => "Start Docker, or name endpoints in ETCD_ENDPOINTS or a program in KVSPEC_ETCD.",
        }
    }
}

#[cfg(feature = "etcd")]
impl fmt::Display for NoServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "目前找不到可实验的 Etcd 服务器")?;
        writeln!(f, "no etcd server was found to test against:")?;
        for Attempt { way, reason } in &self.attempts {
            writeln!(f, "  {way}: {}", one_line(reason))?;
        }
        f.write_str(self.advice())
    }
}

#[cfg(feature = "etcd")]
impl std::error::Error for NoServer {}

/// Finds a server in the order that `options` allow: the first way that gives one that passes its check is used.
///
/// Endpoints that were named and do not answer end the search: who names a server does not want another one tested.
/// Dropping the future takes down what it had started.
#[cfg(feature = "etcd")]
pub async fn find(options: &ServerOptions) -> Result<Server, NoServer> {
    let mut attempts = Vec::new();
    for way in ways(options) {
        match attempt(way, options).await {
            Ok(server) => return Ok(server),
            Err(reason) => attempts.push(Attempt { way, reason: one_line(&reason) }),
        }
    }
    Err(NoServer { attempts })
}

#[cfg(feature = "etcd")]
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

#[cfg(feature = "etcd")]
async fn attempt(way: Way, options: &ServerOptions) -> Result<Server, String> {
    match way {
        Way::Endpoints => given(options).await,
        Way::Container => contained(options).await,
        Way::Process => {
            let program = process::program(options.program.as_deref())?;
            let start = Start::of(options);
            let kept = keeper::keep(move |stop| process::start(program, start, stop)).await?;
            speaking(Server::kept(kept), options).await
        }
    }
}

/// How a server is to be started.
#[cfg(feature = "etcd")]
#[derive(Debug, Clone, Copy)]
struct Start {
    /// How long it may take until it answers.
    startup: Duration,
    /// Whether it serves the v2 API too.
    enable_v2: bool,
}

#[cfg(feature = "etcd")]
impl Start {
    fn of(options: &ServerOptions) -> Self {
        Self { startup: options.startup, enable_v2: options.enable_v2 }
    }

    /// The flags beyond those that every server is started with.
    fn flags(self) -> impl Iterator<Item = &'static str> {
        self.enable_v2.then_some("--enable-v2=true").into_iter()
    }
}

#[cfg(feature = "etcd")]
async fn given(options: &ServerOptions) -> Result<Server, String> {
    let access = &options.access;
    if access.endpoints.is_empty() {
        return Err("none given (--endpoints or ETCD_ENDPOINTS)".into());
    }
    let checked = check_given(options).await.map_err(|error| error.to_string())?;
    let origin = Origin::Endpoints(access.endpoints.clone());
    Ok(Server { access: access.clone(), version: checked.version, origin, keeper: None })
}

/// Checks the user's own server by the API that it will be tested by: one of etcd 2 speaks no other.
#[cfg(feature = "etcd-v2")]
async fn check_given(options: &ServerOptions) -> Result<Checked, CheckError> {
    if options.enable_v2 { check_v2(&options.access).await } else { check(&options.access).await }
}

#[cfg(all(feature = "etcd", not(feature = "etcd-v2")))]
async fn check_given(options: &ServerOptions) -> Result<Checked, CheckError> {
    check(&options.access).await
}

/// The server, once it is seen to speak v2 where that is wanted; one that does not is taken down.
#[cfg(feature = "etcd-v2")]
async fn speaking(server: Server, options: &ServerOptions) -> Result<Server, String> {
    let checked = match options.enable_v2 {
        true => check_v2(server.access()).await.map(drop),
        false => Ok(()),
    };
    match checked {
        Ok(()) => Ok(server),
        Err(error) => match server.stop().await {
            Ok(()) => Err(error.to_string()),
            Err(left) => Err(format!("{error}; {left}")),
        },
    }
}

#[cfg(all(feature = "etcd", not(feature = "etcd-v2")))]
async fn speaking(server: Server, _: &ServerOptions) -> Result<Server, String> {
    Ok(server)
}

#[cfg(feature = "container")]
async fn contained(options: &ServerOptions) -> Result<Server, String> {
    let (image, tag, start) = (options.image.clone(), options.tag.clone(), Start::of(options));
    let kept = keeper::keep(move |stop| container::start(image, tag, start, stop)).await?;
    speaking(Server::kept(kept), options).await
}

#[cfg(all(feature = "etcd", not(feature = "container")))]
async fn contained(_: &ServerOptions) -> Result<Server, String> {
    Err("this kvspec was built without its feature `container`".into())
}

#[cfg(feature = "etcd")]
impl Server {
    fn kept((keeper, facts): (Keeper, keeper::Facts<Access>)) -> Self {
        let keeper::Facts { access, version, origin } = facts;
        Self { access, version, origin, keeper: Some(keeper) }
    }
}

/// Puts a text that others wrote on one line, without what would steer a terminal.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Quotes the last line of a log, which in a program that ended is where it says why.
fn last_words(log: &[u8]) -> String {
    let log = String::from_utf8_lossy(log);
    match log.lines().rev().find(|line| !line.trim().is_empty()) {
        None => "it wrote nothing".into(),
        Some(line) => format!("it last wrote: {}", log_words(line)),
    }
}

/// Picks the words out of a line of etcd's JSON log, whose stack trace would bury them; takes other lines as they are.
fn log_words(line: &str) -> String {
    let field = |name: &str| {
        let (_, rest) = line.split_once(&format!("\"{name}\":\""))?;
        rest.split('"').next().filter(|value| !value.is_empty())
    };
    match (field("msg"), field("error")) {
        (Some(msg), Some(error)) => one_line(&format!("{msg}: {error}")),
        (Some(msg), None) => one_line(msg),
        _ => one_line(line).chars().take(300).collect(),
    }
}

/// Makes a name that nobody else has.
fn token() -> String {
    // The keys of a RandomState come from the system's randomness and differ from one to the next.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn last_words_are_those_of_the_log() {
        let log = br#"{"level":"info","msg":"starting"}
{"level":"fatal","msg":"discovery failed","error":"listen tcp: address already in use","stacktrace":"go"}
"#;
        assert_eq!(
            last_words(log),
            "it last wrote: discovery failed: listen tcp: address already in use"
        );
        assert_eq!(last_words(b"flag not defined: -x\n\n"), "it last wrote: flag not defined: -x");
        assert_eq!(last_words(b""), "it wrote nothing");
    }

    #[test]
    fn one_line_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\n  b\x1b[31m\tc"), "a b [31m c");
    }
}
