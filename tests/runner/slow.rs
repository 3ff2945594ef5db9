//! A slow machine makes a judgement impossible, never wrong.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::StreamExt;
use kvspec::backend::memory::{MemoryBackend, MemoryStore};
use kvspec::runner::{self, Settings};
use kvspec::scenario::fit::Fit;
use kvspec::scenario::{self, Need, Scenario};
use kvspec::store::{Call, Leases, Reply, Result, Store, WatchEvent};
use kvspec::target::Target;
use kvspec::verdict::{Verdict, judge};
use rstest::rstest;

use super::stage::{Right, Stage, Twist};

/// Every call is right, and some take long.
#[derive(Clone, Copy)]
struct Slow {
    /// How long a read or list takes before and after the store looks.
    look: (u64, u64),
    /// How long a write takes before and after it is done.
    write: (u64, u64),
    /// How much earlier than granted a key goes.
    early: u64,
}

async fn pass(millis: u64) {
    tokio::time::sleep(Duration::from_millis(millis)).await;
}

#[async_trait]
impl Twist for Slow {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let (before, after) = match call {
            Call::Update { .. } | Call::UpdateWithTtl { .. } => self.write,
            Call::Read { .. } | Call::List { .. } => self.look,
            call => return call.perform(store).await,
        };
        pass(before).await;
        let reply = match call {
            Call::UpdateWithTtl { key, value, ttl } => {
                let lives = ttl - Duration::from_millis(self.early);
                store.update_with_ttl(&key, &value, lives).await.map(|_| ttl.into())
            }
            call => call.perform(store).await,
        };
        pass(after).await;
        reply
    }
}

const SCRIPTS: [&str; 3] = [
    "update k v ttl=4s\nexpire k\n---\nk expired on time\n",
    "update k v ttl=4s\nupdate l v ttl=4s\nexpire k l\n---\nk expired on time\nl expired on time\n",
    "update k v ttl=4s\nread k\nexpire k\nread k\n---\nread k: v\nk expired on time\nread k: (none)\n",
];

#[test]
fn a_right_store_is_never_accused_however_slow_its_calls_are() {
    let mut unclear = 0;
    for script in SCRIPTS {
        for look in [0, 40, 700, 1900, 3300] {
            for write in [0, 40, 1900, 4500] {
                for after in [false, true] {
                    let slow = |millis| if after { (0, millis) } else { (millis, 0) };
                    let slow = Slow { look: slow(look), write: slow(write), early: 0 };
                    let run = Stage::new(slow)
                        .lag(Duration::from_millis(500))
                        .judged_by_the_wall()
                        .run(script);
                    let is_unclear = matches!(run.verdict, Verdict::Unclear(_));
                    unclear += usize::from(is_unclear);
                    let is_fair = is_unclear || run.verdict == Verdict::Passed;
                    assert!(is_fair, "look {look}, write {write}: {:?}", run.verdict);
                    assert!(is_unclear || look < 1900, "look {look} ms proves nothing");
                }
            }
        }
    }
    assert!(unclear > 0);
}

#[test]
fn a_wrong_store_never_passes_however_slow_its_calls_are() {
    for script in SCRIPTS {
        for look in [0, 40, 700, 1900, 3300] {
            for early in [1100, 2500, 2900] {
                let slow = Slow { look: (0, look), write: (0, 0), early };
                let run = Stage::new(slow)
                    .lag(Duration::from_millis(500))
                    .judged_by_the_wall()
                    .run(script);
                assert_ne!(run.verdict, Verdict::Passed, "look {look}, early {early}");
                let is_seen = look < 700;
                assert!(!is_seen || matches!(run.verdict, Verdict::Failed(_)), "{:?}", run.verdict);
            }
        }
    }
}

/// Updates of `slow` take so long; with `u64::MAX`, for ever.
struct SlowKey(u64);

#[async_trait]
impl Twist for SlowKey {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let is_slow = matches!(&call, Call::Update { key, .. } if key.ends_with(b"slow"));
        let reply = call.perform(store).await;
        match (is_slow, self.0) {
            (true, u64::MAX) => std::future::pending().await,
            (true, millis) => pass(millis).await,
            (false, _) => {}
        }
        reply
    }
}

const KEEP: &str = "lease a ttl=3s\nupdate k v lease=a\nwait 1s\nupdate slow v\nkeep_alive a\nread k\n---\nread k: v\n";

#[rstest]
#[case::quick(0, "passed")]
#[case::within_the_lease(1500, "passed")]
#[case::beyond_the_lease(2500, "unclear")]
#[case::hangs(u64::MAX, "failed")]
fn a_lease_that_ran_out_in_a_slow_call_is_nobodys_fault(#[case] slow: u64, #[case] said: &str) {
    let run = Stage::new(SlowKey(slow)).judged_by_the_wall().run(KEEP);
    let verdict = match &run.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Unclear(reason) => {
            assert!(reason.contains("the TTL of lease a, 3s"), "{reason}");
            "unclear"
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict, said, "{:?}", run.verdict);
    if said == "failed" {
        run.fails_at(5);
    }
}

#[rstest]
#[case::of_the_lease("keep_alive a", "", "unclear")]
#[case::of_its_key("read k", "read k: v", "unclear")]
#[case::of_a_list_that_has_it("list \"\"", "list \"\": k slow", "unclear")]
#[case::of_another_key("read j", "read j: v", "failed")]
#[case::of_another_prefix("list j", "list j: j", "failed")]
#[case::of_a_key_written_since("update k w\nread k", "read k: v", "failed")]
fn a_slow_machine_excuses_answers_that_depend_on_what_may_have_run_out(
    #[case] command: &str,
    #[case] answer: &str,
    #[case] said: &str,
) {
    let script = format!(
        "lease a ttl=3s\nupdate k v lease=a\nupdate slow v\n{command}\n---\n{}\n",
        if answer.is_empty() { "ok" } else { answer }
    );
    let run = Stage::new(SlowKey(3500)).judged_by_the_wall().run(&script);
    let is_unclear = matches!(run.verdict, Verdict::Unclear(_));
    let is_failed = matches!(run.verdict, Verdict::Failed(_));
    assert_eq!((is_unclear, is_failed), (said == "unclear", said == "failed"), "{:?}", run.verdict);
    let run = Stage::new(SlowKey(3500)).run(&script);
    assert!(matches!(run.verdict, Verdict::Failed(_)), "no machine is slow: {:?}", run.verdict);
}

#[test]
fn a_wrong_answer_that_depends_on_no_lease_is_wrong_after_all_its_keys_expired() {
    let script = "lease a ttl=2s\nfill k count=3 lease=a\nexpire k0000 k0001 k0002\nread j\n---\n\
        k0000 expired on time\nk0001 expired on time\nk0002 expired on time\nread j: v\n";
    Stage::new(Right).run(script).fails_at(5);
    Stage::new(Right).judged_by_the_wall().run(script).fails_at(5);
}

/// A watch that delivers the end of a TTL as a write.
struct DeletesArePuts;

#[async_trait]
impl Twist for DeletesArePuts {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::Watch { prefix } = call else { return call.perform(store).await };
        let put = |event: WatchEvent| WatchEvent::put(event.key(), "v");
        let events = store.watch(&prefix).await?;
        Ok(events.map(move |batch| Ok(batch?.events.into_iter().map(put).collect())).boxed().into())
    }
}

#[test]
fn a_watch_that_waits_for_an_expiry_and_delivers_something_else_is_wrong() {
    let script =
        "watch k as=w\nupdate k v ttl=2s\nnext w\nnext w\n---\nnext w: put k v\nnext w: delete k\n";
    Stage::new(DeletesArePuts).run(script).fails_at(5);
    Stage::new(DeletesArePuts).judged_by_the_wall().run(script).fails_at(5);
}

/// A lease that ends though it was kept alive.
struct KeepsNothing;

#[async_trait]
impl Twist for KeepsNothing {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::KeepAlive { lease } => Ok(store.time_to_live(lease).await?.granted.into()),
            call => call.perform(store).await,
        }
    }
}

#[test]
fn a_slow_machine_is_an_excuse_only_where_it_was_slow() {
    let run = Stage::new(KeepsNothing)
        .run("lease a ttl=3s\nupdate k v lease=a\nwait 2s\nkeep_alive a\nwait 2s\nread k\n---\nread k: v\n");
    run.fails_at(7);
}

/// The whole process stands still in the middle of one look.
struct StandsStill(Mutex<usize>);

#[async_trait]
impl Twist for StandsStill {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let is_read = matches!(call, Call::Read { .. });
        let reply = call.perform(store).await;
        let looks = {
            let mut looks = self.0.lock().unwrap();
            *looks += usize::from(is_read);
            *looks
        };
        if is_read && looks == 3 {
            std::thread::sleep(Duration::from_millis(1500));
        }
        reply
    }
}

#[test]
fn a_process_that_stands_still_over_an_end_says_nothing_about_it() {
    let run = Stage::wall(StandsStill(Mutex::new(0)))
        .run("update k v ttl=1s\nexpire k\n---\nk expired on time\n");
    let Verdict::Unclear(reason) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert!(reason.contains("no look was possible in between"), "{reason}");
}

/// A store of which one call in twelve takes 1.5 s, before or after it is done.
struct Moody(Mutex<u64>);

impl Moody {
    async fn pause(&self) {
        let draw = {
            let mut state = self.0.lock().unwrap();
            *state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            *state >> 40
        };
        if draw % 24 == 0 {
            pass(1500).await;
        }
    }
}

#[async_trait]
impl Twist for Moody {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let is_slow = matches!(
            call,
            Call::Update { .. }
                | Call::UpdateWithTtl { .. }
                | Call::Read { .. }
                | Call::List { .. }
                | Call::Delete { .. }
                | Call::UpdateWithLease { .. }
                | Call::KeepAlive { .. }
        );
        if !is_slow {
            return call.perform(store).await;
        }
        self.pause().await;
        let reply = call.perform(store).await;
        self.pause().await;
        reply
    }
}

/// The scenarios that a stage's stores can be asked.
fn asked() -> impl Iterator<Item = Scenario> {
    let all = scenario::embedded().expect("the embedded suite is well-formed");
    all.into_iter().filter(|one| one.needs.iter().all(|need| *need == Need::Leases))
}

#[test]
fn no_scenario_accuses_a_store_of_which_some_calls_take_long() {
    for seed in 0..3 {
        for scenario in asked() {
            let name = scenario.name.clone();
            let stage = Stage::new(Moody(Mutex::new(seed)))
                .lag(Duration::from_secs(2))
                .judged_by_the_wall();
            let run = stage.run_scenario(scenario);
            let is_fair = matches!(run.verdict, Verdict::Passed | Verdict::Unclear(_));
            assert!(is_fair, "{name}, seed {seed}: {:#?}", run.verdict);
        }
    }
}

#[test]
fn every_scenario_passes_when_it_is_made_to_fit_a_slow_store() {
    let target = Target::new(MemoryBackend);
    let ready = target.ready().expect("the memory store is there");
    let (mut longer, mut smaller) = (0, 0);
    for scenario in scenario::embedded().expect("the embedded suite is well-formed") {
        if ready.lacks(&scenario).is_some() {
            continue;
        }
        for (times, parts) in [(4, 1), (1, 2), (1, 5), (1, 10), (1, 20), (1, 50)] {
            let Some(fitted) = (Fit { times, parts, ..Fit::PLAIN }).apply(&scenario) else {
                continue;
            };
            longer += usize::from(times > 1);
            smaller += usize::from(parts > 1);
            let transcript = runner::run(&fitted, &MemoryBackend, &Settings::default());
            let verdict = judge(&fitted, &transcript);
            assert_eq!(verdict, Verdict::Passed, "{} × {times} ÷ {parts}", scenario.name);
            assert_eq!(fitted.name, scenario.name);
        }
    }
    assert!(longer > 100 && smaller > 40, "{longer} {smaller}");
}
