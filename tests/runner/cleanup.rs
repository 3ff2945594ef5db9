//! However a case ends, what it wrote is taken away and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Backend, Clock, Instance};
use kvspec::runner::{self, Settings};
use kvspec::store::{Call, ErrorKind, Reply, Result, Store, StoreError, WatchBatch, WatchStream};
use kvspec::transcript::End;
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::stage::{Right, Stage, Twist, scenario};

/// How the call that a script makes on key `bad` goes.
#[derive(Clone, Copy)]
enum Bad {
    /// It is done, and answered an error.
    Errs,
    /// It is done, and never answered.
    Hangs,
    /// It is done, and panics.
    Panics,
    /// The client is gone afterwards.
    Closes,
}

#[async_trait]
impl Twist for Bad {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let is_bad = matches!(&call, Call::Update { key, .. } if key.ends_with(b"bad"));
        let reply = call.perform(store).await;
        match self {
            _ if !is_bad => reply,
            Self::Errs => Err(ErrorKind::Other.into()),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a bug in the store"),
            Self::Closes => store.close().await.map(Reply::from),
        }
    }
}

const SCRIPT: &str = "watch \"\" as=w
update k1 v
update k2 v ttl=60s
lease a ttl=60s
update k3 v lease=a
fill many count=100
b: update k4 v
update bad v
b: lease b ttl=60s
events w count=true
---
events w: 105 puts, 0 deletes, 105 keys, in order
";

#[test]
fn after_success_nothing_is_left() {
    let stage = Stage::new(Right);
    stage.run(SCRIPT).passes();
    assert_eq!(stage.left(), []);
    assert_eq!(stage.leases_left(), [0; 0], "the leases were ended");
    assert_eq!(stage.granted.lock().unwrap().len(), 2);
}

#[rstest]
#[case::an_error(Bad::Errs, "update bad: error: other")]
#[case::a_hang(Bad::Hangs, "update bad: error: deadline exceeded")]
#[case::a_panic(Bad::Panics, "update bad: panic: a bug in the store")]
#[case::a_client_that_is_gone(Bad::Closes, "events w: error: closed")]
fn after_failure_nothing_is_left(#[case] bad: Bad, #[case] told: &str) {
    let stage = Stage::new(bad);
    let run = stage.run(SCRIPT);
    assert!(matches!(run.verdict, Verdict::Failed(_)), "{:?}", run.verdict);
    assert!(run.observed()[0].contains(told), "{:?}", run.observed());
    assert_eq!(stage.left(), []);
    assert_eq!(stage.leases_left(), [0; 0]);
}

/// What goes wrong when kvspec takes away what a case wrote.
#[derive(Clone, Copy, PartialEq)]
enum Removal {
    /// Deletions do nothing.
    Ignored,
    /// The deletion of one key fails.
    OneFails,
    /// A missing key is an error.
    MissingErrs,
    /// A lease cannot be ended.
    RevokeFails,
    /// The deletion of one key panics.
    Panics,
    /// The end of a watch panics.
    WatchPanics,
}

#[async_trait]
impl Twist for Removal {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match (&call, self) {
            (Call::Delete { .. }, Self::Ignored) => Ok(().into()),
            (Call::Delete { key }, Self::OneFails) if key.ends_with(b"k1") => {
                Err(ErrorKind::Denied.into())
            }
            (Call::Delete { key }, Self::MissingErrs) if store.read(key).await?.is_none() => {
                Err(ErrorKind::KeyNotFound.into())
            }
            (Call::Delete { key }, Self::Panics) if key.ends_with(b"k1") => {
                panic!("a bug in delete")
            }
            (Call::Revoke { .. }, Self::RevokeFails) => {
                Err(StoreError::new(ErrorKind::Denied, "not yours"))
            }
            (Call::Watch { prefix }, Self::WatchPanics) => {
                Ok(Fragile(store.watch(prefix).await?).boxed().into())
            }
            _ => call.perform(store).await,
        }
    }
}

/// A stream that panics when it is dropped.
struct Fragile(WatchStream);

impl Stream for Fragile {
    type Item = Result<WatchBatch>;

    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Self::Item>> {
        self.0.poll_next_unpin(context)
    }
}

impl Drop for Fragile {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            panic!("a bug in the watch");
        }
    }
}

const PLAIN: &str =
    "watch k as=w\nupdate k1 v\nupdate k2 v\nupdate k3 v\nupdate k4 v\nlease a ttl=60s\n---\nok\n";

#[rstest]
#[case::ignored(Removal::Ignored, "4 keys are left below", 4)]
#[case::a_lease(Removal::RevokeFails, "cleaning up failed", 0)]
fn what_cannot_be_taken_away_is_noted_and_judged_by_no_scenario(
    #[case] removal: Removal,
    #[case] said: &str,
    #[case] left: usize,
) {
    let stage = Stage::new(removal);
    let run = stage.run(PLAIN);
    assert_eq!(run.verdict, Verdict::Passed);
    let End::LeftBehind(reason) = &run.transcript.end else { panic!("{:?}", run.transcript.end) };
    assert!(reason.contains(said), "{reason}");
    assert_eq!(stage.left().len(), left);
}

#[test]
fn a_key_whose_deletion_is_refused_is_taken_away_by_a_transaction() {
    let stage = Stage::new(Removal::OneFails);
    let run = stage.run(PLAIN);
    assert_eq!((&run.verdict, &run.transcript.end), (&Verdict::Passed, &End::Finished));
    assert_eq!(stage.left(), []);
}

#[rstest]
#[case::a_panic(Removal::Panics, "the store panicked while kvspec cleaned up: a bug in delete", 4)]
#[case::a_watch(Removal::WatchPanics, "watch w panicked: a bug in the watch", 0)]
fn a_store_that_panics_while_it_is_cleaned_is_an_error(
    #[case] removal: Removal,
    #[case] said: &str,
    #[case] left: usize,
) {
    let stage = Stage::new(removal);
    let run = stage.run(PLAIN);
    assert!(run.errored().contains(said), "{:?}", run.verdict);
    assert_eq!(stage.left().len(), left);
}

#[test]
fn the_keys_that_are_left_are_named_and_where() {
    let run = Stage::new(Removal::Ignored).run("update k1 v\nupdate k2 v\n---\nok\n");
    let End::LeftBehind(reason) = &run.transcript.end else { panic!("{:?}", run.transcript.end) };
    assert!(reason.starts_with("2 keys are left below \"/kvspec/run-"), "{reason}");
    assert!(reason.ends_with("/k2\"") && reason.contains("/k1\" "), "{reason}");
}

#[test]
fn an_error_about_a_key_that_is_gone_already_is_no_trouble() {
    let stage = Stage::new(Removal::MissingErrs);
    stage.run("update k1 v\ndelete k1\n---\nok\n").passes();
    assert_eq!(stage.left(), []);
}

#[test]
fn what_was_wrong_before_is_told_beside_what_is_left() {
    let run =
        Stage::new(Removal::Ignored).run("update k1 v\ndelete k1\nread k1\n---\nread k1: (none)\n");
    run.fails_at(4);
    let notes = &run.mismatch().notes;
    assert!(notes[0].starts_with("cleaning up: 1 key is left"), "{notes:?}");
}

/// A store that takes the empty key.
struct EmptyKey(Arc<AtomicBool>);

#[async_trait]
impl Twist for EmptyKey {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match &call {
            Call::Update { key, .. } if key.is_empty() => {
                self.0.store(true, Ordering::Relaxed);
                Ok(().into())
            }
            Call::Read { key } if key.is_empty() => {
                Ok(self.0.load(Ordering::Relaxed).then(|| b"mine".to_vec()).into())
            }
            Call::Delete { key } if key.is_empty() => {
                self.0.store(false, Ordering::Relaxed);
                Ok(().into())
            }
            _ => call.perform(store).await,
        }
    }
}

#[rstest]
#[case::written_by_the_case(false)]
#[case::somebodys(true)]
fn the_empty_key_is_taken_away_by_the_case_that_wrote_it_only(#[case] is_taken: bool) {
    let there = Arc::new(AtomicBool::new(is_taken));
    let run =
        Stage::new(EmptyKey(there.clone())).run("update \"\" v bare=true\n---\nerror: empty key\n");
    run.fails_at(2);
    assert_eq!(there.load(Ordering::Relaxed), is_taken);
}

/// An instance that panics when it is taken down.
struct Collapsing(Stage);

#[async_trait]
impl Instance for Collapsing {
    async fn open(&self) -> Result<Box<dyn Store>> {
        Instance::open(&self.0).await
    }
}

impl Drop for Collapsing {
    fn drop(&mut self) {
        // What an instance is made of may need the runtime when it goes.
        let _ = tokio::runtime::Handle::current();
        panic!("a bug in drop");
    }
}

struct CollapsingBackend(Stage);

#[async_trait]
impl Backend for CollapsingBackend {
    fn name(&self) -> &str {
        "collapsing"
    }

    fn clock(&self) -> Clock {
        Clock::Virtual
    }

    async fn instance(&self) -> Result<Box<dyn Instance>> {
        Ok(Box::new(Collapsing(self.0.clone())))
    }
}

#[test]
fn a_store_that_panics_when_it_is_taken_down_crashes_nothing() {
    let (stage, scenario) = (Stage::new(Right), scenario("update k v\n---\nok\n"));
    let backend = CollapsingBackend(stage.clone());
    let transcript = runner::run(&scenario, &backend, &Settings::default());
    let told = "collapsing panicked while it was taken down: a bug in drop";
    assert_eq!(transcript.end, End::Collapsed(told.into()));
    assert_eq!(stage.left(), []);
}
