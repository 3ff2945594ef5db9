//! Times to live are judged on both sides: early is as wrong as late, and both edges are on time.

use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{Call, ErrorKind, Leases, Reply, Result, Store};
use kvspec::transcript::{Answer, Expiry, Moment};
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::stage::{Right, Stage, Twist, side_by_side};

/// Takes keys away at another time than granted, or never.
#[derive(Clone, Copy)]
enum Ends {
    Early(u64),
    Late(u64),
    Never,
}

impl Ends {
    /// Writes a key that goes `granted` after now, more or less.
    async fn write(self, store: &MemoryStore, key: &[u8], value: &[u8], granted: Duration) {
        store.update(key, value).await.expect("the memory store takes it");
        let lives = match self {
            Self::Early(millis) => granted - Duration::from_millis(millis),
            Self::Late(millis) => granted + Duration::from_millis(millis),
            Self::Never => return,
        };
        let (store, key) = (store.client(), key.to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(lives).await;
            let _ = store.delete(&key).await;
        });
    }
}

#[async_trait]
impl Twist for Ends {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::UpdateWithTtl { key, value, ttl } => {
                self.write(store, &key, &value, ttl).await;
                Ok(ttl.into())
            }
            call => call.perform(store).await,
        }
    }
}

const ONE: &str = "update k v ttl=3s\nexpire k\n---\nk expired on time\n";
const TWO: &str =
    "update k v ttl=3s\nupdate l v ttl=3s\nexpire k l\n---\nk expired on time\nl expired on time\n";

#[rstest]
#[case::far_too_early(Ends::Early(2900), "expired early: gone")]
#[case::early(Ends::Early(100), "expired early: gone 2.9")]
#[case::just_early(Ends::Early(5), "expired early: gone")]
#[case::within_the_clocks_difference(Ends::Early(1), "expired on time")]
#[case::at_its_end(Ends::Late(0), "expired on time")]
#[case::within_the_lag(Ends::Late(50), "expired on time")]
#[case::at_the_end_of_the_lag(Ends::Late(100), "expired on time")]
#[case::just_late(Ends::Late(115), "expired late: still there after 3.1")]
#[case::late(Ends::Late(5000), "expired late: still there after 3.1")]
#[case::never(Ends::Never, "expired late: still there after 3.1")]
fn in_virtual_time_both_bounds_are_sharp(
    #[case] ends: Ends,
    #[case] told: &str,
    #[values(ONE, TWO)] script: &str,
) {
    let run = Stage::new(ends).lag(Duration::from_millis(100)).run(script);
    let observed = run.observed().remove(0);
    assert!(observed.lines().all(|line| line.contains(told)), "{observed}");
    match told {
        "expired on time" => run.passes(),
        _ => run.fails_at(1 + script.lines().take_while(|line| *line != "---").count()),
    }
}

#[test]
fn the_memory_store_is_on_time_to_the_millisecond() {
    let run = Stage::new(Right).run("update k v ttl=7s\nupdate l v ttl=9s\nlease a ttl=5s\nupdate m v lease=a\nexpire m\nexpire k l\n---\nm expired on time\nk expired on time\nl expired on time\n");
    run.passes();
}

#[test]
fn on_the_walls_clock_both_bounds_hold() {
    let table = [
        (Ends::Early(400), "early"),
        (Ends::Late(0), "on time"),
        (Ends::Late(250), "on time"),
        (Ends::Late(900), "late"),
    ];
    side_by_side(table, |(ends, told)| {
        let run = Stage::wall(ends).run("update k v ttl=1s\nexpire k\n---\nk expired on time\n");
        // A machine may stand still at the wrong moment, and then nothing is said; but nothing wrong is said either.
        match &run.verdict {
            Verdict::Unclear(reason) => eprintln!("unclear: {reason}"),
            Verdict::Passed => assert_eq!(told, "on time"),
            _ => {
                assert_ne!(told, "on time", "{:?}", run.verdict);
                assert!(run.observed()[0].contains(told), "{:?}", run.observed());
            }
        }
    });
}

/// Keys of one lease go one after another.
struct OneByOne;

#[async_trait]
impl Twist for OneByOne {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::UpdateWithLease { key, value, .. } => {
                let late = if key.ends_with(b"k2") { 30 } else { 0 };
                Ends::Late(late).write(store, &key, &value, Duration::from_secs(3)).await;
                Ok(().into())
            }
            call => call.perform(store).await,
        }
    }
}

#[test]
fn keys_of_one_lease_that_go_apart_are_caught_though_each_is_on_time() {
    let script = "lease a ttl=3s\nupdate k1 v lease=a\nupdate k2 v lease=a\nexpire k1 k2\n---\nk1 expired on time\nk2 expired on time\n";
    let run = Stage::new(OneByOne).lag(Duration::from_millis(100)).run(script);
    let told = "k1 was gone while k2, of the same lease, was still there\nk2 expired on time";
    assert_eq!(run.observed(), [told]);
    run.fails_at(5);
}

/// A key that is gone is there again a little later.
struct ComesBack;

#[async_trait]
impl Twist for ComesBack {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::UpdateWithTtl { key, value, ttl } = call else {
            return call.perform(store).await;
        };
        let granted = store.update_with_ttl(&key, &value, ttl).await?;
        if key.ends_with(b"k1") {
            let store = store.client();
            tokio::spawn(async move {
                tokio::time::sleep(granted + Duration::from_millis(20)).await;
                let _ = store.update(&key, b"back").await;
            });
        }
        Ok(granted.into())
    }
}

#[test]
fn a_key_that_comes_back_is_caught() {
    let script = "update k1 v ttl=3s\nupdate k2 v ttl=4s\nexpire k1 k2\n---\nk1 expired on time\nk2 expired on time\n";
    let stage = Stage::new(ComesBack).lag(Duration::from_millis(100));
    let run = stage.run(script);
    let observed = run.observed().remove(0);
    assert!(observed.starts_with("k1 came back: gone 3"), "{observed}");
    assert!(observed.ends_with("k2 expired on time"), "{observed}");
    assert_eq!(stage.left(), []);
}

/// Grants each key another time.
struct Uneven;

#[async_trait]
impl Twist for Uneven {
    async fn call(&self, store: &MemoryStore, mut call: Call) -> Result<Reply> {
        if let Call::UpdateWithTtl { key, ttl, .. } = &mut call {
            *ttl += Duration::from_secs(u64::from(key.last().unwrap() - b'0'));
        }
        call.perform(store).await
    }
}

#[test]
fn each_key_of_a_fill_is_judged_by_what_it_was_granted_itself() {
    let script = "fill k count=4 ttl=2s\nexpire k0000 k0001 k0002 k0003\n---\nk0000 expired on time\nk0001 expired on time\nk0002 expired on time\nk0003 expired on time\n";
    Stage::new(Uneven).run(script).passes();
}

/// Grants less than was asked for, or keeps to something else than it says.
struct Stingy;

#[async_trait]
impl Twist for Stingy {
    async fn call(&self, store: &MemoryStore, mut call: Call) -> Result<Reply> {
        if let Call::UpdateWithTtl { ttl, .. } = &mut call {
            *ttl /= 2;
        }
        call.perform(store).await
    }
}

#[test]
fn a_grant_of_less_than_was_asked_for_is_told() {
    let run = Stage::new(Stingy).run("update k v ttl=4s\nexpire k\n---\nk expired on time\n");
    assert_eq!(run.observed(), ["update k: granted 2s of the 4s asked for\nk expired on time"]);
    run.fails_at(2);
}

/// The timer of a key's first life is not stopped by its second.
struct OldTimer;

#[async_trait]
impl Twist for OldTimer {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::UpdateWithTtl { key, value, ttl } => {
                Ends::Late(50).write(store, &key, &value, ttl).await;
                Ok(ttl.into())
            }
            call => call.perform(store).await,
        }
    }
}

#[test]
fn a_key_that_must_survive_its_old_time_is_watched_to_the_end_of_the_lag() {
    let script = "update k v ttl=2s\nupdate k w\nupdate l v ttl=2s\ndelete l\nupdate l w\nupdate m v ttl=3s\nupdate m w\nsurvive k l m\n---\nk survived\nl survived\nm survived\n";
    Stage::new(Right).lag(Duration::from_millis(100)).run(script).passes();
    let run = Stage::new(OldTimer).lag(Duration::from_millis(100)).run(script);
    let observed = run.observed().remove(0);
    let vanished =
        observed.lines().filter(|line| line.contains(" vanished: found gone after")).count();
    assert_eq!(vanished, 3, "{observed}");
    run.fails_at(9);
}

/// Says something else of a lease than is true.
#[derive(Clone, Copy)]
enum Says {
    More(u64),
    Less(u64),
    Granted(u64),
    NoKeys,
}

#[async_trait]
impl Twist for Says {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::TimeToLive { lease } = call else { return call.perform(store).await };
        let mut said = store.time_to_live(lease).await?;
        match self {
            Self::More(millis) => said.remaining += Duration::from_millis(*millis),
            Self::Less(millis) => said.remaining -= Duration::from_millis(*millis),
            Self::Granted(seconds) => said.granted = Duration::from_secs(*seconds),
            Self::NoKeys => said.keys.clear(),
        }
        Ok(said.into())
    }
}

#[rstest]
#[case::the_truth(Says::More(0), &["k"])]
#[case::rounded_down(Says::Less(1000), &["k"])]
#[case::within_the_clocks_difference(Says::More(20), &["k"])]
#[case::too_much(Says::More(30), &["k", "3.03s left, which must be 1.98s to 3.02s"])]
#[case::too_little(Says::Less(1100), &["k", "1.90s left, which must be 1.98s to 3.02s"])]
#[case::another_grant(Says::Granted(4), &["k", "said to be granted 4s, was granted 5s"])]
#[case::no_keys(Says::NoKeys, &["(no keys)"])]
fn what_is_said_to_be_left_of_a_lease_is_judged_on_both_sides(
    #[case] says: Says,
    #[case] told: &[&str],
) {
    let run = Stage::new(says).run(
        "lease a ttl=5s\nupdate k v lease=a\nwait 2s\ntime_to_live a\n---\ntime_to_live a: k\n",
    );
    let told: Vec<_> = told.iter().map(|line| format!("time_to_live a: {line}")).collect();
    assert_eq!(run.observed(), [told.join("\n")]);
    if told == ["time_to_live a: k"] { run.passes() } else { run.fails_at(5) }
}

/// Renews a lease for a time of its own.
struct Renews;

#[async_trait]
impl Twist for Renews {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::KeepAlive { lease } => {
                Ok((store.keep_alive(lease).await? + Duration::from_secs(1)).into())
            }
            call => call.perform(store).await,
        }
    }
}

#[test]
fn a_renewal_for_another_time_than_granted_is_told() {
    let run = Stage::new(Renews).run("lease a ttl=5s\nkeep_alive a\n---\nok\n");
    assert_eq!(run.observed(), ["keep_alive a: renewed for 6s, granted 5s"]);
    run.fails_at(3);
}

#[test]
fn a_ttl_that_was_never_granted_is_not_waited_for() {
    struct Refuses;
    #[async_trait]
    impl Twist for Refuses {
        async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
            match call {
                Call::UpdateWithTtl { .. } => Err(ErrorKind::Unsupported.into()),
                call => call.perform(store).await,
            }
        }
    }
    let run = Stage::new(Refuses).run("update k v ttl=5s\nexpire k\n---\nk expired on time\n");
    assert_eq!(run.observed(), ["update k: error: unsupported\nk was granted no TTL"]);
}

/// In milliseconds: granted, request, lag, seen, gone.
type Bounds = (u64, u64, u64, Option<u64>, Option<u64>);

fn expiry((granted, request, lag, seen, gone): Bounds) -> Expiry {
    let millis = Duration::from_millis;
    Expiry {
        name: "k".into(),
        granted: millis(granted),
        lag: millis(lag),
        tolerance: millis(20),
        gone: gone.map(millis),
        seen: seen.map(millis),
        request: millis(request),
        apart_from: None,
    }
}

#[rstest]
#[case::on_its_end((3000, 5, 2000, Some(2960), Some(3005)), Moment::OnTime)]
#[case::early_by_less_than_the_clocks_differ((3000, 5, 2000, Some(2960), Some(2985)), Moment::OnTime)]
#[case::early((3000, 5, 2000, Some(2900), Some(2979)), Moment::Early)]
#[case::gone_at_the_first_look((3000, 5, 2000, None, Some(40)), Moment::Early)]
#[case::a_slow_request_is_no_excuse_for_early((3000, 2000, 2000, None, Some(2900)), Moment::Early)]
#[case::seen_to_the_end_of_the_lag((3000, 5, 2000, Some(5025), Some(5050)), Moment::OnTime)]
#[case::seen_after_the_lag((3000, 5, 2000, Some(5026), None), Moment::Late)]
#[case::a_slow_request_may_have_been_granted_at_its_end((3000, 1000, 2000, Some(6000), Some(6010)), Moment::OnTime)]
#[case::and_no_later((3000, 1000, 2000, Some(6021), None), Moment::Late)]
#[case::seen_again_after_it_was_gone((3000, 5, 2000, Some(3400), Some(3100)), Moment::Back)]
#[case::never_looked_at_before_its_end((3000, 5, 2000, None, Some(3500)), Moment::Unseen)]
#[case::not_looked_at_for_a_second_before_its_end((5000, 5, 2000, Some(3990), Some(5100)), Moment::Unseen)]
#[case::looked_at_a_second_before_its_end((5000, 5, 2000, Some(4000), Some(5100)), Moment::OnTime)]
#[case::a_long_life_needs_the_same_second((60_000, 5, 2000, Some(50_000), Some(60_100)), Moment::Unseen)]
#[case::a_short_life_half_of_it((400, 5, 2000, Some(150), Some(450)), Moment::Unseen)]
#[case::a_short_life_that_was_seen((400, 5, 2000, Some(250), Some(450)), Moment::OnTime)]
#[case::found_gone_long_after_the_lag((3000, 5, 2000, Some(2990), Some(5600)), Moment::Unseen)]
#[case::found_gone_a_little_after_the_lag((3000, 5, 2000, Some(2990), Some(5500)), Moment::OnTime)]
#[case::nobody_looked_to_the_end((3000, 5, 2000, Some(4000), None), Moment::Unseen)]
fn a_moment_is_judged_by_what_was_proven(#[case] bounds: Bounds, #[case] moment: Moment) {
    let expiry = expiry(bounds);
    assert_eq!(expiry.moment(), moment);
    assert_eq!(expiry.unseen().is_some(), moment == Moment::Unseen);
    let answer = Answer::Expired(vec![expiry]);
    assert_eq!(
        answer.lines() == ["k expired on time"],
        moment == Moment::OnTime,
        "{:?}",
        answer.lines()
    );
}

/// Numbers that look random and are the same on every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below.max(1)
    }
}

/// What a runner sees of a key that was granted at `grant` and goes at `end`, whenever and however slowly it looks.
fn looked_at(dice: &mut Dice, granted: u64, request: u64, lag: u64, end: u64) -> Expiry {
    let late = request + granted + lag + 21;
    let (mut seen, mut gone) = (None, None);
    let mut now = request;
    // Looks may be near each other, or seconds apart.
    while gone.is_none() && seen.is_none_or(|seen| seen <= late) {
        let longest = if dice.roll(4) == 0 { 3000 } else { 60 };
        let start = now + dice.roll(longest);
        let slow = if dice.roll(8) == 0 { 2500 } else { 15 };
        let took = dice.roll(slow);
        // The store looks at some moment of the call.
        if start + dice.roll(took + 1) < end {
            seen = Some(start)
        } else {
            gone = Some(start + took)
        }
        now = start + took;
    }
    expiry((granted, request, lag, seen, gone))
}

#[test]
fn no_delay_makes_a_right_store_wrong() {
    let mut dice = Dice(1);
    for _ in 0..100_000 {
        let (granted, request, lag) = (500 + dice.roll(6000), dice.roll(2000), dice.roll(2500));
        let grant = dice.roll(request + 1);
        let end = grant + granted + dice.roll(lag + 1);
        let moment = looked_at(&mut dice, granted, request, lag, end).moment();
        assert!(matches!(moment, Moment::OnTime | Moment::Unseen), "{moment:?}");
    }
}

#[test]
fn no_delay_makes_a_wrong_store_right() {
    let mut dice = Dice(2);
    let mut caught = 0;
    for _ in 0..100_000 {
        let (granted, request, lag) = (2000 + dice.roll(6000), dice.roll(2000), dice.roll(2500));
        // Earlier than any grant could make it, by more than a look may be missed for; or later than any could.
        let is_early = dice.roll(2) == 0;
        let end = if is_early {
            (granted - 1021).saturating_sub(dice.roll(granted))
        } else {
            request + granted + lag + 522 + dice.roll(3000)
        };
        let moment = looked_at(&mut dice, granted, request, lag, end).moment();
        assert_ne!(moment, Moment::OnTime);
        caught += usize::from(moment != Moment::Unseen);
    }
    assert!(caught > 50_000, "most are proven wrong: {caught}");
}
