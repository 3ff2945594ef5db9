//! A store that hangs is told at the command that hung, and holds up nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use kvspec::backend::Backend;
use kvspec::backend::memory::MemoryStore;
use kvspec::runner;
use kvspec::scenario;
use kvspec::store::{Call, Reply, Result, Store};
use kvspec::verdict::{Verdict, judge};
use rstest::rstest;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::stage::{Stage, Twist, side_by_side};

/// The call that never returns.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Hang {
    Instance,
    Open,
    SecondOpen,
    /// The call of this method.
    Call(&'static str),
    /// The next event of a watch.
    Event,
}

struct Hangs(Hang, AtomicUsize);

impl Hangs {
    async fn at(&self, call: Hang) {
        if self.0 == call {
            std::future::pending::<()>().await;
        }
    }
}

#[async_trait]
impl Twist for Hangs {
    async fn instance(&self) -> Result<()> {
        self.at(Hang::Instance).await;
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        self.at(Hang::Open).await;
        if self.1.fetch_add(1, Ordering::Relaxed) == 1 {
            self.at(Hang::SecondOpen).await;
        }
        Ok(())
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match (call, self.0) {
            (Call::Watch { .. }, Hang::Event) => Ok(stream::pending().boxed().into()),
            (call, Hang::Call(method)) if call.method() == method => std::future::pending().await,
            (call, _) => call.perform(store).await,
        }
    }
}

fn stage(hang: Hang) -> Stage {
    Stage::new(Hangs(hang, AtomicUsize::new(0)))
}

#[rstest]
#[case::update(Hang::Call("update"), "update k v", "error: deadline exceeded")]
#[case::update_with_ttl(
    Hang::Call("update_with_ttl"),
    "update k v ttl=2s",
    "error: deadline exceeded"
)]
#[case::read(Hang::Call("read"), "read k", "error: deadline exceeded")]
#[case::watch(Hang::Call("watch"), "watch k as=w", "error: deadline exceeded")]
#[case::next(Hang::Event, "watch k as=w\nnext w", "next w: error: deadline exceeded")]
#[case::events(Hang::Event, "watch k as=w\nevents w", "events w: error: deadline exceeded")]
#[case::close(Hang::Call("close"), "close", "error: deadline exceeded")]
#[case::lease(Hang::Call("lease"), "lease a ttl=2s", "error: deadline exceeded")]
#[case::update_with_lease(
    Hang::Call("update_with_lease"),
    "lease a ttl=2s\nupdate k v lease=a",
    "update k: error: deadline exceeded"
)]
#[case::keep_alive(
    Hang::Call("keep_alive"),
    "lease a ttl=60s\nkeep_alive a",
    "keep_alive a: error: deadline exceeded"
)]
#[case::time_to_live(
    Hang::Call("time_to_live"),
    "lease a ttl=60s\ntime_to_live a",
    "time_to_live a: error: deadline exceeded"
)]
#[case::expire_lease(
    Hang::Call("time_to_live"),
    "lease a ttl=2s\nexpire lease=a",
    "expire: error: deadline exceeded"
)]
#[case::expire_key(
    Hang::Call("read"),
    "update k v ttl=2s\nexpire k",
    "expire: error: deadline exceeded"
)]
#[case::fill(Hang::Call("update"), "fill k count=50", "error: deadline exceeded")]
#[case::fill_beside(
    Hang::Call("update"),
    "fill k count=50 as=f\njoin f",
    "join f: error: deadline exceeded"
)]
fn a_call_that_hangs_is_told_at_its_command(
    #[case] hang: Hang,
    #[case] commands: &str,
    #[case] told: &str,
) {
    let stage = stage(hang);
    let started = Instant::now();
    let run = stage.run(&format!("{commands}\n---\nok\n"));
    assert_eq!(run.observed(), [told]);
    run.fails_at(1 + commands.lines().count());
    assert!(started.elapsed() < Duration::from_secs(8), "virtual time does not wait");
    assert_eq!(stage.left(), []);
    assert_eq!(run.mismatch().notes.len(), 1, "the store's words say how long it was waited for");
}

#[test]
fn a_client_that_hangs_while_it_is_opened_is_no_answer_of_the_store() {
    let run = stage(Hang::SecondOpen).run("b: read k\n---\nok\n");
    let told = "opening a client of stage failed: deadline exceeded: open did not end in time";
    assert_eq!(run.errored(), told);
}

#[rstest]
#[case::delete(Hang::Call("delete"), "update k v\ndelete k", 3)]
#[case::list(Hang::Call("list"), "list k", 2)]
#[case::revoke(Hang::Call("revoke"), "lease a ttl=60s\nrevoke a", 3)]
fn what_cleaning_up_needs_hangs_there_too_and_the_line_is_still_named(
    #[case] hang: Hang,
    #[case] commands: &str,
    #[case] line: usize,
) {
    let run = stage(hang).run(&format!("{commands}\n---\nok\n"));
    run.fails_at(line);
    let notes = run.mismatch().notes.join("\n");
    assert!(notes.contains("cleaning up did not end in time"), "{notes}");
}

#[rstest]
#[case::instance(Hang::Instance, "making a store of stage did not end within 30s")]
#[case::open(Hang::Open, "opening a client of stage failed")]
fn a_store_that_cannot_be_opened_is_no_verdict_on_it(#[case] hang: Hang, #[case] reason: &str) {
    let run = stage(hang).run("read k\n---\n(none)\n");
    assert!(run.errored().contains(reason), "{:?}", run.verdict);
}

#[test]
fn the_first_hang_costs_the_whole_deadline_and_the_others_little() {
    let run = stage(Hang::Call("read")).run("read a\nread b\nread c\n---\nok\n");
    let took: Vec<_> = run.transcript.entries.iter().map(|entry| entry.took.as_secs()).collect();
    assert_eq!(took, [10, 1, 1]);
}

#[test]
fn the_deadline_is_the_one_that_was_set() {
    let run = stage(Hang::Call("read")).deadline(Duration::from_secs(3)).run("read a\n---\nok\n");
    assert_eq!(run.transcript.entries[0].took, Duration::from_secs(3));
}

/// Grants no less than half a minute, as some stores do.
struct HighFloor;

#[async_trait]
impl Twist for HighFloor {
    async fn call(&self, store: &MemoryStore, mut call: Call) -> Result<Reply> {
        if let Call::UpdateWithTtl { ttl, .. } = &mut call {
            *ttl = Duration::from_secs(30);
        }
        call.perform(store).await
    }
}

#[test]
fn next_waits_for_an_end_that_was_granted_later_than_the_deadline() {
    let script =
        "watch k as=w\nupdate k v ttl=2s\nnext w\nnext w\n---\nnext w: put k v\nnext w: delete k\n";
    Stage::new(HighFloor).run(script).passes();
    // And no longer than that, where the end is never told.
    let run = stage(Hang::Event).run(script);
    assert!(run.transcript.entries.iter().all(|entry| entry.took <= Duration::from_secs(13)));
}

/// A call that is answered in time, in a process that stands still meanwhile.
struct StandsStill;

#[async_trait]
impl Twist for StandsStill {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::Read { .. } = call else { return call.perform(store).await };
        let (relay, relayed) = tokio::sync::oneshot::channel();
        // The answer passes another task, as those of a network client do: when the process wakes up, the deadline and
        // the answer are both due.
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(50)).await;
            relay.send(b"v".to_vec()).expect("it is waited for");
        });
        tokio::spawn(async { std::thread::sleep(Duration::from_millis(900)) });
        Ok(relayed.await.ok().into())
    }
}

#[test]
fn a_process_that_stood_still_blames_no_store_for_it() {
    let stage = Stage::wall(StandsStill).deadline(Duration::from_millis(500));
    stage.run("read k\n---\nv\n").passes();
}

/// Holds the client's lock for as long as a watch is open, as the client of the v2 API did.
#[derive(Default)]
struct LockedByWatch(Arc<Mutex<()>>);

impl LockedByWatch {
    async fn lock(&self) -> OwnedMutexGuard<()> {
        self.0.clone().lock_owned().await
    }
}

#[async_trait]
impl Twist for LockedByWatch {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let lock = match &call {
            Call::Update { .. }
            | Call::UpdateWithTtl { .. }
            | Call::Read { .. }
            | Call::Lease { .. }
            | Call::Watch { .. } => self.lock().await,
            _ => return call.perform(store).await,
        };
        let Call::Watch { prefix } = call else { return call.perform(store).await };
        let stream = store.watch(&prefix).await?;
        Ok(stream.map(move |batch| (&lock, batch).1).boxed().into())
    }
}

/// Opens no watch while an update is under way.
#[derive(Default)]
struct LockedByUpdate(AtomicUsize);

#[async_trait]
impl Twist for LockedByUpdate {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::Update { .. } => {
                self.0.fetch_add(1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_millis(1)).await;
                let updated = call.perform(store).await;
                self.0.fetch_sub(1, Ordering::SeqCst);
                updated
            }
            Call::Watch { .. } => {
                tokio::task::yield_now().await;
                if self.0.load(Ordering::SeqCst) > 0 {
                    std::future::pending::<()>().await;
                }
                call.perform(store).await
            }
            call => call.perform(store).await,
        }
    }
}

#[rstest]
#[case("core/liveness/watch-then-update")]
#[case("core/liveness/call-after-event")]
#[case("core/liveness/ttl-beside-watch")]
#[case("core/liveness/two-watches")]
#[case("core/liveness/unread-watch")]
#[case("core/liveness/update-then-watch")]
#[case("lease/beside-watch")]
fn the_liveness_scenarios_catch_a_lock_that_a_watch_holds(#[case] name: &str) {
    let run = Stage::new(LockedByWatch::default()).run_scenario(embedded(name));
    let diff = format!("{:?}", run.mismatch().diff);
    assert!(diff.contains("deadline exceeded"), "{diff}");
}

#[test]
fn a_liveness_scenario_catches_a_lock_that_an_update_holds() {
    let name = "core/liveness/update-then-watch";
    let run = Stage::new(LockedByUpdate::default()).run_scenario(embedded(name));
    assert_eq!(run.mismatch().command, "watch other as=w");
}

fn embedded(name: &str) -> scenario::Scenario {
    let all = scenario::embedded().expect("the embedded suite is well-formed");
    all.into_iter().find(|one| one.name == name).expect("the suite has the scenario")
}

#[test]
fn on_the_walls_clock_a_hang_takes_its_deadline_and_no_more() {
    let stage = Stage::wall(Hangs(Hang::Call("read"), AtomicUsize::new(0)));
    let stage = stage.deadline(Duration::from_millis(400));
    let started = Instant::now();
    let run = stage.run("update k v\nread k\n---\nread k: v\n");
    assert!(matches!(run.verdict, Verdict::Failed(_)));
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert!(started.elapsed() < Duration::from_secs(8));
    assert_eq!(stage.left(), []);
}

/// Blocks the thread in a read, and with `ever` in its making.
struct Blocks {
    instance: bool,
}

fn block() {
    loop {
        std::thread::park();
    }
}

#[async_trait]
impl Twist for Blocks {
    async fn instance(&self) -> Result<()> {
        if self.instance {
            block();
        }
        Ok(())
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Read { .. } = call {
            block();
        }
        call.perform(store).await
    }
}

fn watched(stage: &Stage, script: &str) -> Verdict {
    let scenario = Arc::new(super::stage::scenario(script));
    let backend: Arc<dyn Backend> = Arc::new(stage.clone());
    judge(&scenario, &runner::run_watched(&scenario, &backend, &stage.settings))
}

#[test]
fn a_store_that_blocks_its_thread_is_given_up() {
    let table = [
        (Stage::wall(Blocks { instance: false }), "at 'b: read k'"),
        (Stage::new(Blocks { instance: false }), "at 'b: read k'"),
        (Stage::new(Blocks { instance: true }), "before its first command"),
    ];
    side_by_side(table, |(stage, told)| {
        let stage = stage.deadline(Duration::from_millis(100));
        let verdict = watched(&stage, "update k v\nb: read k\n---\nb: read k: v\n");
        let Verdict::Errored(reason) = verdict else { panic!("{verdict:?}") };
        assert!(
            reason.starts_with(&format!("stage blocked the thread of its case {told}")),
            "{reason}"
        );
    });
}

#[test]
fn a_store_that_blocks_its_thread_does_not_hold_up_who_ends_the_run() {
    let stage = Stage::wall(Blocks { instance: false });
    let abort = stage.settings.abort.clone();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(50));
        abort.throw();
    });
    let started = Instant::now();
    let verdict = watched(&stage, "read k\n---\n(none)\n");
    assert_eq!(verdict, Verdict::Errored("interrupted before its end".into()));
    assert!(started.elapsed() < Duration::from_secs(8));
}

#[test]
fn a_case_that_waits_long_is_not_taken_for_blocked() {
    let stage = Stage::wall(Blocks { instance: false }).deadline(Duration::from_millis(1));
    let verdict = watched(&stage, "update k v\nwait 1500ms\nlist k\n---\nlist k: k\n");
    assert_eq!(verdict, Verdict::Passed);
}
