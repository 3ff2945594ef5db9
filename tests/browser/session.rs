//! One session of a WebDriver: what the tests of the page need of that protocol.

use base64::prelude::{BASE64_STANDARD, Engine};
use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::header::CONTENT_TYPE;
use hyper::{Method, Request};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};

/// The field by which the protocol names an element.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

type Answer<T = Value> = Result<T, String>;

/// A browser that a driver has started.
pub struct Session {
    client: Client<HttpConnector, Full<Bytes>>,
    base: String,
}

impl Session {
    /// Has the driver at `url` start a browser.
    pub async fn open(url: &str, capabilities: Value) -> Answer<Self> {
        let client = Client::builder(TokioExecutor::new()).build_http();
        let mut session = Self { client, base: format!("{url}/session") };
        let wanted = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let opened = session.post("", wanted).await?;
        let id = opened["sessionId"].as_str().ok_or("the driver names no session")?;
        session.base = format!("{url}/session/{id}");
        Ok(session)
    }

    /// Ends the browser.
    pub async fn close(&self) -> Answer {
        self.call(Method::DELETE, "", String::new()).await
    }

    pub async fn execute(&self, script: &str) -> Answer {
        self.post("/execute/sync", json!({ "script": script, "args": [] })).await
    }

    /// The elements that a CSS selector finds, by the paths of their commands.
    pub async fn find(&self, selector: &str) -> Answer<Vec<String>> {
        let found =
            self.post("/elements", json!({ "using": "css selector", "value": selector })).await?;
        let elements = found.as_array().into_iter().flatten();
        let ids = elements.filter_map(|element| element[ELEMENT].as_str());
        Ok(ids.map(|id| format!("/element/{id}")).collect())
    }

    /// The first of the elements that a CSS selector finds.
    pub async fn first(&self, selector: &str) -> Answer<String> {
        let found = self.find(selector).await?;
        found.into_iter().next().ok_or(format!("the page has no {selector}"))
    }

    /// A picture of the window, as a PNG file.
    pub async fn screenshot(&self) -> Answer<Vec<u8>> {
        let picture = self.get("/screenshot").await?;
        let picture = picture.as_str().ok_or("the picture is not text")?;
        BASE64_STANDARD.decode(picture).map_err(|error| error.to_string())
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.call(Method::GET, path, String::new()).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Answer {
        self.call(Method::POST, path, body.to_string()).await
    }

    async fn call(&self, method: Method, path: &str, body: String) -> Answer {
        let words = |error: &dyn std::fmt::Display| format!("{method} {path}: {error}");
        let request = Request::builder().method(&method).uri(format!("{}{path}", self.base));
        let request = request.header(CONTENT_TYPE, "application/json").body(Full::from(body));
        let request = request.map_err(|error| words(&error))?;
        let answer = self.client.request(request).await.map_err(|error| words(&error))?;
        let is_done = answer.status().is_success();
        let body = answer.into_body().collect().await.map_err(|error| words(&error))?.to_bytes();
        let body: Value = serde_json::from_slice(&body).map_err(|error| words(&error))?;
        let value = &body["value"];
        match is_done {
            true => Ok(value.clone()),
            false => Err(words(&format!("{}: {}", value["error"], value["message"]))),
        }
    }
}
