//! Says which server is wanted: what a user can choose, and which environment variables choose it.

use std::ffi::OsString;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use crate::backend::etcd::{Access, Tls, User, endpoint};
use crate::named::named;

const IMAGE: &str = "gcr.io/etcd-development/etcd";
const TAG: &str = "v3.5.1";
const STARTUP: Duration = Duration::from_secs(30);

/// Which server is wanted, and what is needed to find or start it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerOptions {
    /// The ways that may be tried.
    pub choice: ServerChoice,
    /// How the user's own server is reached; without endpoints if there is none.
    pub access: Access,
    /// The repository of the image to run, such as `gcr.io/etcd-development/etcd`.
    pub image: String,
    /// The image's tag, such as `v3.5.1`.
    pub tag: String,
    /// The `etcd` program to run; if it is not given, the first on `PATH` or the one that `scripts/setup` fetched.
    pub program: Option<PathBuf>,
    /// The folder where `scripts/setup` keeps what it fetches.
    pub cache: Option<PathBuf>,
    /// How long a server that kvspec starts may take until it answers.
    pub startup: Duration,
    /// Whether the server must serve the v2 API too: one that kvspec starts has the flag for it, another one is asked.
    pub enable_v2: bool,
    /// Whether the user's own server is kvspec's alone, so that its history may be compacted.
    pub disposable: bool,
}

impl Default for ServerOptions {
    fn default() -> Self {
        Self {
            choice: ServerChoice::Auto,
            access: Access::default(),
            image: IMAGE.into(),
            tag: TAG.into(),
            program: None,
            cache: None,
            startup: STARTUP,
            enable_v2: false,
            disposable: false,
        }
    }
}

impl ServerOptions {
    /// Reads the options from the environment.
    ///
    /// | variable | meaning |
    /// |---|---|
    /// | `ETCD_ENDPOINTS` | client URLs, separated by commas; an empty value is an error |
    /// | `ETCDCTL_CACERT` | the authority's certificate, a PEM file |
    /// | `ETCDCTL_CERT`, `ETCDCTL_KEY` | the client's certificate and key, PEM files |
    /// | `ETCDCTL_USER`, `ETCDCTL_PASSWORD` | the user, as `name:password` or apart |
    /// | `KVSPEC_ETCD` | the `etcd` program to run |
    /// | `KVSPEC_ETCD_IMAGE` | the image to run, as `repository:tag` |
    /// | `XDG_CACHE_HOME` | the user's cache folder, `~/.cache` by default; `scripts/setup` keeps programs in `kvspec` in it |
    /// | `KVSPEC_DISPOSABLE` | `1`: scenarios may compact the server's history |
    pub fn from_env() -> Result<Self, BadOption> {
        Self::from_vars(|name| std::env::var_os(name))
    }

    /// Reads the options from variables that `var` looks up, as [`ServerOptions::from_env`] does.
    pub fn from_vars(var: impl Fn(&str) -> Option<OsString>) -> Result<Self, BadOption> {
        let text = |name| text(name, &var);
        let mut options = Self::default();
        // An empty value is refused: it mostly comes from a variable that a CI job failed to set, and must not start
        // another server in place of the one that was meant.
        if let Some(list) = var("ETCD_ENDPOINTS") {
            let list = text("ETCD_ENDPOINTS")?.unwrap_or_else(|| list.to_string_lossy().into());
            options.access.endpoints = endpoints(&list).map_err(|bad| bad.of("ETCD_ENDPOINTS"))?;
        }
        options.access.tls =
            tls(|name| var(name).filter(|value| !value.is_empty()).map(PathBuf::from))?;
        options.access.user = user(text("ETCDCTL_USER")?, text("ETCDCTL_PASSWORD")?)?;
        options.program = var("KVSPEC_ETCD").filter(|path| !path.is_empty()).map(PathBuf::from);
        options.cache = cache(&var);
        options.disposable =
            text("KVSPEC_DISPOSABLE")?.is_some_and(|value| value != "0" && value != "false");
        if let Some(image) = text("KVSPEC_ETCD_IMAGE")? {
            (options.image, options.tag) = repository_and_tag(&image)?;
        }
        Ok(options)
    }
}

fn text(name: &str, var: impl Fn(&str) -> Option<OsString>) -> Result<Option<String>, BadOption> {
    let value = var(name).map(OsString::into_string).transpose();
    let value = value.map_err(|_| BadOption::new("it is not UTF-8").of(name))?;
    Ok(value.map(|value| value.trim().to_owned()).filter(|value| !value.is_empty()))
}

/// The folder where `scripts/setup` keeps what it fetches.
fn cache(var: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let folder = |name| var(name).map(PathBuf::from).filter(|folder| folder.is_absolute());
    let user = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache")))?;
    Some(user.join("kvspec"))
}

fn tls(file: impl Fn(&str) -> Option<PathBuf>) -> Result<Option<Tls>, BadOption> {
    let ca = file("ETCDCTL_CACERT");
    let client = match (file("ETCDCTL_CERT"), file("ETCDCTL_KEY")) {
        (Some(cert), Some(key)) => Some((cert, key)),
        (None, None) => None,
        (Some(_), None) => {
            return Err(BadOption::new("it needs ETCDCTL_KEY too").of("ETCDCTL_CERT"));
        }
        (None, Some(_)) => {
            return Err(BadOption::new("it needs ETCDCTL_CERT too").of("ETCDCTL_KEY"));
        }
    };
    Ok((ca.is_some() || client.is_some()).then_some(Tls { ca, client, domain: None }))
}

fn user(user: Option<String>, password: Option<String>) -> Result<Option<User>, BadOption> {
    let Some(user) = user else { return Ok(None) };
    // As etcdctl does: with a password apart, a colon belongs to the name.
    let (name, password) = match password {
        Some(password) => (user, password),
        None => {
            let (name, password) = user.split_once(':').ok_or_else(|| {
                BadOption::new("it has no password: write name:password or set ETCDCTL_PASSWORD")
                    .of("ETCDCTL_USER")
            })?;
            (name.to_owned(), password.to_owned())
        }
    };
    if name.is_empty() {
        return Err(BadOption::new("it has no name before the colon").of("ETCDCTL_USER"));
    }
    Ok(Some(User { name, password }))
}

/// Splits an image at its tag; one without a tag means kvspec's usual tag.
fn repository_and_tag(image: &str) -> Result<(String, String), BadOption> {
    let bad = |reason: &str| {
        BadOption::new(format!("{reason} (write repository:tag)")).of("KVSPEC_ETCD_IMAGE")
    };
    if image.contains('@') {
        return Err(bad("an image cannot be named by its digest here"));
    }
    // A colon before the last slash belongs to a registry's port.
    let name = image.rfind('/').map_or(0, |slash| slash + 1);
    let (repository, tag) = match image[name..].split_once(':') {
        Some((_, tag)) => (&image[..image.len() - tag.len() - 1], tag),
        None => (image, TAG),
    };
    if repository.is_empty() || repository.ends_with('/') || tag.is_empty() || tag.contains(':') {
        return Err(bad("expected the name of an image"));
    }
    Ok((repository.to_owned(), tag.to_owned()))
}

/// Reads a list of client URLs that commas separate: `http://host:port`, `https://host:port` or `host:port`.
///
/// Fails if a URL cannot be read, and if the list has none.
pub fn endpoints(list: &str) -> Result<Vec<String>, BadOption> {
    let items = list.split(',').map(str::trim).filter(|item| !item.is_empty());
    let url = |item: &str| endpoint(item).map(|_| item.trim_end_matches('/').to_owned());
    match items.map(url).collect::<Result<Vec<_>, _>>().map_err(BadOption::new)? {
        urls if urls.is_empty() => Err(BadOption::new(format!(
            "invalid endpoints '{list}': expected client URLs separated by commas, such as http://127.0.0.1:2379"
        ))),
        urls => Ok(urls),
    }
}

named! {
    /// Which ways of coming by a server may be tried.
    #[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
    pub enum ServerChoice {
        /// The endpoints if any were given; else a container, and a process where that fails.
        #[default]
        Auto = "auto",
        /// The endpoints that were given, and nothing else.
        Endpoints = "endpoints",
        /// A container, and nothing else.
        Container = "container",
        /// A local process, and nothing else.
        Process = "process",
    }
}

impl FromStr for ServerChoice {
    type Err = BadOption;

    fn from_str(text: &str) -> Result<Self, BadOption> {
        Self::from_name("way", text).map_err(BadOption::new)
    }
}

/// An option that cannot be used, and why. Passwords are not in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BadOption {
    name: Option<String>,
    reason: String,
}

impl BadOption {
    fn new(reason: impl Into<String>) -> Self {
        Self { name: None, reason: reason.into() }
    }

    fn of(self, name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..self }
    }
}

impl fmt::Display for BadOption {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

impl std::error::Error for BadOption {}
