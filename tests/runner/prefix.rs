//! A case sees and touches what lies below its own prefix, and nothing else.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::plan::Plan;
use kvspec::runner::Settings;
use kvspec::scenario;
use kvspec::store::{Call, Leases, Reply, Result, Store, WatchEvent};
use kvspec::suite;
use kvspec::target::Target;
use rstest::rstest;

use super::stage::{Right, Stage, Twist, in_time, turned};

/// Where a key of a neighbour shows up.
#[derive(Clone, Copy, PartialEq)]
enum Leak {
    List,
    Watch,
    TimeToLive,
}

const FOREIGN: &[u8] = b"/kvspec/neighbour";

#[async_trait]
impl Twist for Leak {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match (call, self) {
            (Call::List { prefix }, Self::List) => {
                let mut keys = store.list(&prefix).await?;
                keys.push(FOREIGN.into());
                Ok(keys.into())
            }
            (Call::Watch { prefix }, _) => {
                let leaks = *self == Self::Watch;
                let leak = move |event: WatchEvent| {
                    let foreign = leaks && event.key().ends_with(b"/k");
                    let key = if foreign { FOREIGN } else { event.key() };
                    vec![match &event {
                        WatchEvent::Put { value, .. } => WatchEvent::put(key, value.clone()),
                        WatchEvent::Delete { .. } => WatchEvent::delete(key),
                    }]
                };
                turned(store, &prefix, leak).await
            }
            (Call::TimeToLive { lease }, Self::TimeToLive) => {
                let mut left = store.time_to_live(lease).await?;
                left.keys.push(FOREIGN.into());
                Ok(left.into())
            }
            (call, _) => call.perform(store).await,
        }
    }
}

#[rstest]
#[case::list(Leak::List, "list \"\": k \"outside:/kvspec/neighbour\"")]
#[case::list_count(Leak::List, "list k: 2 keys, ascending")]
#[case::watch(Leak::Watch, "events w: put \"outside:/kvspec/neighbour\" v")]
#[case::lease(Leak::TimeToLive, "time_to_live a: k \"outside:/kvspec/neighbour\"")]
fn a_key_from_outside_is_told_as_such(#[case] leak: Leak, #[case] told: &str) {
    let stage = Stage::new(leak);
    let run = stage.run(
        "watch k as=w\nlease a ttl=60s\nupdate k v lease=a\nlist \"\"\nlist k count=true\nevents w\ntime_to_live a\n---
list \"\": k
list k: 1 keys, ascending
events w: put k v
time_to_live a: k
",
    );
    let notes = &run.mismatch().notes;
    assert!(
        matches!(notes.as_slice(), [note] if note.contains("keys of other clients")),
        "{notes:?}"
    );
    assert!(run.observed()[0].lines().any(|line| line == told), "{:?}", run.observed());
}

/// Keys of others, beside and around the place where kvspec writes.
const NEIGHBOURS: &[&[u8]] = &[
    b"\0",
    b"/",
    b"/kvspec",
    b"/kvspec/",
    b"/kvspec/other",
    b"/kvspec/run-",
    b"/kvspec/run-0000000000000000/k",
    b"/kvspec0",
    b"k",
    b"key1",
    b"\xff\xff",
];

/// A memory store that all cases share, with keys of others in it.
/// Keys and their values.
type Crowd = Vec<(Vec<u8>, Vec<u8>)>;

fn crowded(stage: Stage) -> (Stage, Crowd) {
    in_time(async {
        for key in NEIGHBOURS {
            stage.keys.update(key, &[b"value of ", *key].concat()).await.unwrap();
        }
        let lease = stage.keys.lease(Duration::from_secs(9_000_000)).await.unwrap();
        stage.keys.update_with_lease(b"/kvspec/leased", b"v", lease.id).await.unwrap();
    });
    let before = stage.left();
    (stage, before)
}

#[test]
fn the_whole_suite_leaves_the_keys_of_others_as_they_were() {
    let (stage, before) = crowded(Stage::new(Right));
    let scenarios: Vec<_> = scenario::embedded().unwrap().into_iter().map(Arc::new).collect();
    let mut plan = Plan::new(vec![Target::new(stage.clone())], &scenarios);
    plan.open();
    // One after another: each case has a virtual time of its own, and they share one store.
    let summary = suite::run(&plan, &Settings::default(), Some(1), &mut |_| Ok(())).unwrap();
    let (_, tally) = &summary.tallies[0];
    assert_eq!((tally.failed, tally.unclear, tally.errored), (0, 0, 0), "{summary:?}");
    assert!(tally.passed > 80, "{summary:?}");
    assert_eq!(stage.left(), before);
}

#[test]
fn runs_beside_each_other_do_not_see_each_other() {
    let (stage, before) = crowded(Stage::wall(Right));
    let is_quick = |one: &scenario::Scenario| {
        one.max_wait.is_zero() && !one.text.contains("\nrace ") && !one.text.contains("ttl=")
    };
    let quick: Vec<_> = scenario::embedded().unwrap().into_iter().filter(is_quick).collect();
    assert!(quick.len() > 30);
    // Every scenario several times at once, so that also two runs of the same one meet.
    let scenarios: Vec<_> = (0..4).flat_map(|_| quick.clone()).map(Arc::new).collect();
    let mut plan = Plan::new(vec![Target::new(stage.clone())], &scenarios);
    plan.open();
    let summary = suite::run(&plan, &Settings::default(), Some(32), &mut |_| Ok(())).unwrap();
    let (_, tally) = &summary.tallies[0];
    assert_eq!((tally.failed, tally.unclear, tally.errored), (0, 0, 0), "{summary:?}");
    assert_eq!(stage.left(), before);
}

/// Writes down every key that is asked for, in any call.
#[derive(Clone)]
struct Asked {
    base: &'static [u8],
    keys: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

#[async_trait]
impl Twist for Asked {
    fn base_prefix(&self) -> &[u8] {
        self.base
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Update { key, .. }
        | Call::Delete { key }
        | Call::Read { key }
        | Call::List { prefix: key }
        | Call::Watch { prefix: key } = &call
        {
            self.keys.lock().unwrap().insert(key.clone());
        }
        call.perform(store).await
    }
}

#[test]
fn every_key_lies_below_the_base_prefix_and_one_drawn_for_the_run() {
    let asked = Asked { base: b"here/", keys: Arc::default() };
    let stage = Stage::new(asked.clone());
    let prefix_of_a_run = || {
        asked.keys.lock().unwrap().clear();
        stage
            .run("watch k as=w\nupdate k v\nread k\nlist \"\"\nevents w\ndelete k\n---\nread k: v\nlist \"\": k\nevents w: put k v\n")
            .passes();
        let keys = asked.keys.lock().unwrap();
        let prefixes: BTreeSet<_> =
            keys.iter().map(|key| key[..b"here/run-0123456789abcdef/".len()].to_vec()).collect();
        assert_eq!(prefixes.len(), 1, "{keys:?}");
        let prefix = prefixes.into_iter().next().unwrap();
        assert!(prefix.starts_with(b"here/run-") && prefix.ends_with(b"/"));
        prefix
    };
    assert_ne!(prefix_of_a_run(), prefix_of_a_run());
}

#[test]
fn a_store_without_a_base_prefix_is_refused_before_anything_is_written() {
    let asked = Asked { base: b"", keys: Arc::default() };
    let run = Stage::new(asked.clone()).run("update k v\n---\nok\n");
    assert!(run.errored().contains("base prefix is empty"), "{:?}", run.verdict);
    assert!(asked.keys.lock().unwrap().is_empty());
}
