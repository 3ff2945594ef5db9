//! Honest stores that are slow: the whole suite is green on each, as `cargo test` runs it.

mod store;

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use kvspec::backend::{Backend, Fresh, Shared};
use kvspec::harness::Harness;
use kvspec::store::Limits;

use self::store::{Client, Server, Slowness};

/// A store on a database: ten connections, a sweeper each second, times to live of parts of a second, room for few.
const POOL: Slowness = Slowness {
    call: Duration::from_millis(5),
    lanes: 10,
    sweep: Duration::from_secs(1),
    floor: Duration::from_millis(100),
    clients: 60,
};

/// The stores that are tested unless `KVSPEC_SLOW` names others, separated by commas.
const USUAL: &str = "lane-5ms,pool";

fn main() -> ExitCode {
    let named = std::env::var("KVSPEC_SLOW").unwrap_or_else(|_| USUAL.into());
    let mut harness = Harness::new();
    for name in named.split(',') {
        harness = match name {
            "pool" => harness.backend(pool()),
            _ => match name.strip_prefix("lane-").and_then(|millis| millis.strip_suffix("ms")) {
                Some(millis) => harness.backend(lane(name, millis.parse().expect("milliseconds"))),
                None => panic!("unknown store '{name}': expected pool or lane-Nms"),
            },
        };
    }
    harness.run()
}

/// A backend whose every case has a server of its own, with one lane.
fn lane(name: &str, millis: u64) -> impl Backend + 'static {
    Fresh::new(
        name,
        move || Server::start(Slowness::lane(millis)),
        |server: &Arc<Server>| server.connect().expect("there is room"),
    )
}

fn pool() -> impl Backend + 'static {
    let server = Server::start(POOL);
    let pooled = Shared::new("pool", move || {
        let client: kvspec::store::Result<Client> = server.connect();
        async { client }
    });
    pooled.with_limits(Limits::default().with_expiry_lag(Duration::from_secs(3)))
}
