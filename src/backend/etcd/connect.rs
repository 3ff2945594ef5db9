//! The way from an access to a connected etcd-client.

use std::path::Path;
use std::time::Duration;

use etcd_client::{Certificate, Client, ConnectOptions, Error, Identity, TlsOptions};

use super::access::{Access, Tls};
use super::error;
use crate::store::{ErrorKind, Result, StoreError};

/// How long a connection may say nothing before its peer is asked whether it is still there.
///
/// etcd hangs up on clients that ask more often than every 5 s.
const PING_EVERY: Duration = Duration::from_secs(10);

/// How long the peer may take to say that it is.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

impl Access {
    /// Opens a client of the etcd that is reached here, and logs in if there is a user.
    ///
    /// Without a user nothing is sent yet: whether the server answers shows in the first call. `connect_timeout` bounds
    /// the login and every later attempt to connect. Calls are spread over all endpoints, and one that is down fails its
    /// share of them: etcd-client does not turn to another.
    pub async fn connect(&self, connect_timeout: Duration) -> Result<Client> {
        let urls = self.urls()?;
        let mut options = ConnectOptions::new()
            .with_connect_timeout(connect_timeout)
            // Only while a call or a watch is open. etcd counts pings on an idle connection as an attack and hangs up
            // on the fourth; and a call on a connection that died while idle is pinged for in turn.
            .with_keep_alive(PING_EVERY, PING_TIMEOUT)
            .with_keep_alive_while_idle(false)
            // A member that is cut off from its cluster then ends its watches rather than just falling silent.
            .with_require_leader(true);
        if urls.iter().any(|url| url.starts_with("https://")) {
            options = options.with_tls(tls_options(self.tls.as_ref(), connect_timeout)?);
        }
        if let Some(user) = &self.user {
            // etcd forgets a login after five minutes without a call.
            options = options.with_user(&user.name, &user.password).with_auto_token_refresh(true);
        }
        match tokio::time::timeout(connect_timeout, Client::connect(&urls, Some(options))).await {
            Ok(client) => client.map_err(|error| connect_error(error, &urls)),
            Err(_) => Err(StoreError::new(
                ErrorKind::DeadlineExceeded,
                format!(
                    "no login at {} within {connect_timeout:?}: is the server running?",
                    urls.join(", ")
                ),
            )),
        }
    }

    /// The endpoints as URLs, all of one scheme.
    pub(in crate::backend) fn urls(&self) -> Result<Vec<String>> {
        if self.endpoints.is_empty() {
            return Err(misuse("no endpoint was given: name at least one, as http://host:port"));
        }
        let urls = self
            .endpoints
            .iter()
            .map(|given| url(given, self.tls.is_some()))
            .collect::<Result<Vec<_>>>()?;
        let plain = urls.iter().find(|url| url.starts_with("http://"));
        let secure = urls.iter().find(|url| url.starts_with("https://"));
        match (plain, secure) {
            (Some(plain), Some(secure)) => Err(misuse(format!(
                "{plain} and {secure} cannot be used together: give all endpoints one scheme"
            ))),
            (Some(plain), None) if self.tls.is_some() => Err(misuse(format!(
                "TLS files were given, but {plain} is not https: drop one or the other"
            ))),
            _ => Ok(urls),
        }
    }
}

/// One endpoint as a URL without a path.
fn url(given: &str, tls: bool) -> Result<String> {
    let (scheme, authority) = endpoint(given).map_err(misuse)?;
    let default = if tls { "https" } else { "http" };
    Ok(format!("{}://{authority}", scheme.as_deref().unwrap_or(default)))
}

/// Reads `http://host:port`, `https://host:port` or `host:port`: the scheme, if there is one, and the host with its port.
pub(crate) fn endpoint(given: &str) -> std::result::Result<(Option<String>, &str), String> {
    let given = given.trim();
    if given.contains('@') {
        // Not shown: what stands before the @ may be a password.
        let advice = "give user and password apart, as by ETCDCTL_USER";
        return Err(format!("an endpoint must not hold a user: {advice}"));
    }
    let bad = |reason: &str| Err(format!("'{given}' {reason}"));
    let (scheme, authority) = match given.split_once("://") {
        Some((scheme, rest)) => (Some(scheme.to_ascii_lowercase()), rest),
        None => (None, given),
    };
    if scheme.as_ref().is_some_and(|scheme| scheme != "http" && scheme != "https") {
        return bad("must begin with http:// or https://");
    }
    let authority = authority.trim_end_matches('/');
    if authority.contains(['/', '?', '#']) || authority.contains(char::is_whitespace) {
        return bad("must be a host and a port and nothing more");
    }
    let Some((host, port)) = authority.rsplit_once(':') else {
        return bad("has no port, such as :2379");
    };
    let is_bracketed = host.starts_with('[') && host.ends_with(']');
    if host.is_empty()
        || host == "[]"
        || host.contains(',')
        || (host.contains(':') && !is_bracketed)
    {
        return bad("has no host that can be read (write IPv6 as [::1]:2379)");
    }
    if !port.parse::<u16>().is_ok_and(|port| port > 0) {
        return bad("has no port between 1 and 65535");
    }
    Ok((scheme, authority))
}

/// The TLS settings that the files give; the system's authorities where no other is named.
fn tls_options(tls: Option<&Tls>, handshake_timeout: Duration) -> Result<TlsOptions> {
    let default = Tls::default();
    let tls = tls.unwrap_or(&default);
    let mut options = TlsOptions::new().timeout(handshake_timeout);
    options = match &tls.ca {
        Some(ca) => options.ca_certificate(Certificate::from_pem(pem(ca, "CERTIFICATE")?)),
        None => options.with_native_roots(),
    };
    if let Some((certificate, key)) = &tls.client {
        options = options.identity(Identity::from_pem(
            pem(certificate, "CERTIFICATE")?,
            pem(key, "PRIVATE KEY")?,
        ));
    }
    if let Some(domain) = &tls.domain {
        options = options.domain_name(domain);
    }
    Ok(options)
}

/// Reads a PEM file that must hold something of the kind `label`.
///
/// The TLS library takes a file of another kind for an empty one, and complains only of the server later.
fn pem(path: &Path, label: &str) -> Result<Vec<u8>> {
    let text = std::fs::read(path).map_err(|error| {
        misuse(format!("cannot read the {} in {}: {error}", label.to_lowercase(), path.display()))
    })?;
    let mark = format!("{label}-----");
    if !text.windows(mark.len()).any(|window| window == mark.as_bytes()) {
        return Err(misuse(format!(
            "{} holds no {} in PEM form",
            path.display(),
            label.to_lowercase()
        )));
    }
    Ok(text)
}

/// An error of opening a client, distinguished from one of the server.
fn connect_error(error: Error, urls: &[String]) -> StoreError {
    let local = matches!(error, Error::TransportError(_));
    let error = error::from_client(error, &urls.join(", "));
    // Before the first byte is sent, the transport fails only on what it was given.
    let kind = if local { ErrorKind::InvalidArgument } else { error.kind };
    StoreError::new(kind, format!("cannot connect: {}", error.message))
}

fn misuse(message: impl Into<String>) -> StoreError {
    StoreError::new(ErrorKind::InvalidArgument, message)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    fn access(endpoints: &[&str], tls: Option<Tls>) -> Access {
        Access { endpoints: endpoints.iter().map(|&e| e.to_owned()).collect(), tls, user: None }
    }

    #[rstest]
    #[case(&["127.0.0.1:2379"], None, &["http://127.0.0.1:2379"])]
    #[case(&["127.0.0.1:2379"], Some(Tls::default()), &["https://127.0.0.1:2379"])]
    #[case(&["HTTP://a:1/", " http://[::1]:2 "], None, &["http://a:1", "http://[::1]:2"])]
    #[case(&["https://a:1"], None, &["https://a:1"])]
    #[case(&["https://a:1", "b:2"], Some(Tls::default()), &["https://a:1", "https://b:2"])]
    fn endpoints_become_urls(
        #[case] given: &[&str],
        #[case] tls: Option<Tls>,
        #[case] urls: &[&str],
    ) {
        assert_eq!(access(given, tls).urls().unwrap(), urls);
    }

    #[rstest]
    #[case::none(&[], None, "no endpoint")]
    #[case::empty(&[""], None, "has no port")]
    #[case::path(&["http://a:1/v3"], None, "a host and a port and nothing more")]
    #[case::list(&["a:1,b:2"], None, "has no host")]
    #[case::scheme(&["unix:///run/etcd"], None, "must begin with http:// or https://")]
    #[case::mixed(&["http://a:1", "https://b:2"], None, "http://a:1 and https://b:2")]
    #[case::tls_on_http(&["http://a:1"], Some(Tls::default()), "is not https")]
    #[case::user(&["http://root:hunter2@a:1"], None, "give user and password apart")]
    fn misuse_is_said_in_plain_words(
        #[case] given: &[&str],
        #[case] tls: Option<Tls>,
        #[case] words: &str,
    ) {
        let error = access(given, tls).urls().unwrap_err();
        assert_eq!(error.kind, ErrorKind::InvalidArgument);
        assert!(error.message.contains(words), "{error}");
        assert!(!error.message.contains("hunter2"), "{error}");
    }
}
