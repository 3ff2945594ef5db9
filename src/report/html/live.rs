//! The page while the run goes on: served on loopback, with every case that is over.

use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use axum::Router;
use axum::extract::{Query, Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::sse::{Event, Sse};
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use futures_util::{Stream, StreamExt, stream};
use serde_json::json;
use tokio::runtime::Builder;
use tokio::sync::watch;

use super::page::Page;
use crate::event::RunEvent;
use crate::plan::Rerun;
use crate::report::Reporter;

/// How long after one update a browser gets the next: often enough for an eye, seldom enough for a fast run.
const UPDATE_EVERY: Duration = Duration::from_millis(100);
/// How long a browser may take, once the run is over, to hear how it went.
const FAREWELL: Duration = Duration::from_secs(1);
/// How many cases are sent at once.
const BATCH: usize = 100;

/// Serves the page of a run until the run is over.
pub struct Live {
    shared: Arc<Shared>,
    address: SocketAddr,
    server: Option<JoinHandle<()>>,
}

/// What the reporting thread and the browsers share.
struct Shared {
    page: Mutex<Page>,
    /// How far the run is.
    stage: watch::Sender<Stage>,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Stage {
    done: usize,
    is_over: bool,
}

impl Shared {
    fn page(&self) -> MutexGuard<'_, Page> {
        self.page.lock().expect("no thread panics with the page")
    }
}

impl Live {
    /// Serves at `address`, which must be one of loopback; port 0 is one that is free.
    pub fn serve(address: SocketAddr, rerun: impl Into<Rerun>) -> io::Result<Self> {
        if !address.ip().is_loopback() {
            let reason = "a report is served on loopback only, such as 127.0.0.1:0";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
        }
        let listener = TcpListener::bind(address)?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let page = Mutex::new(Page::new(rerun.into()));
        let shared = Arc::new(Shared { page, stage: watch::Sender::new(Stage::default()) });
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let state = shared.clone();
        let server = thread::spawn(move || runtime.block_on(answer(listener, state)));
        Ok(Self { shared, address, server: Some(server) })
    }

    /// Where a browser finds the page.
    pub fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}

impl Reporter for Live {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        let mut page = self.shared.page();
        page.take(event);
        let is_over = matches!(event, RunEvent::Finished { .. });
        self.shared.stage.send_replace(Stage { done: page.done(), is_over });
        Ok(())
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.shared.stage.send_modify(|stage| stage.is_over = true);
        if let Some(server) = self.server.take() {
            let _ = server.join();
        }
    }
}

/// Answers browsers until the run is over and they have heard of it.
async fn answer(listener: TcpListener, shared: Arc<Shared>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else { return };
    let mut stage = shared.stage.subscribe();
    let app = Router::new()
        .route("/", get(whole))
        .route("/events", get(events))
        .layer(middleware::from_fn(only_here))
        .with_state(shared);
    let mut over = stage.clone();
    let over = async move {
        let _ = over.wait_for(|stage| stage.is_over).await;
    };
    let served = axum::serve(listener, app).with_graceful_shutdown(over);
    let late = async {
        let _ = stage.wait_for(|stage| stage.is_over).await;
        tokio::time::sleep(FAREWELL).await;
    };
    tokio::select! {
        _ = served => {}
        () = late => {}
    }
}

/// Refuses what another site has a browser ask for under its own name.
async fn only_here(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
    let name = host.map(|host| host.rsplit_once(':').map_or(host, |(name, _)| name));
    let is_loopback = |name: &str| {
        let name = name.trim_matches(['[', ']']);
        name == "localhost" || name.parse().is_ok_and(|ip: IpAddr| ip.is_loopback())
    };
    match name.is_some_and(is_loopback) {
        true => next.run(request).await,
        false => (StatusCode::FORBIDDEN, "this page is for this machine").into_response(),
    }
}

async fn whole(State(shared): State<Arc<Shared>>) -> Html<Vec<u8>> {
    let page = shared.page();
    let mut html = Vec::new();
    page.write(&mut html, Some(page.done())).expect("memory takes all");
    Html(html)
}

#[derive(serde::Deserialize)]
struct After {
    after: usize,
}

/// What happens after so many cases; a browser that lost the connection says itself which it heard of last.
async fn events(
    State(shared): State<Arc<Shared>>,
    Query(After { after }): Query<After>,
    headers: HeaderMap,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()?.parse().ok());
    let stage = shared.stage.subscribe();
    let teller = Teller { shared, stage, told: last.unwrap_or(after), is_over: false };
    let batches = stream::unfold(teller, |mut teller| async {
        let events = teller.next().await?;
        Some((events, teller))
    });
    Sse::new(batches.flat_map(|events| stream::iter(events.into_iter().map(Ok))))
}

/// Sends one browser what it has not received.
struct Teller {
    shared: Arc<Shared>,
    stage: watch::Receiver<Stage>,
    told: usize,
    is_over: bool,
}

impl Teller {
    /// The next events, once there are any; `None` once the run is over.
    async fn next(&mut self) -> Option<Vec<Event>> {
        if self.is_over {
            return None;
        }
        let told = self.told;
        let news = self.stage.wait_for(|stage| stage.done > told || stage.is_over).await;
        let is_over = news.map_or(true, |stage| stage.is_over);
        if !is_over {
            tokio::time::sleep(UPDATE_EVERY).await;
        }
        let events = self.news();
        self.is_over = is_over && self.told == self.shared.page().done();
        let farewell = self.is_over.then(|| Event::default().event("over").data("over"));
        Some(events.into_iter().chain(farewell).collect())
    }

    fn news(&mut self) -> Vec<Event> {
        let page = self.shared.page();
        let mut events = Vec::new();
        for (section, heading, part) in page.since(self.told).take(BATCH) {
            self.told += 1;
            let mut html = Vec::new();
            part.write(&mut html, false).expect("memory takes all");
            let html = String::from_utf8_lossy(&html);
            let part = json!({ "section": section, "heading": heading.0, "html": html });
            let event = Event::default().event("part").id(self.told.to_string());
            events.push(event.data(part.to_string()));
        }
        let title = format!("kvspec: {}", page.headline());
        let told = json!({ "told": page.told().0, "grid": page.grid().0, "title": title });
        events.push(Event::default().event("told").data(told.to_string()));
        events
    }
}
