//! The targets that kvspec itself brings, by the names of their backends.

use std::path::Path;

use crate::backend::memory::MemoryBackend;
use crate::known::{KnownError, KnownFailures};
use crate::target::Target;

#[cfg(feature = "etcd")]
pub use self::etcd::{NO_SERVER, etcd_target};
#[cfg(feature = "etcd-v2")]
pub use self::etcd_v2::etcd_v2_target;
#[cfg(feature = "redis")]
pub use self::redis::{NO_REDIS, redis_target};

/// The names of the backends that kvspec brings.
pub const NAMES: &[&str] = &[
    "memory",
    #[cfg(feature = "etcd")]
    "etcd",
    #[cfg(feature = "etcd-v2")]
    "etcd-v2",
    #[cfg(feature = "redis")]
    "redis",
];

/// The memory store, the reference.
pub fn memory_target() -> Target {
    Target::new(MemoryBackend)
}

/// What a backend that kvspec brings is known not to do.
pub fn known_failures(name: &str) -> Result<KnownFailures, KnownError> {
    match LISTS.iter().find(|(backend, _, _)| *backend == name) {
        Some((_, file, text)) => KnownFailures::parse(Path::new(file), text),
        None => Ok(KnownFailures { path: name.into(), entries: Vec::new() }),
    }
}

/// The lists that stand in the tree: backend, file, text.
const LISTS: &[(&str, &str, &str)] = &[
    #[cfg(feature = "etcd-v2")]
    ("etcd-v2", "known-failures/etcd-v2.txt", include_str!("../known-failures/etcd-v2.txt")),
    #[cfg(feature = "redis")]
    ("redis", "known-failures/redis.txt", include_str!("../known-failures/redis.txt")),
];

/// Waits for a server to be found, in a runtime that ends with the search; the story where none is, or `abort` is thrown.
#[cfg(any(feature = "etcd", feature = "redis"))]
fn sought<T, E: std::fmt::Display>(
    search: impl Future<Output = Result<T, E>>,
    abort: &crate::runner::Abort,
) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| error.to_string())?.block_on(async {
        tokio::select! {
            found = search => found.map_err(|none| none.to_string()),
            () = abort.thrown() => Err("interrupted while looking for a server".into()),
        }
    })
}

#[cfg(feature = "etcd")]
mod etcd {
    use std::sync::Arc;

    use crate::backend::etcd::EtcdBackend;
    use crate::runner::Abort;
    use crate::server::{self, Server, ServerOptions};
    use crate::target::{Opened, Target, Unavailable};

    /// The reason for which cases are skipped where no server was found.
    pub const NO_SERVER: &str = "no etcd server was found";

    /// etcd on whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
    pub fn etcd_target(options: ServerOptions, abort: Abort) -> Target {
        let starts_a_server = options.access.endpoints.is_empty();
        let open = move || {
            let server = find(&options, &abort)?;
            let about = format!("etcd {}, {}", server.version(), server.origin());
            let is_disposable = server.is_ours() || options.disposable;
            let backend = EtcdBackend::new(server.access().clone()).disposable(is_disposable);
            let backend = Arc::new(backend.of_version(server.version().to_string()));
            Ok(Opened { backend, about, guard: Box::new(server) })
        };
        Target::opened_by("etcd", open).starting_a_server(starts_a_server)
    }

    pub(super) fn find(options: &ServerOptions, abort: &Abort) -> Result<Server, Unavailable> {
        let is_named = !options.access.endpoints.is_empty();
        let unavailable = |story: String| Unavailable { reason: NO_SERVER.into(), story, is_named };
        super::sought(server::find(options), abort).map_err(unavailable)
    }
}

#[cfg(feature = "redis")]
mod redis {
    use std::sync::Arc;

    use crate::backend::redis::RedisBackend;
    use crate::runner::Abort;
    use crate::server::redis::{self as server, RedisOptions, RedisServer};
    use crate::target::{Opened, Target, Unavailable};

    /// The reason for which cases are skipped where no server was found.
    pub const NO_REDIS: &str = "no redis server was found";

    /// Redis on whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
    pub fn redis_target(options: RedisOptions, abort: Abort) -> Target {
        let starts_a_server = options.address.is_none();
        let open = move || {
            let server = find(&options, &abort)?;
            let about = format!("redis {}, {}", server.version(), server.origin());
            let backend = Arc::new(RedisBackend::at(server.address().clone()));
            Ok(Opened { backend, about, guard: Box::new(server) })
        };
        Target::opened_by("redis", open).starting_a_server(starts_a_server)
    }

    fn find(options: &RedisOptions, abort: &Abort) -> Result<RedisServer, Unavailable> {
        let is_named = options.address.is_some();
        let unavailable = |story: String| Unavailable { reason: NO_REDIS.into(), story, is_named };
        super::sought(server::find(options), abort).map_err(unavailable)
    }
}

#[cfg(feature = "etcd-v2")]
mod etcd_v2 {
    use std::sync::Arc;

    use super::etcd::find;
    use crate::backend::etcd_v2::EtcdV2Backend;
    use crate::runner::Abort;
    use crate::server::ServerOptions;
    use crate::target::{Opened, Target};

    /// The v2 API of whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
    ///
    /// A server that kvspec starts is one of its own, with the v2 API switched on.
    pub fn etcd_v2_target(options: ServerOptions, abort: Abort) -> Target {
        let starts_a_server = options.access.endpoints.is_empty();
        let options = ServerOptions { enable_v2: true, ..options };
        let open = move || {
            let server = find(&options, &abort)?;
            let about = format!("etcd {} by its v2 API, {}", server.version(), server.origin());
            let backend = Arc::new(EtcdV2Backend::new(server.access().clone()));
            Ok(Opened { backend, about, guard: Box::new(server) })
        };
        Target::opened_by("etcd-v2", open).starting_a_server(starts_a_server)
    }
}
