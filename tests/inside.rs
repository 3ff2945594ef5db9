//! A store that all tests share, and that notes when each call began and ended: `scripts/inside-check` runs it under
//! nextest, and checks that no other test makes a call while an exclusive one runs. By itself it has no tests.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use kvspec::async_trait;
use kvspec::backend::Shared;
use kvspec::backend::etcd::{Access, EtcdStore};
use kvspec::harness::Harness;
use kvspec::store::{Call, Layer, Layered, Reply, Result};

/// The file that takes the calls, a line each: when it began and ended in nanoseconds, the process, the test, the call.
const CALLS: &str = "KVSPEC_TEST_CALLS";

fn main() -> ExitCode {
    let Some(path) = std::env::var_os(CALLS) else { return ExitCode::SUCCESS };
    let calls = OpenOptions::new().create(true).append(true).open(path).expect("a file for calls");
    let noted = Arc::new(Noted { calls, test: asked() });
    let endpoint = std::env::var("ETCD_ENDPOINTS").expect("a server that `kvspec serve` runs");
    let shared = Shared::new("inside", move || {
        let access = Access { endpoints: vec![endpoint.clone()], ..Access::default() };
        let noted = noted.clone();
        async move { Ok(Layered::new(noted, EtcdStore::connect(&access, "/inside/").await?, 0)) }
    });
    Harness::new().backend(shared).run()
}

/// The one test that nextest asks this process for.
fn asked() -> String {
    std::env::args().find(|argument| argument.contains("::")).unwrap_or_default()
}

struct Noted {
    calls: File,
    test: String,
}

#[async_trait]
impl Layer<EtcdStore> for Noted {
    async fn call(&self, next: &Arc<EtcdStore>, _: usize, call: Call) -> Result<Reply> {
        let (began, what) = (now(), call.to_string());
        let reply = call.perform(next.as_ref()).await;
        // In one piece: other processes write to the file too.
        let what: String = what.chars().take(80).collect();
        let line = format!("{began} {} {} {} {what}\n", now(), std::process::id(), self.test);
        (&self.calls).write_all(line.as_bytes()).expect("the call is noted");
        reply
    }
}

fn now() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is right").as_nanos()
}
