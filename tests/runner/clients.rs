//! Several clients, closing, errors as answers, and panics of a store.

use std::sync::Mutex;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{Call, ErrorKind, Leases, Reply, Result, StoreError};
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
fn a_client_that_cannot_be_opened_is_no_answer_of_the_store() {
    let run = Stage::new(OneClient(Mutex::new(0))).run("read k\nb: read k\n---\nread k: (none)\n");
    assert_eq!(run.errored(), "opening a client of stage failed: denied: one is enough");
    assert_eq!(run.transcript.entries.len(), 1, "the script did not go on");
}

/// A store that has no room for a while, and says so.
struct Crowded(Mutex<usize>);

#[async_trait]
impl Twist for Crowded {
    async fn open(&self) -> Result<()> {
        let mut full = self.0.lock().unwrap();
        *full = full.saturating_sub(1);
        if *full == 0 { Ok(()) } else { Err(StoreError::new(ErrorKind::Unavailable, "no room")) }
    }
}

#[rstest]
#[case::for_a_moment(4, true)]
#[case::for_long(40, false)]
fn a_store_that_has_no_room_is_asked_again(#[case] refusals: usize, #[case] is_opened: bool) {
    let stage = Stage::new(Crowded(Mutex::new(refusals)));
    let run = stage.run("read k\n---\n(none)\n");
    match is_opened {
        true => run.passes(),
        false => assert!(run.errored().ends_with("unavailable: no room"), "{:?}", run.verdict),
    }
}

/// Words its errors in a way of its own.
struct Worded(&'static str);

#[async_trait]
impl Twist for Worded {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::KeepAlive { .. } => Err(StoreError::new(ErrorKind::LeaseNotFound, self.0)),
            call => call.perform(store).await,
        }
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
    assert_eq!(
        run.mismatch().notes,
        ["the store said: keep_alive a: lease not found: no such thing"]
    );
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

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match (&call, self) {
            (Call::Update { .. }, Self::Update) => panic!("a bug in update\nof two lines"),
            (Call::Read { .. }, Self::Read) => panic!("a bug in read"),
            (Call::Watch { .. }, Self::Watch) => panic!("a bug in watch"),
            (Call::Read { .. }, Self::Ping) => Err(ErrorKind::Unavailable.into()),
            _ => call.perform(store).await,
        }
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
#[case::instance(Panics::Instance, "making a store of stage panicked: a bug in instance")]
#[case::open(Panics::Open, "opening a client of stage panicked: a bug in open")]
#[case::base_prefix(Panics::BasePrefix, "opening a client of stage panicked: a bug in base_prefix")]
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
        async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
            match call {
                Call::KeepAlive { lease } => {
                    let left = store.time_to_live(lease).await?;
                    panic!("{} keys are too many", left.keys.len());
                }
                call => call.perform(store).await,
            }
        }
    }
    let run = Stage::new(Keeps).run("lease a ttl=60s\nkeep_alive a\nread k\n---\nread k: (none)\n");
    assert_eq!(run.observed(), ["keep_alive a: panic: 0 keys are too many\nread k: (none)"]);
    run.fails_at(3);
}
