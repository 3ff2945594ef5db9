//! Memory stores with one thing wrong, and what it takes to run a script on them.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Backend, Clock, Instance};
use kvspec::runner::{self, Settings};
use kvspec::scenario::Scenario;
use kvspec::store::{
    Call, Extension, Layer, Layered, LeaseId, Leases, Limits, Reply, Result, Store, WatchEvent,
};
use kvspec::transcript::Transcript;
use kvspec::verdict::{Mismatch, Verdict, judge, observed_text};

/// What a store does otherwise than the memory store below it; each call is the memory store's unless it is taken over.
#[async_trait]
pub trait Twist: Send + Sync + 'static {
    fn base_prefix(&self) -> &[u8] {
        b"/kvspec/"
    }

    async fn instance(&self) -> Result<()> {
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        Ok(())
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        call.perform(store).await
    }
}

/// Nothing is wrong.
pub struct Right;

impl Twist for Right {}

/// A backend of twisted stores. Its keys outlive every case, so that a test can look at what a case left.
#[derive(Clone)]
pub struct Stage {
    pub twist: Arc<dyn Twist>,
    pub keys: Arc<MemoryStore>,
    pub clock: Clock,
    /// The clock that its transcripts are judged by.
    pub judges: Clock,
    pub lag: Duration,
    pub settings: Settings,
    pub name: &'static str,
    /// The leases that were granted.
    pub granted: Arc<Mutex<Vec<LeaseId>>>,
}

impl Stage {
    /// A stage on virtual time.
    pub fn new(twist: impl Twist) -> Self {
        Self {
            twist: Arc::new(twist),
            keys: Arc::new(MemoryStore::new()),
            clock: Clock::Virtual,
            judges: Clock::Virtual,
            lag: Duration::from_millis(1),
            settings: Settings::default(),
            name: "stage",
            granted: Arc::default(),
        }
    }

    /// The same on the wall's clock.
    pub fn wall(twist: impl Twist) -> Self {
        Self {
            clock: Clock::Wall,
            judges: Clock::Wall,
            lag: Duration::from_millis(300),
            ..Self::new(twist)
        }
    }

    pub fn lag(self, lag: Duration) -> Self {
        Self { lag, ..self }
    }

    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.settings.deadline = deadline;
        self
    }

    /// Judges as if its times were those of the wall's clock, on which a machine may be slow.
    pub fn judged_by_the_wall(self) -> Self {
        Self { judges: Clock::Wall, ..self }
    }

    /// Runs a script without its title.
    pub fn run(&self, script: &str) -> Run {
        self.run_scenario(scenario(script))
    }

    pub fn run_scenario(&self, scenario: Scenario) -> Run {
        let mut transcript = runner::run(&scenario, self, &self.settings);
        transcript.clock = self.judges;
        let verdict = judge(&scenario, &transcript);
        Run { scenario, transcript, verdict }
    }

    /// Every key that is left, with its value.
    pub fn left(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        in_time(async {
            let mut left = Vec::new();
            for key in self.keys.list(b"").await.expect("the memory store lists") {
                let value = self.keys.read(&key).await.expect("the memory store reads");
                left.push((key, value.expect("a listed key has a value")));
            }
            left
        })
    }

    /// Every lease that was granted and not ended since.
    pub fn leases_left(&self) -> Vec<LeaseId> {
        let granted = self.granted.lock().expect("no test panics with the list").clone();
        in_time(async {
            let mut left = Vec::new();
            for lease in granted {
                if self.keys.time_to_live(lease).await.is_ok() {
                    left.push(lease);
                }
            }
            left
        })
    }
}

/// Runs something that needs a runtime, on real time.
pub fn in_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime starts").block_on(future)
}

/// A scenario of these commands and answers.
pub fn scenario(script: &str) -> Scenario {
    let text = format!("# A law.\n{script}");
    Scenario::parse("core/test.kv".as_ref(), PathBuf::from("core/test.kv"), text)
        .expect("the script is well-formed")
}

/// What became of a script.
pub struct Run {
    pub scenario: Scenario,
    pub transcript: Transcript,
    pub verdict: Verdict,
}

impl Run {
    /// The answers that were observed, block by block.
    #[track_caller]
    pub fn observed(&self) -> Vec<String> {
        let text = observed_text(&self.scenario, &self.transcript).expect("it fits its script");
        let blocks = kvspec::scenario::lines::blocks(&text);
        let lines: Vec<_> = text.lines().collect();
        let answers = |expected: &std::ops::Range<usize>| {
            lines[expected.start - 1..(expected.end - 1).min(lines.len())].join("\n")
        };
        blocks.iter().map(|block| answers(&block.expected)).collect()
    }

    #[track_caller]
    pub fn mismatch(&self) -> &Mismatch {
        match &self.verdict {
            Verdict::Failed(mismatch) => mismatch,
            other => panic!("expected a failure, got {other:?} of {:?}", self.transcript),
        }
    }

    #[track_caller]
    pub fn errored(&self) -> &str {
        match &self.verdict {
            Verdict::Errored(reason) => reason,
            other => panic!("expected an error, got {other:?} of {:?}", self.transcript),
        }
    }

    #[track_caller]
    pub fn passes(&self) {
        assert_eq!(self.verdict, Verdict::Passed, "{:?}", self.transcript);
    }

    /// Fails at this line of the script, the title being line 1.
    #[track_caller]
    pub fn fails_at(&self, line: usize) {
        let mismatch = self.mismatch();
        assert_eq!(mismatch.line, line, "{mismatch:?}");
    }
}

#[async_trait]
impl Backend for Stage {
    fn name(&self) -> &str {
        self.name
    }

    fn clock(&self) -> Clock {
        self.clock
    }

    fn limits(&self) -> Limits {
        Limits::default().with_expiry_lag(self.lag)
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        self.twist.instance().await?;
        Ok(Box::new(self.clone()))
    }
}

#[async_trait]
impl Instance for Stage {
    async fn open(&self) -> Result<Box<dyn Store>> {
        self.twist.open().await?;
        let played = Played { twist: self.twist.clone(), granted: self.granted.clone() };
        Ok(Box::new(Layered::new(Arc::new(played), self.keys.client(), 0)))
    }

    async fn ping(&self) -> Result<()> {
        self.twist.ping().await
    }
}

/// A twist as a layer, which shows leases alone.
struct Played {
    twist: Arc<dyn Twist>,
    granted: Arc<Mutex<Vec<LeaseId>>>,
}

#[async_trait]
impl Layer<MemoryStore> for Played {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        let reply = self.twist.call(next, call).await?;
        if let Reply::Lease(lease) = &reply {
            self.granted.lock().expect("no test panics with the list").push(lease.id);
        }
        Ok(reply)
    }

    fn base_prefix<'a>(&'a self, _: &'a MemoryStore) -> &'a [u8] {
        self.twist.base_prefix()
    }

    fn shows(&self, extension: Extension) -> bool {
        extension == Extension::Leases
    }
}

/// A watch whose events go one by one through `turn`, which gives those that are delivered in its place.
///
/// They lose their revisions, whose order would betray what is wrong with them.
pub async fn turned(
    store: &MemoryStore,
    prefix: &[u8],
    mut turn: impl FnMut(WatchEvent) -> Vec<WatchEvent> + Send + 'static,
) -> Result<Reply> {
    let stream = store.watch(prefix).await?;
    let batches = stream
        .map(move |batch| Ok(batch?.events.into_iter().map(bare).flat_map(&mut turn).collect()));
    Ok(batches.boxed().into())
}

/// An event as a store without revisions tells it.
fn bare(event: WatchEvent) -> WatchEvent {
    match event {
        WatchEvent::Put { key, value, .. } => WatchEvent::put(key, value),
        WatchEvent::Delete { key, .. } => WatchEvent::delete(key),
    }
}

/// Whether a key is one of the runner's fences.
pub fn is_fence(key: &[u8]) -> bool {
    key.windows(7).any(|window| window == b"~fence-")
}

/// Checks every case of a table in a thread of its own, since on the wall's clock they mostly wait.
pub fn side_by_side<T: Send>(cases: impl IntoIterator<Item = T>, check: impl Fn(T) + Sync) {
    std::thread::scope(|scope| {
        for case in cases {
            scope.spawn(|| check(case));
        }
    });
}
