//! Where an etcd is reached, and as whom.

use std::fmt;
use std::path::PathBuf;

/// Where an etcd is reached, and as whom.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// The client URLs, as `http://host:port` or `https://host:port`; a bare `host:port` is taken as `http`, or as
    /// `https` where `tls` is set.
    pub endpoints: Vec<String>,
    /// The files of a TLS connection.
    pub tls: Option<Tls>,
    /// The user to log in as.
    pub user: Option<User>,
}

/// The PEM files of a TLS connection.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tls {
    /// The authority that signed the server's certificate; the system's own if it is not given.
    pub ca: Option<PathBuf>,
    /// The client's certificate and its key, where the server asks for one.
    pub client: Option<(PathBuf, PathBuf)>,
    /// The name that the server's certificate has, if it is not the endpoint's host.
    pub domain: Option<String>,
}

/// A user and a password that is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct User {
    /// The user's name.
    pub name: String,
    /// The user's password.
    pub password: String,
}

impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User").field("name", &self.name).finish_non_exhaustive()
    }
}
