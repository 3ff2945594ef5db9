//! One run with a pass, a failure, an error, a skip and a known failure.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use kvspec::backend::memory::MemoryBackend;
use kvspec::backend::{Backend, Clock, Instance};
use kvspec::builtin::memory_target;
use kvspec::known::KnownFailures;
use kvspec::plan::Plan;
use kvspec::report::Reporter;
use kvspec::report::json::Json;
use kvspec::runner::Settings;
use kvspec::scenario::Scenario;
use kvspec::store::{ErrorKind, Result, StoreError};
use kvspec::suite;
use kvspec::target::Target;

/// The scripts, by the paths below their folder.
pub const SCRIPTS: &[(&str, &str)] = &[
    (
        "core/pass.kv",
        r#"# A <script> & a ]]> are keys like any other.
# clauses: K1 W3
watch "" as=w
update "<script>" "\xff\x00]]>"
update "\xfe" "\x1b[31m"
b: read "<script>"
events w
list ""
---
b: read "<script>": "\xff\x00]]>"
events w: put "<script>" "\xff\x00]]>"
events w: put "\xfe" "\x1b[31m"
list "": "<script>" "\xfe"
"#,
    ),
    ("core/fail.kv", "# Wrong on purpose.\n# clauses: K1\nupdate k v\nread k\n---\nread k: w\n"),
    ("core/known.kv", "# Wrong, and known to be.\n# clauses: K1\nread k\n---\nw\n"),
    ("directory/skip.kv", "# The memory store has no directories.\nmkdir d\n---\nok\n"),
];

/// What the list of known failures says.
pub const KNOWN: &str = "core/known # <b>never</b> did\n";

pub fn scenarios() -> Vec<Arc<Scenario>> {
    let parse = |(path, text): &(&str, &str)| {
        let place = PathBuf::from("scripts").join(path);
        Arc::new(Scenario::parse(Path::new(path), place, text.to_string()).expect("a good script"))
    };
    SCRIPTS.iter().map(parse).collect()
}

/// The memory store until its capabilities are known, and afterwards nothing.
#[derive(Default)]
struct Broken {
    was_opened: AtomicBool,
}

#[async_trait]
impl Backend for Broken {
    fn name(&self) -> &str {
        "broken"
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    fn version(&self) -> Option<String> {
        Some("0.0 \u{1}<beta>".into())
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        if self.was_opened.swap(true, Ordering::SeqCst) {
            return Err(StoreError::new(ErrorKind::Other, "out of \u{0}\u{1b}[31morder <&>"));
        }
        MemoryBackend.instance().await
    }
}

/// Runs everything, and gives the events to a report.
pub fn run(report: &mut dyn Reporter) {
    let mut memory = memory_target();
    memory.know(KnownFailures::parse(Path::new("known.txt"), KNOWN).unwrap());
    let mut plan = Plan::new(vec![memory, Target::new(Broken::default())], &scenarios());
    plan.open();
    let take = &mut |event: kvspec::event::RunEvent<'_>| report.take(&event);
    suite::run(&plan, &Settings::default(), None, take).expect("the report takes all");
}

/// The run as JSON.
pub fn recorded() -> Vec<u8> {
    let mut json = Vec::new();
    run(&mut Json::new(&mut json));
    json
}
