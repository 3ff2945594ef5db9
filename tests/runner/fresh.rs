//! `Fresh` and `Shared`: constructors that fail, versions, and a store that is reopened.

use std::io;

use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Backend, Clock, Ending, Fresh, Shared};
use kvspec::scenario::{Need, Scenario};
use kvspec::store::{ErrorKind, StoreError};
use kvspec::target::Target;
use rstest::rstest;

async fn full() -> io::Result<MemoryStore> {
    Err(io::Error::other("the disk is full"))
}

async fn locked() -> Result<MemoryStore, StoreError> {
    Err(StoreError::new(ErrorKind::Unavailable, "locked"))
}

#[tokio::test]
async fn an_error_of_make_keeps_its_kind_or_its_text() {
    let error = Fresh::try_new("a", full, MemoryStore::client).instance().await.err().unwrap();
    assert_eq!(error, StoreError::new(ErrorKind::Other, "the disk is full"));
    let error = Fresh::try_new("b", locked, MemoryStore::client).instance().await.err().unwrap();
    assert_eq!(error, StoreError::new(ErrorKind::Unavailable, "locked"));
}

#[test]
fn a_store_that_cannot_be_made_makes_its_target_unavailable() {
    let target = Target::new(Fresh::try_new("mine", full, MemoryStore::client));
    let unavailable = target.ready().err().expect("the store cannot be made");
    assert!(unavailable.reason.contains("the disk is full"), "{}", unavailable.reason);
}

#[test]
fn versions_are_said() {
    let fresh = Fresh::new("mine", MemoryStore::new, MemoryStore::client).version("1.2");
    assert_eq!(Backend::version(&fresh).as_deref(), Some("1.2"));
    let shared = Shared::new("mine", locked).version("7.0");
    assert_eq!(Backend::version(&shared).as_deref(), Some("7.0"));
}

#[test]
fn one_backend_on_both_clocks_has_two_names() {
    let mine = Fresh::new("mine", MemoryStore::new, MemoryStore::client);
    let both = mine.on_both_clocks().map(|one| (one.name().to_string(), one.clock()));
    assert_eq!(both, [("mine".into(), Clock::Wall), ("mine-virtual".into(), Clock::Virtual)]);
}

async fn reopen(store: MemoryStore, ending: Ending) -> Result<MemoryStore, String> {
    match ending {
        Ending::Clean => Ok(store),
        _ => Err("corrupt".into()),
    }
}

#[tokio::test]
async fn a_reopened_store_gives_clients_and_one_that_failed_gives_none() {
    let fresh = Fresh::new("mine", MemoryStore::new, MemoryStore::client);
    assert!(fresh.cannot_reopen(Ending::Crash).is_some());
    let instance = fresh.clone().instance().await.unwrap();
    assert_eq!(instance.reopen(Ending::Clean).await.unwrap_err().kind, ErrorKind::Unsupported);

    let fresh = fresh.reopen(reopen);
    assert_eq!(fresh.cannot_reopen(Ending::Crash), None);
    let instance = fresh.instance().await.unwrap();
    instance.reopen(Ending::Clean).await.unwrap();
    instance.open().await.unwrap().update(b"/kvspec/k", b"v").await.unwrap();
    assert_eq!(instance.reopen(Ending::Crash).await.unwrap_err().message, "corrupt");
    assert!(instance.open().await.is_err());
}

#[rstest]
#[case::watch("watch k as=w\nreopen\nevents w\n---\nok\n", "the watch 'w' was ended by reopen")]
#[case::fill("fill k count=2 as=f\nreopen\njoin f\n---\nok\n", "the fill 'f' is under way")]
#[case::both("reopen crash=true power_loss=true\n---\nok\n", "exclude each other")]
fn a_script_that_reopens_a_store_senselessly_is_refused(#[case] script: &str, #[case] why: &str) {
    let parsed = Scenario::parse("a".as_ref(), "a.kv".into(), format!("# A law.\n{script}"));
    let reason = parsed.expect_err("the script makes no sense").reason;
    assert!(reason.contains(why), "{reason}");
}

#[rstest]
#[case("reopen\n---\nok\n", &[Need::Reopen], &[Ending::Clean])]
#[case("reopen power_loss=true\n---\nok\n", &[Need::PowerLoss], &[Ending::PowerLoss])]
#[case("reopen crash=true\n---\nok\n", &[Need::Reopen], &[Ending::Crash])]
fn a_script_needs_what_it_reopens_after(
    #[case] script: &str,
    #[case] needs: &[Need],
    #[case] endings: &[Ending],
) {
    let text = format!("# A law.\n{script}");
    let scenario = Scenario::parse("a".as_ref(), "a.kv".into(), text).unwrap();
    assert_eq!(scenario.needs, needs);
    assert_eq!(scenario.endings(), endings);
    let target = Target::new(Fresh::new("mine", MemoryStore::new, MemoryStore::client));
    let reason = target.ready().unwrap().lacks(&scenario).expect("it cannot be reopened");
    assert!(reason.contains("durability is not tested"), "{reason}");
}
