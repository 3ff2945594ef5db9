//! A slow machine makes a judgement impossible, never wrong.

use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{LeaseId, Leases, Result, Store};
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::stage::{Stage, Twist};

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
    async fn update(&self, store: &MemoryStore, key: &[u8], value: &[u8]) -> Result<()> {
        pass(self.write.0).await;
        store.update(key, value).await?;
        pass(self.write.1).await;
        Ok(())
    }

    async fn update_with_ttl(
        &self,
        store: &MemoryStore,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        pass(self.write.0).await;
        let lives = ttl - Duration::from_millis(self.early);
        store.update_with_ttl(key, value, lives).await?;
        pass(self.write.1).await;
        Ok(ttl)
    }

    async fn read(&self, store: &MemoryStore, key: &[u8]) -> Result<Option<Vec<u8>>> {
        pass(self.look.0).await;
        let value = store.read(key).await;
        pass(self.look.1).await;
        value
    }

    async fn list(&self, store: &MemoryStore, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        pass(self.look.0).await;
        let keys = store.list(prefix).await;
        pass(self.look.1).await;
        keys
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
                    let run = Stage::new(slow).lag(Duration::from_millis(500)).run(script);
                    let is_unclear = matches!(run.verdict, Verdict::Inconclusive(_));
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
                let run = Stage::new(slow).lag(Duration::from_millis(500)).run(script);
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
    async fn update(&self, store: &MemoryStore, key: &[u8], value: &[u8]) -> Result<()> {
        store.update(key, value).await?;
        match (key.ends_with(b"slow"), self.0) {
            (true, u64::MAX) => std::future::pending().await,
            (true, millis) => pass(millis).await,
            (false, _) => {}
        }
        Ok(())
    }
}

const KEEP: &str = "lease a ttl=3s\nupdate k v lease=a\nwait 1s\nupdate slow v\nkeep_alive a\nread k\n---\nread k: v\n";

#[rstest]
#[case::quick(0, "passed")]
#[case::within_the_lease(1500, "passed")]
#[case::beyond_the_lease(2500, "unclear")]
#[case::hangs(u64::MAX, "failed")]
fn a_lease_that_ran_out_in_a_slow_call_is_nobodys_fault(#[case] slow: u64, #[case] said: &str) {
    let run = Stage::new(SlowKey(slow)).run(KEEP);
    let verdict = match &run.verdict {
        Verdict::Passed => "passed",
        Verdict::Failed(_) => "failed",
        Verdict::Inconclusive(reason) => {
            assert!(reason.contains("the time to live of lease a, 3s"), "{reason}");
            "unclear"
        }
        other => panic!("{other:?}"),
    };
    assert_eq!(verdict, said, "{:?}", run.verdict);
    if said == "failed" {
        run.fails_at(5);
    }
}

/// A lease that ends though it was kept alive.
struct KeepsNothing;

#[async_trait]
impl Twist for KeepsNothing {
    async fn keep_alive(&self, store: &MemoryStore, lease: LeaseId) -> Result<Duration> {
        Ok(store.time_to_live(lease).await?.granted)
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
    async fn read(&self, store: &MemoryStore, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = store.read(key).await;
        let looks = {
            let mut looks = self.0.lock().unwrap();
            *looks += 1;
            *looks
        };
        if looks == 3 {
            std::thread::sleep(Duration::from_millis(1500));
        }
        value
    }
}

#[test]
fn a_process_that_stands_still_over_an_end_says_nothing_about_it() {
    let run = Stage::wall(StandsStill(Mutex::new(0)))
        .run("update k v ttl=1s\nexpire k\n---\nk expired on time\n");
    let Verdict::Inconclusive(reason) = &run.verdict else { panic!("{:?}", run.verdict) };
    assert!(reason.contains("nobody could look in between"), "{reason}");
}
