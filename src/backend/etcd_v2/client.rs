//! HTTP requests of the v2 API.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::client::legacy::{Client as Pool, Error as PoolError};
use hyper_util::rt::TokioExecutor;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::answer::Answer;
use super::error;
use super::key::escaped;
use crate::backend::etcd::error::with_causes;
use crate::backend::etcd::{Access, User};
use crate::store::{ErrorKind, Result, StoreError};

/// How long an attempt to connect may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// The header in which the server says how far its history had come.
const INDEX: &str = "x-etcd-index";

/// What makes requests of the v2 API, on as many connections as are under way at once: no request waits for another.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    pool: Pool<HttpConnector, Full<Bytes>>,
    endpoints: Vec<String>,
    authorization: Option<HeaderValue>,
}

/// A form as v2 takes it.
pub(super) type Form<'a> = &'a [(&'a str, &'a str)];

impl Client {
    /// A client of the etcd that `access` reaches; nothing is sent yet.
    pub fn new(access: &Access) -> Result<Self> {
        let endpoints = access.urls()?;
        if let Some(secure) = endpoints.iter().find(|url| url.starts_with("https://")) {
            let message =
                format!("the v2 client speaks plain HTTP only, and {secure} asks for TLS");
            return Err(StoreError::new(ErrorKind::InvalidArgument, message));
        }
        let mut connector = HttpConnector::new();
        connector.set_connect_timeout(Some(CONNECT_TIMEOUT));
        connector.set_nodelay(true);
        let pool = Pool::builder(TokioExecutor::new()).build(connector);
        let authorization = access.user.as_ref().map(authorization).transpose()?;
        Ok(Self { pool, endpoints, authorization })
    }

    /// The version that the server says it is.
    pub async fn version(&self) -> Result<String> {
        #[derive(Deserialize)]
        struct Version {
            etcdserver: String,
        }
        let version: Version = read(self.send(Method::GET, "/version", None).await?).await?;
        Ok(version.etcdserver)
    }

    /// Reads what is at `path`, as the whole cluster has agreed on it.
    pub async fn get(&self, path: &str, query: &str) -> Result<Answer> {
        // Without a quorum a member answers what it happens to know, which may be old.
        let url = format!("{}?quorum=true{query}", keys(path));
        read(self.send(Method::GET, &url, None).await?).await
    }

    /// Writes what `form` says to `path`.
    pub async fn put(&self, path: &str, form: Form<'_>) -> Result<Answer> {
        read(self.send(Method::PUT, &keys(path), Some(form)).await?).await
    }

    /// Deletes what is at `path`.
    pub async fn delete(&self, path: &str, query: &str) -> Result<Answer> {
        read(self.send(Method::DELETE, &format!("{}{query}", keys(path)), None).await?).await
    }

    /// Opens a stream of what happens below `path`, after `since` if it is given, and from now on where not.
    ///
    /// Gives how far the history had come when the stream was opened: the server has it open when it says so.
    pub async fn stream(&self, path: &str, since: Option<u64>) -> Result<(u64, Incoming)> {
        let since = since.map(|seen| format!("&waitIndex={}", seen + 1)).unwrap_or_default();
        let url = format!("{}?wait=true&recursive=true&stream=true{since}", keys(path));
        let response = self.send(Method::GET, &url, None).await?;
        if response.status() != StatusCode::OK {
            return Err(read::<Answer>(response).await.err().unwrap_or_else(no_index));
        }
        let index =
            response.headers().get(INDEX).and_then(|index| index.to_str().ok()?.parse().ok());
        Ok((index.ok_or_else(no_index)?, response.into_body()))
    }

    /// Sends a request to the first endpoint that can be connected to.
    async fn send(
        &self,
        method: Method,
        url: &str,
        form: Option<Form<'_>>,
    ) -> Result<Response<Incoming>> {
        let body = form.map(encoded);
        let mut failed = None;
        for endpoint in &self.endpoints {
            let request = self.request(&method, &format!("{endpoint}{url}"), body.clone())?;
            match self.pool.request(request).await {
                Ok(response) => return Ok(response),
                // Nothing was sent, so that nothing can be done twice.
                Err(error) if error.is_connect() => failed = Some(unreachable(&error, endpoint)),
                Err(error) => return Err(unreachable(&error, endpoint)),
            }
        }
        Err(failed.unwrap_or_else(|| ErrorKind::Unavailable.into()))
    }

    fn request(
        &self,
        method: &Method,
        url: &str,
        body: Option<Bytes>,
    ) -> Result<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some(authorization) = &self.authorization {
            request = request.header(AUTHORIZATION, authorization);
        }
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        }
        request.body(Full::new(body.unwrap_or_default())).map_err(|error| {
            StoreError::new(ErrorKind::InvalidArgument, format!("this cannot be sent: {error}"))
        })
    }
}

/// The path of a node's URL. What a URL cannot hold is escaped, slashes are not: they part directories.
fn keys(path: &str) -> String {
    format!("/v2/keys{}", escaped(path, "-._~/"))
}

fn encoded(form: Form<'_>) -> Bytes {
    let fields = form.iter().map(|(name, value)| format!("{name}={}", escaped(value, "-._~")));
    fields.collect::<Vec<_>>().join("&").into()
}

fn authorization(user: &User) -> Result<HeaderValue> {
    let token = STANDARD.encode(format!("{}:{}", user.name, user.password));
    let mut header =
        HeaderValue::try_from(format!("Basic {token}")).map_err(|_| ErrorKind::InvalidArgument)?;
    // Or a log of requests would show it.
    header.set_sensitive(true);
    Ok(header)
}

/// Takes in a whole answer.
async fn read<T: DeserializeOwned>(response: Response<Incoming>) -> Result<T> {
    let status = response.status();
    let body = response.into_body().collect().await.map_err(|error| broken_off(&error))?.to_bytes();
    match status.is_success() {
        true => serde_json::from_slice(&body).map_err(|error| error::unreadable(&error)),
        false => Err(error::from_answer(status, &body)),
    }
}

/// The error of an answer that did not come to its end.
pub(super) fn broken_off(error: &hyper::Error) -> StoreError {
    StoreError::new(
        ErrorKind::Unavailable,
        format!("the answer broke off: {}", with_causes(Some(error.to_string()), error)),
    )
}

fn unreachable(error: &PoolError, endpoint: &str) -> StoreError {
    let message = format!("{} (server: {endpoint})", with_causes(Some(error.to_string()), error));
    StoreError::new(ErrorKind::Unavailable, message)
}

fn no_index() -> StoreError {
    StoreError::new(ErrorKind::Other, "the server opened a watch and did not say at what index")
}
