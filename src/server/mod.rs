//! Finds a running server to test against, or starts one, and takes down again what it started.

mod child;
#[cfg(feature = "etcd")]
pub mod etcd;
mod guard;
mod owner;
mod ready;
#[cfg(feature = "redis")]
pub mod redis;

use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::path::PathBuf;

pub use guard::{LeftBehind, take_down_all};

use crate::named::named;
use guard::{Facts, ServerGuard};

/// A running server that was checked and can be tested against; `A` is how it is reached.
///
/// A container or a process that kvspec started goes with this value: [`Server::stop`] says how that went, and dropping
/// it does the same in silence, inside a tokio runtime or outside.
#[derive(Debug)]
pub struct Server<A> {
    access: A,
    product: String,
    version: String,
    origin: Origin,
    guard: Option<ServerGuard>,
    failed: Vec<Attempt>,
}

impl<A> Server<A> {
    /// A server that the user named.
    fn given(access: A, product: String, version: String, endpoints: Vec<String>) -> Self {
        let origin = Origin::Endpoints(endpoints);
        Self { access, product, version, origin, guard: None, failed: Vec::new() }
    }

    /// A server that kvspec started.
    fn started((guard, facts): (ServerGuard, Facts<A>)) -> Self {
        let Facts { access, product, version, origin } = facts;
        Self { access, product, version, origin, guard: Some(guard), failed: Vec::new() }
    }

    /// How the server is reached.
    pub fn access(&self) -> &A {
        &self.access
    }

    /// What the server is, by its own word if it has one: `etcd`, `redis` or `valkey`.
    pub fn product(&self) -> &str {
        &self.product
    }

    /// The version that the server says it is, such as `3.5.1`.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// Where the server came from.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Where the server came from, in words, with the reason why no container was started if a process was instead.
    pub fn source(&self) -> String {
        match self.failed.iter().find(|attempt| attempt.way == Way::Container) {
            Some(Attempt { way, reason }) => format!("{} ({way}: {reason})", self.origin),
            None => self.origin.to_string(),
        }
    }

    /// Whether kvspec started the server, so that it may be disturbed and thrown away.
    pub fn is_ours(&self) -> bool {
        self.guard.is_some()
    }

    /// Takes the server down if kvspec started it, and waits until that is done.
    pub async fn stop(self) -> Result<(), LeftBehind> {
        match self.guard {
            Some(guard) => guard.stop().await,
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

named! {
    /// One way of coming by a server.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub enum Way {
        /// Endpoints that the user named.
        Endpoints = "endpoints",
        /// A container that kvspec starts.
        Container = "container",
        /// A local program that kvspec starts.
        Process = "process",
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

impl Attempt {
    fn new(way: Way, reason: impl fmt::Display) -> Self {
        Self { way, reason: one_line(&reason.to_string()) }
    }
}

/// No server was found: every way that was tried, and why it failed.
///
/// Its text is plain and several lines long; who prints it gives it its colour.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", self.text())]
pub struct NoServer {
    /// What was looked for: `etcd` or `redis`.
    pub product: &'static str,
    /// The ways in the order in which they were tried.
    pub attempts: Vec<Attempt>,
    /// What helps.
    pub advice: &'static str,
}

impl NoServer {
    /// Why cases are skipped, in a few words.
    pub fn reason(product: &str) -> String {
        format!("no {product} server was found")
    }

    fn text(&self) -> String {
        let Self { product, attempts, advice } = self;
        let name = format!("{}{}", product[..1].to_uppercase(), &product[1..]);
        let width = attempts.iter().map(|one| one.way.to_string().len()).max().unwrap_or(0);
        let ways = attempts
            .iter()
            .map(|Attempt { way, reason }| format!("  {way:width$}  {}\n", one_line(reason)));
        format!(
            "{} to test / 目前找不到可实验的 {name} 服务器\n{}{advice}",
            Self::reason(product),
            ways.collect::<String>()
        )
    }
}

/// Why a server that kvspec starts is not ready.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
enum StartError {
    /// Another process has taken its port: another port may help.
    #[error("{0}")]
    PortTaken(String),
    /// Anything else.
    #[error("{0}")]
    Other(String),
}

impl From<String> for StartError {
    fn from(reason: String) -> Self {
        Self::Other(reason)
    }
}

/// Puts a text that others wrote on one line, without what would steer a terminal.
fn one_line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    plain.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Quotes the last line of a log, which in a program that ended is where it says why.
fn last_line(log: &[u8]) -> String {
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

/// Makes a unique name.
fn token() -> String {
    // The keys of a RandomState come from the system's randomness and differ from one to the next.
    format!("{:016x}", RandomState::new().hash_one(std::process::id()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_that_of_the_log() {
        let log = br#"{"level":"info","msg":"starting"}
{"level":"fatal","msg":"discovery failed","error":"listen tcp: address already in use","stacktrace":"go"}
"#;
        assert_eq!(
            last_line(log),
            "it last wrote: discovery failed: listen tcp: address already in use"
        );
        assert_eq!(last_line(b"flag not defined: -x\n\n"), "it last wrote: flag not defined: -x");
        assert_eq!(last_line(b""), "it wrote nothing");
    }

    #[test]
    fn one_line_cannot_steer_a_terminal() {
        assert_eq!(one_line("a\n  b\x1b[31m\tc"), "a b [31m c");
    }
}
