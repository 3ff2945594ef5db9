//! A server for the tests that need one, which nobody else uses, and what they look at in it.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use etcd_client::{Client, GetOptions};
use kvspec::harness::is_server_required;
use kvspec::server::etcd::{EtcdServer, ServerChoice, ServerOptions, find};
use kvspec::server::{NoServer, Origin};
use tokio::runtime::{Builder, Runtime};

/// A running etcd, for as long as a test holds it.
pub struct Etcd(EtcdServer);

impl Etcd {
    /// The server that all tests running at this moment share; the last of them takes it down.
    pub fn shared() -> Option<Arc<Self>> {
        static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Self::own()?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// A server of the test's own, which it may disturb: a process where there is a program, else a container.
    pub fn own() -> Option<Self> {
        let started = start(ServerChoice::Process).or_else(|no_process| {
            start(ServerChoice::Container).map_err(|no_container| [no_process, no_container])
        });
        match started {
            Ok(server) => Some(Self(server)),
            Err([no_process, no_container]) => {
                not_tested(&format!("{no_process}\n{no_container}"));
                None
            }
        }
    }

    pub fn endpoints(&self) -> String {
        self.0.access().endpoints.join(",")
    }

    /// Ends the server without a chance to say goodbye.
    pub fn kill(&self) {
        match self.0.origin() {
            Origin::Process { pid, .. } => super::early::signal("KILL", *pid),
            Origin::Container { id, .. } => {
                let killed =
                    Command::new("docker").args(["kill", id]).stdout(Stdio::null()).status();
                assert!(killed.is_ok_and(|status| status.success()), "{id} could not be killed");
            }
            origin => panic!("{origin} is not ours to kill"),
        }
    }

    /// Writes keys, as somebody else who uses the server would.
    pub fn put(&self, keys: &[&[u8]]) {
        runtime().block_on(async {
            let mut client = self.client().await;
            for key in keys {
                client.put(*key, [b"value of ", *key].concat(), None).await.expect("a put");
            }
        });
    }

    /// Every key below `prefix`, with its value, its revisions and its lease.
    pub fn dump(&self, prefix: &[u8]) -> Vec<String> {
        runtime().block_on(async {
            let mut client = self.client().await;
            let options = GetOptions::new().with_prefix();
            let answer = client.get(prefix, Some(options)).await.expect("a list");
            answer.kvs().iter().map(|kv| format!("{kv:?}")).collect()
        })
    }

    pub fn delete(&self, keys: &[&[u8]]) {
        runtime().block_on(async {
            let mut client = self.client().await;
            for key in keys {
                client.delete(*key, None).await.expect("a delete");
            }
        });
    }

    async fn client(&self) -> Client {
        self.0.access().connect(Duration::from_secs(5)).await.expect("a client")
    }
}

fn start(choice: ServerChoice) -> Result<EtcdServer, NoServer> {
    let mut options = ServerOptions::from_env().expect("the environment can be read");
    options.choice = choice;
    options.access = Default::default();
    runtime().block_on(find(&options))
}

/// Says loudly that a test does not test, or fails it where it must.
pub fn not_tested(why: &str) {
    assert!(!is_server_required(), "{why}");
    // Not `eprintln!`, whose output a passing test swallows.
    let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED ***\n{why}\n");
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
