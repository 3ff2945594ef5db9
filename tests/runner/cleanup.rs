//! However a case ends, what it wrote is taken away and nothing else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};

use async_trait::async_trait;
use futures_util::{Stream, StreamExt};
use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Backend, Clock, Instance};
use kvspec::runner::{self, Settings};
use kvspec::store::{
    ErrorKind, LeaseId, Leases, Result, Store, StoreError, WatchEvent, WatchStream,
};
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
    async fn update(&self, store: &MemoryStore, key: &[u8], value: &[u8]) -> Result<()> {
        store.update(key, value).await?;
        if !key.ends_with(b"bad") {
            return Ok(());
        }
        match self {
            Self::Errs => Err(ErrorKind::Other.into()),
            Self::Hangs => std::future::pending().await,
            Self::Panics => panic!("a bug in the store"),
            Self::Closes => store.close().await,
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
    async fn delete(&self, store: &MemoryStore, key: &[u8]) -> Result<()> {
        match self {
            Self::Ignored => Ok(()),
            Self::OneFails if key.ends_with(b"k1") => Err(ErrorKind::Denied.into()),
            Self::MissingErrs if store.read(key).await?.is_none() => {
                Err(ErrorKind::KeyNotFound.into())
            }
            Self::Panics if key.ends_with(b"k1") => panic!("a bug in delete"),
            _ => store.delete(key).await,
        }
    }

    async fn revoke(&self, store: &MemoryStore, lease: LeaseId) -> Result<()> {
        match self {
            Self::RevokeFails => Err(StoreError::new(ErrorKind::Denied, "not yours")),
            _ => store.revoke(lease).await,
        }
    }

    async fn watch(&self, store: &MemoryStore, prefix: &[u8]) -> Result<WatchStream> {
        let stream = store.watch(prefix).await?;
        Ok(match self {
            Self::WatchPanics => Fragile(stream).boxed(),
            _ => stream,
        })
    }
}

/// A stream that panics when it is dropped.
struct Fragile(WatchStream);

impl Stream for Fragile {
    type Item = Result<Vec<WatchEvent>>;

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
#[case::one_fails(Removal::OneFails, "1 key is left below", 1)]
#[case::a_lease(Removal::RevokeFails, "cleaning up failed", 0)]
#[case::a_panic(Removal::Panics, "the store panicked while kvspec cleaned up: a bug in delete", 4)]
#[case::a_watch(
    Removal::WatchPanics,
    "the store panicked while kvspec cleaned up: a bug in the watch",
    0
)]
fn what_cannot_be_taken_away_is_said(
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
    let reason = run.errored();
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
    async fn update(&self, store: &MemoryStore, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() {
            self.0.store(true, Ordering::Relaxed);
            return Ok(());
        }
        store.update(key, value).await
    }

    async fn read(&self, store: &MemoryStore, key: &[u8]) -> Result<Option<Vec<u8>>> {
        match key.is_empty() {
            true => Ok(self.0.load(Ordering::Relaxed).then(|| b"mine".to_vec())),
            false => store.read(key).await,
        }
    }

    async fn delete(&self, store: &MemoryStore, key: &[u8]) -> Result<()> {
        if key.is_empty() {
            self.0.store(false, Ordering::Relaxed);
            return Ok(());
        }
        store.delete(key).await
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
    assert_eq!(transcript.end, End::LeftBehind(told.into()));
    assert_eq!(stage.left(), []);
}
