//! Targets whose server has to be found before they are opened.

use std::sync::Arc;

use tokio::runtime::Builder;

use super::Builtin;
use crate::backend::Backend;
use crate::lock::Lock;
use crate::runner::Abort;
use crate::server::{NoServer, Server};
use crate::target::{Opened, Target, Unavailable};

/// How a server is found, and made into a backend.
pub(super) struct Served<F, B> {
    pub builtin: &'static Builtin,
    /// Whether the user asked for this server and no other.
    pub is_named: bool,
    /// The server that is given; `None` if one is started.
    pub given: Option<String>,
    /// What is said behind the version, such as ` by its v2 API`.
    pub by: &'static str,
    pub find: F,
    pub backend: B,
}

impl<F, B> Served<F, B> {
    /// The target, whose server is looked for when it is first asked for, until `abort` is thrown.
    pub fn target<A>(self, abort: Abort) -> Target
    where
        A: Send + Sync + 'static,
        F: AsyncFn() -> Result<Server<A>, NoServer> + Send + Sync + 'static,
        B: Fn(&Server<A>) -> Arc<dyn Backend> + Send + Sync + 'static,
    {
        let Self { builtin, is_named, given, by, find, backend } = self;
        let starts_a_server = given.is_none();
        let open = move || {
            let place = |server: &str| format!("{}: {server}", builtin.name);
            // The search writes to a server that is given, which another process may have alone.
            let lock = given.as_deref().map(|server| Lock::of(&place(server)));
            let _held = lock.as_ref().map(|lock| lock.hold(false, &abort));
            let server = sought(&find, &abort).map_err(|(reason, story)| Unavailable {
                reason,
                story,
                is_named,
            })?;
            let (product, version) = (server.product(), server.version());
            let about = format!("{product} {version}{by}, {}", server.source());
            let place = place(given.as_deref().unwrap_or(&about));
            Ok(Opened { backend: backend(&server), about, place, guard: Box::new(server) })
        };
        let mut target = Target::opened_by(builtin.name, open).starting_a_server(starts_a_server);
        builtin.known_failures().into_iter().for_each(|list| target.know(list));
        target
    }
}

/// Waits for a server to be found, in a runtime that ends with the search; the reason and the story if none is, or if
/// `abort` is thrown.
fn sought<A>(
    find: &impl AsyncFn() -> Result<Server<A>, NoServer>,
    abort: &Abort,
) -> Result<Server<A>, (String, String)> {
    let failed = |story: String| ("no server was looked for".to_owned(), story);
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.map_err(|error| failed(error.to_string()))?.block_on(async {
        tokio::select! {
            found = find() => found.map_err(|none| (NoServer::reason(none.product), none.to_string())),
            () = abort.thrown() => Err(failed("interrupted while looking for a server".into())),
        }
    })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;
    use std::time::Duration;

    use super::*;
    use crate::builtin;

    #[test]
    fn a_given_server_is_not_looked_for_while_another_process_has_it_alone() {
        let is_sought = Arc::new(AtomicBool::new(false));
        let (seen, abort) = (is_sought.clone(), Abort::new());
        let builtin = builtin::find("memory").expect("the memory store is in every build");
        let find = async move || {
            seen.store(true, Ordering::Release);
            Err(NoServer { product: "no product", advice: "", attempts: Vec::new() })
        };
        let backend = |_: &Server<()>| unreachable!("no server is found");
        let given = Some("given for a test".to_owned());
        let served = Served { builtin, is_named: true, given, by: "", find, backend };
        let target = served.target(abort.clone());
        let others = Lock::of("memory: given for a test");
        let alone = others.hold(true, &abort);
        thread::scope(|scope| {
            scope.spawn(|| target.ready().is_err());
            // Long enough for the search to begin.
            thread::sleep(Duration::from_millis(200));
            assert!(!is_sought.load(Ordering::Acquire));
            drop(alone);
        });
        assert!(is_sought.load(Ordering::Acquire));
    }
}
