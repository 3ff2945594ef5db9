//! Checks that a server can be tested against, and says in plain words why not.

use std::error::Error as _;
use std::fmt;
use std::future::Future;
use std::io;
use std::time::Duration;

use etcd_client::{Client, PutOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::super::{StartError, one_line, ready, token};
use crate::backend::etcd::Access;
use crate::store::{ErrorKind, StoreError};

/// How long one connection attempt may take.
const CONNECT: Duration = Duration::from_secs(3);
/// How long one call may take, the connection included.
pub(super) const CALL: Duration = Duration::from_secs(5);
/// How long the check's key outlives a check that was cut off, in seconds.
pub(super) const KEY_TTL: i64 = 60;

/// The numbers of gRPC's status codes.
const PERMISSION_DENIED: i32 = 7;
const UNIMPLEMENTED: i32 = 12;
const UNAUTHENTICATED: i32 = 16;
/// `UNKNOWN`, `INVALID_ARGUMENT`, `FAILED_PRECONDITION` and `INTERNAL`, with which servers refuse what they do not do.
const REFUSALS: [i32; 4] = [2, 3, 9, 13];

/// What a check found out about a server.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Checked {
    /// The version that the server says it is, such as `3.5.1`.
    pub version: String,
    /// The names of the cluster's members.
    pub(super) members: Vec<String>,
}

/// Why a server cannot be tested against, in words for people. The user's password is never in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckError {
    endpoints: String,
    reason: String,
}

impl CheckError {
    pub(super) fn new(access: &Access, reason: &str) -> Self {
        Self { endpoints: access.endpoints.join(","), reason: one_line(reason) }
    }
}

impl fmt::Display for CheckError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.endpoints, self.reason)
    }
}

impl std::error::Error for CheckError {}

/// Checks that the server behind `access` answers, is healthy, and lets kvspec write, read and delete its own keys.
///
/// Leaves nothing behind: the one key that it writes is deleted again, and goes with its lease should the check be cut
/// off in between.
pub async fn check(access: &Access) -> Result<Checked, CheckError> {
    let key = format!("/kvspec/check-{}", token());
    match examine(access, &key).await {
        Ok(checked) => Ok(checked),
        Err(trouble) => Err(CheckError::new(access, &words(trouble, access).await)),
    }
}

/// Waits until a server that was just started passes its check, or `ended` says that it has ended.
pub(super) async fn ready(
    access: &Access,
    startup: Duration,
    ended: impl AsyncFnMut() -> Option<StartError>,
) -> Result<Checked, StartError> {
    ready::ready(startup, async || check(access).await, ended).await
}

/// What stopped a check.
enum Trouble {
    /// No client could be made; an etcd was possibly asked who the user is.
    Connect(StoreError),
    /// A call failed.
    Call(&'static str, etcd_client::Error),
    /// A call was not answered.
    Silent(&'static str),
    /// The server answered, but not what it was asked.
    Odd(String),
}

impl Trouble {
    /// Whether the server answered that it does not do this for anybody.
    fn is_refusal(&self) -> bool {
        let Self::Call(_, etcd_client::Error::GRpcStatus(status)) = self else { return false };
        status.source().is_none()
            && (self.is_unimplemented() || REFUSALS.contains(&i32::from(status.code())))
            && !is_denial(status.code().into(), status.message())
    }

    /// Whether the server answered that it has no such call.
    fn is_unimplemented(&self) -> bool {
        let Self::Call(_, etcd_client::Error::GRpcStatus(status)) = self else { return false };
        i32::from(status.code()) == UNIMPLEMENTED
            && !status.message().contains("grpc-status header missing")
    }
}

async fn examine(access: &Access, key: &str) -> Result<Checked, Trouble> {
    let connecting = timeout(CALL, access.connect(CONNECT)).await;
    let mut client =
        connecting.map_err(|_| Trouble::Silent("the login"))?.map_err(Trouble::Connect)?;
    call("a read", client.get(key, None)).await?;
    // What replaces etcd need not have every call: what it lacks is its scenarios' to find.
    let version = match call("the status", client.status()).await {
        Ok(status) => status.version().to_owned(),
        Err(trouble) if trouble.is_unimplemented() => "of an unknown version".into(),
        Err(trouble) => return Err(trouble),
    };
    let members = call("the member list", client.member_list()).await.ok();
    let names = members
        .iter()
        .flat_map(|list| list.members())
        .map(|member| member.name().to_owned())
        .collect();
    match call("a delete", client.delete(key, None)).await {
        // A key that cannot be deleted is better not written.
        Err(trouble) if trouble.is_refusal() => {}
        // A wrong answer is its scenarios' to find.
        _ => match write_and_delete(&mut client, key).await {
            Err(Trouble::Odd(_)) => {}
            written => written?,
        },
    }
    Ok(Checked { version, members: names })
}

async fn write_and_delete(client: &mut Client, key: &str) -> Result<(), Trouble> {
    // A store without leases is checked all the same; then only a check that is cut off leaves its key.
    let lease =
        call("a lease", client.lease_grant(KEY_TTL, None)).await.ok().map(|lease| lease.id());
    let written = write_and_read(client, key, lease).await;
    // Also after a put that failed: one without an answer may have been applied.
    let deleted = call("a delete", client.delete(key, None)).await;
    if let Some(lease) = lease {
        // The key is deleted by now and the lease ends by itself.
        let _ = call("a revoke", client.lease_revoke(lease)).await;
    }
    written?;
    match deleted?.deleted() {
        1 => Ok(()),
        n => Err(Trouble::Odd(format!("the delete of one key answered that {n} were deleted"))),
    }
}

async fn write_and_read(client: &mut Client, key: &str, lease: Option<i64>) -> Result<(), Trouble> {
    let options = lease.map(|lease| PutOptions::new().with_lease(lease));
    call("a put", client.put(key, "check", options)).await?;
    let found = call("a read", client.get(key, None)).await?;
    match found.kvs() {
        [kv] if kv.value() == b"check" => Ok(()),
        _ => Err(Trouble::Odd("a key that was just put could not be read".into())),
    }
}

async fn call<T>(
    what: &'static str,
    work: impl Future<Output = Result<T, etcd_client::Error>>,
) -> Result<T, Trouble> {
    match timeout(CALL, work).await {
        Ok(result) => result.map_err(|error| Trouble::Call(what, error)),
        Err(_) => Err(Trouble::Silent(what)),
    }
}

async fn words(trouble: Trouble, access: &Access) -> String {
    match trouble {
        Trouble::Connect(StoreError { kind: ErrorKind::Denied, message }) => {
            denied(&message, "the login", access)
        }
        Trouble::Connect(StoreError { kind: ErrorKind::InvalidArgument, message }) => message,
        Trouble::Connect(StoreError { kind: ErrorKind::DeadlineExceeded, message }) => {
            speaks_old_http(access).await.unwrap_or(message)
        }
        Trouble::Connect(error) => transport(&error.message, access).await,
        Trouble::Call(what, etcd_client::Error::GRpcStatus(status))
            if status.source().is_none() =>
        {
            match answered(what, status.code().into(), status.message(), access) {
                Some(words) => words,
                None => transport(status.message(), access).await,
            }
        }
        Trouble::Call(_, error) => transport(&causes(&error), access).await,
        Trouble::Silent(what) => match speaks_old_http(access).await {
            Some(words) => words,
            None => format!("{what} was not answered within {} s", CALL.as_secs()),
        },
        Trouble::Odd(words) => words,
    }
}

/// Words what a server answered to a call; `None` where the answer is rather one of the transport in its place.
fn answered(what: &'static str, code: i32, message: &str, access: &Access) -> Option<String> {
    if is_denial(code, message) {
        return Some(denied(message, what, access));
    }
    if message.contains("database space exceeded") {
        return Some(format!("its database is full, so that {what} failed ({message})"));
    }
    if code == UNIMPLEMENTED || message.contains("grpc-status header missing") {
        return Some(format!("it does not speak etcd's v3 gRPC API ({message})"));
    }
    message.starts_with("etcdserver:").then(|| format!("{what} failed ({message})"))
}

fn is_denial(code: i32, message: &str) -> bool {
    let told = [
        "authentication failed",
        "authentication is not enabled",
        "user name is empty",
        "user name not found",
    ];
    matches!(code, PERMISSION_DENIED | UNAUTHENTICATED)
        || told.iter().any(|words| message.contains(words))
}

fn denied(message: &str, what: &str, access: &Access) -> String {
    let Some(user) = &access.user else {
        return "authentication required: set ETCDCTL_USER=name:password".into();
    };
    let name = &user.name;
    if message.contains("not enabled") {
        format!("user '{name}' cannot log in, as its authentication is off: leave the user out")
    } else if message.contains("permission denied") {
        format!("user '{name}' was denied {what} below /kvspec/: grant it readwrite on that prefix")
    } else if message.contains("authentication failed") || message.contains("user name") {
        format!("user '{name}' cannot log in: the name or the password is wrong")
    } else {
        format!("user '{name}' was denied {what} ({message})")
    }
}

/// Words a connection that was not made, or broke.
async fn transport(error: &str, access: &Access) -> String {
    let lower = error.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|word| lower.contains(word));
    if has(&["connection refused"]) {
        return "connection refused: nothing listens there".into();
    }
    if has(&["failed to lookup address", "name or service not known", "dns error"]) {
        return "the host is not known".into();
    }
    if has(&["no route to host", "network is unreachable"]) {
        return "there is no route to the host".into();
    }
    if let Some(words) = speaks_old_http(access).await {
        return words;
    }
    if has(&["certificate", "unknownissuer", "tls", "handshake", "invalidcontenttype"]) {
        return format!("no TLS connection: {error}");
    }
    if has(&["timed out", "deadline has elapsed", "timeout"]) {
        return format!("no connection within {} s", CONNECT.as_secs());
    }
    format!("no connection: {error}")
}

/// Asks the way etcd was asked before gRPC, so that a server of that age is distinguished from one that is broken.
async fn speaks_old_http(access: &Access) -> Option<String> {
    let endpoint = access.endpoints.first()?;
    if access.tls.is_some() || endpoint.starts_with("https://") {
        return None;
    }
    let authority = endpoint.strip_prefix("http://").unwrap_or(endpoint);
    let answer = timeout(CONNECT, get_version(authority)).await.ok()?.ok()?;
    if answer.starts_with("HTTP/1") {
        let version =
            answer.split("\"etcdserver\":\"").nth(1).and_then(|rest| rest.split('"').next());
        let who =
            version.map_or(String::new(), |version| format!(" (it says it is etcd {version})"));
        return Some(format!("it answers HTTP/1 only, not etcd's v3 gRPC API{who}"));
    }
    // A TLS server answers plain text with an alert, which begins with the byte 21.
    answer.starts_with('\u{15}').then(|| "it asks for TLS: write the endpoint as https://".into())
}

async fn get_version(authority: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect(authority).await?;
    let request =
        format!("GET /version HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    // What came before the connection broke or the limit was reached is enough to say why.
    let _ = stream.take(4096).read_to_end(&mut answer).await;
    Ok(String::from_utf8_lossy(&answer).into_owned())
}

/// Joins the causes of an error of etcd-client, outermost first: its transport errors say nothing by themselves.
fn causes(error: &etcd_client::Error) -> String {
    let mut next = match error {
        etcd_client::Error::GRpcStatus(status) => status.source(),
        etcd_client::Error::TransportError(error) => error.source(),
        _ => None,
    };
    let mut parts: Vec<String> = Vec::new();
    while let Some(cause) = next {
        let words = cause.to_string();
        if !parts.iter().any(|part| part.contains(&words)) {
            parts.push(words);
        }
        next = cause.source();
    }
    if parts.is_empty() { error.to_string() } else { parts.join(": ") }
}
