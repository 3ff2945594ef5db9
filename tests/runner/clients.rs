//! Several clients, closing, errors as answers, and panics of a store.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{ErrorKind, LeaseId, Leases, Result, Store, StoreError, WatchStream};
use rstest::rstest;

use super::stage::{Right, Stage, Twist};

#[test]
fn each_name_is_a_client_of_its_own_and_none_is_the_first() {
    Stage::new(Right)
        .run(
            "update k v\nb: read k\nb: close\nb: read k\nc: read k\nread k\nclose\nread k\nc: read k\n---
b: read k: v
b: read k: error: closed
c: read k: v
read k: v
read k: error: closed
c: read k: v
",
        )
        .passes();
}

#[test]
fn clients_are_opened_when_a_script_first_names_them() {
    #[derive(Default)]
    struct Opened(Mutex<usize>);
    #[async_trait]
    impl Twist for std::sync::Arc<Opened> {
        async fn open(&self) -> Result<()> {
            *self.0.lock().unwrap() += 1;
            Ok(())
        }
    }
    let opened = std::sync::Arc::new(Opened::default());
    Stage::new(opened.clone()).run("read k\nb: read k\nb: read k\n---\nread k: (none)\nb: read k: (none)\nb: read k: (none)\n").passes();
    assert_eq!(*opened.0.lock().unwrap(), 3, "the first, b, and one that cleans up");
}

/// A client that cannot be opened while others can.
struct OneClient(Mutex<usize>);

#[async_trait]
impl Twist for OneClient {
    async fn open(&self) -> Result<()> {
        let mut opened = self.0.lock().unwrap();
        *opened += 1;
        if *opened == 2 { Err(StoreError::new(ErrorKind::Denied, "one is enough")) } else { Ok(()) }
    }
}

#[test]
fn a_client_that_cannot_be_opened_is_an_answer() {
    let run = Stage::new(OneClient(Mutex::new(0))).run("read k\nb: read k\n---\nread k: (none)\n");
    assert_eq!(run.observed(), ["read k: (none)\nb: read k: error: denied"]);
    run.fails_at(3);
    assert_eq!(run.mismatch().notes, ["b: read k: denied: one is enough"]);
}

/// Words its errors in a way of its own.
struct Worded(&'static str);

#[async_trait]
impl Twist for Worded {
    async fn keep_alive(&self, _: &MemoryStore, _: LeaseId) -> Result<Duration> {
        Err(StoreError::new(ErrorKind::LeaseNotFound, self.0))
    }
}

#[rstest]
#[case("etcdserver: requested lease not found")]
#[case("")]
#[case("error: other")]
fn the_wording_of_an_error_is_never_compared(#[case] wording: &'static str) {
    Stage::new(Worded(wording)).run("keep_alive unknown\n---\nerror: lease not found\n").passes();
}

#[test]
fn the_wording_of_an_error_is_told_where_the_error_was_not_expected() {
    let script = "lease a ttl=60s\nkeep_alive unknown\nkeep_alive a\n---\nkeep_alive unknown: error: lease not found\n";
    let run = Stage::new(Worded("no such thing")).run(script);
    run.fails_at(4);
    assert_eq!(run.mismatch().notes, ["keep_alive a: lease not found: no such thing"]);
}

/// Panics in one call.
#[derive(Clone, Copy, PartialEq)]
enum Panics {
    Instance,
    Open,
    BasePrefix,
    Update,
    Read,
    Watch,
    Ping,
}

#[async_trait]
impl Twist for Panics {
    fn base_prefix(&self) -> &[u8] {
        assert!(*self != Self::BasePrefix, "a bug in base_prefix");
        b"/kvspec/"
    }

    async fn instance(&self) -> Result<()> {
        assert!(*self != Self::Instance, "a bug in instance");
        Ok(())
    }

    async fn open(&self) -> Result<()> {
        assert!(*self != Self::Open, "a bug in open");
        Ok(())
    }

    async fn ping(&self) -> Result<()> {
        assert!(*self != Self::Ping, "a bug in ping");
        Ok(())
    }

    async fn update(&self, store: &MemoryStore, key: &[u8], value: &[u8]) -> Result<()> {
        assert!(*self != Self::Update, "a bug in update\nof two lines");
        store.update(key, value).await
    }

    async fn read(&self, store: &MemoryStore, key: &[u8]) -> Result<Option<Vec<u8>>> {
        assert!(*self != Self::Read, "a bug in read");
        if *self == Self::Ping {
            return Err(ErrorKind::Unavailable.into());
        }
        store.read(key).await
    }

    async fn watch(&self, store: &MemoryStore, prefix: &[u8]) -> Result<WatchStream> {
        assert!(*self != Self::Watch, "a bug in watch");
        store.watch(prefix).await
    }
}

#[rstest]
#[case::update(Panics::Update, "update k v", "update k: panic: a bug in update")]
#[case::read(Panics::Read, "read k", "read k: panic: a bug in read")]
#[case::watch(Panics::Watch, "watch k as=w", "watch k: panic: a bug in watch")]
#[case::fill(Panics::Update, "fill k", "fill k: panic: a bug in update")]
#[case::beside(Panics::Update, "fill k as=f\njoin f", "join f: panic: a bug in update")]
fn a_panic_is_an_answer_and_the_script_goes_on(
    #[case] panics: Panics,
    #[case] commands: &str,
    #[case] told: &str,
) {
    let stage = Stage::new(panics);
    let run = stage.run(&format!("{commands}\nlist \"\"\n---\nlist \"\": (no keys)\n"));
    assert_eq!(run.observed(), [format!("{told}\nlist \"\": (no keys)")]);
    run.fails_at(1 + commands.lines().count());
    assert_eq!(stage.left(), []);
}

#[rstest]
#[case::instance(Panics::Instance, "stage panicked: a bug in instance")]
#[case::open(Panics::Open, "stage panicked: a bug in open")]
#[case::base_prefix(Panics::BasePrefix, "stage panicked: a bug in base_prefix")]
#[case::ping(Panics::Ping, "the store's ping panicked: a bug in ping")]
fn a_panic_beside_the_calls_is_no_crash(#[case] panics: Panics, #[case] told: &str) {
    let run = Stage::new(panics).run("read k\n---\n(none)\n");
    assert!(run.errored().contains(told), "{:?}", run.verdict);
}

#[test]
fn a_panic_in_a_lease_call_names_its_line_too() {
    struct Keeps;
    #[async_trait]
    impl Twist for Keeps {
        async fn keep_alive(&self, store: &MemoryStore, lease: LeaseId) -> Result<Duration> {
            let left = store.time_to_live(lease).await?;
            panic!("{} keys are too many", left.keys.len());
        }
    }
    let run = Stage::new(Keeps).run("lease a ttl=60s\nkeep_alive a\nread k\n---\nread k: (none)\n");
    assert_eq!(run.observed(), ["keep_alive a: panic: 0 keys are too many\nread k: (none)"]);
    run.fails_at(3);
}
