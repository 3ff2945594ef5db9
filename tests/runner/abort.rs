//! Whoever ends a run early waits little, and finds nothing left behind.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::runner::Abort;
use kvspec::store::{Call, ErrorKind, Reply, Result};
use kvspec::transcript::End;
use kvspec::verdict::Verdict;

use super::stage::{Right, Run, Stage, Twist, is_fence, side_by_side};

/// Half of what cleaning alone may take in a run that nothing ends early.
const UNHURRIED: Duration = Duration::from_secs(15);

/// What hangs when the run is ended.
#[derive(Default)]
struct Stuck {
    instance: bool,
    open: bool,
    read: bool,
    ping: bool,
    fence: bool,
    delete: bool,
    close: bool,
    /// How many fences were to be deleted.
    fences: AtomicUsize,
}

async fn hang_if(hangs: bool) {
    if hangs {
        std::future::pending::<()>().await;
    }
}

#[async_trait]
impl Twist for Stuck {
    async fn instance(&self) -> Result<()> {
        hang_if(self.instance).await;
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        hang_if(self.open).await;
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        hang_if(self.ping).await;
        Ok(())
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match &call {
            Call::Update { .. } => tokio::time::sleep(Duration::from_millis(1)).await,
            Call::Read { .. } if self.ping => return Err(ErrorKind::Unavailable.into()),
            Call::Read { .. } => hang_if(self.read).await,
            Call::Delete { key } => {
                let is_first = is_fence(key) && self.fences.fetch_add(1, Ordering::Relaxed) == 0;
                hang_if(self.delete || self.fence && is_first).await;
            }
            Call::Close {} => hang_if(self.close).await,
            _ => {}
        }
        call.perform(store).await
    }
}

/// Runs a script, and ends the run after a moment; gives how long it went on after that.
fn aborted(stage: &Stage, script: &str) -> (Run, Duration) {
    let abort = stage.settings.abort.clone();
    let thrower = std::thread::spawn(move || {
        // Long enough for a script to come to where it hangs, which no sign of its own tells.
        std::thread::sleep(Duration::from_millis(150));
        abort.throw();
        Instant::now()
    });
    let run = stage.run(script);
    let ended = Instant::now();
    let thrown = thrower.join().expect("the thrower ends");
    (run, ended.saturating_duration_since(thrown))
}

#[test]
fn a_case_ends_at_once_and_cleans_up() {
    let table = [
        (Stuck::default(), "wait 1h"),
        (Stuck::default(), "update m v ttl=1h\nexpire m"),
        (Stuck::default(), "update m v ttl=1h\nupdate m v\nsurvive m"),
        (Stuck::default(), "watch k as=w\nnext w\nnext w"),
        (Stuck::default(), "fill k count=9999 writers=1"),
        (Stuck::default(), "fill k count=9999 writers=1 as=f\nwait 1h\njoin f"),
        (Stuck { read: true, ..Stuck::default() }, "read k"),
        (Stuck { fence: true, ..Stuck::default() }, "watch k as=w\nevents w"),
        (Stuck { ping: true, ..Stuck::default() }, "read k"),
        (Stuck { close: true, ..Stuck::default() }, "wait 1h\nclose"),
    ];
    side_by_side(table, |(stuck, commands)| {
        let stage = Stage::wall(stuck);
        let script =
            format!("update k v\nlease a ttl=1h\nupdate l v lease=a\n{commands}\n---\nok\n");
        let (run, took) = aborted(&stage, &script);
        assert_eq!(run.transcript.end, End::Aborted, "{commands}");
        assert_eq!(run.verdict, Verdict::Errored("interrupted before its end".into()));
        assert!(took < UNHURRIED, "{commands}: {took:?}");
        assert_eq!(stage.left(), [], "{commands}");
        assert_eq!(stage.leases_left(), [0; 0], "{commands}");
    });
}

#[test]
fn a_case_ends_soon_also_where_nothing_can_be_cleaned_up() {
    let table = [
        (Stuck { instance: true, ..Stuck::default() }, 0),
        (Stuck { open: true, ..Stuck::default() }, 0),
        (Stuck { delete: true, ..Stuck::default() }, 1),
        (Stuck { delete: true, close: true, ..Stuck::default() }, 1),
    ];
    side_by_side(table, |(stuck, left)| {
        let stage = Stage::wall(stuck);
        let (run, took) = aborted(&stage, "update k v\nwait 1h\n---\nok\n");
        assert_eq!(run.transcript.end, End::Aborted);
        assert!(took < UNHURRIED, "{took:?}");
        assert_eq!(stage.left().len(), left);
    });
}

/// Ends the run when the case begins to clean up, which then hangs.
struct EndsLate(Abort);

#[async_trait]
impl Twist for EndsLate {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Delete { .. } = call {
            self.0.throw();
            std::future::pending::<()>().await;
        }
        call.perform(store).await
    }
}

#[test]
fn an_end_while_a_case_is_cleaned_up_hurries_it() {
    let abort = Abort::new();
    let mut stage = Stage::wall(EndsLate(abort.clone()));
    stage.settings.abort = abort;
    let started = Instant::now();
    let run = stage.run("update k v\n---\nok\n");
    assert_eq!(run.transcript.end, End::Aborted);
    assert!(started.elapsed() < UNHURRIED, "{:?}", started.elapsed());
}

#[test]
fn what_was_seen_before_the_end_is_kept() {
    let stage = Stage::wall(Right);
    let (run, _) =
        aborted(&stage, "update k v\nread k\nwait 1h\nread k\n---\nread k: v\nread k: v\n");
    let labels: Vec<_> = run.transcript.entries.iter().map(|entry| entry.label.as_str()).collect();
    assert_eq!(labels, ["update k", "read k"]);
}

#[test]
fn a_case_that_begins_after_the_end_does_nothing() {
    let stage = Stage::wall(Right);
    stage.settings.abort.throw();
    let run = stage.run("update k v\n---\nok\n");
    assert_eq!(run.transcript.end, End::Aborted);
    assert!(run.transcript.entries.is_empty());
}
