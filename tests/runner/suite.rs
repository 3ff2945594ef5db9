//! The whole run: what is chosen, what runs beside what, and what ends it early.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use kvspec::backend::Shared;
use kvspec::backend::memory::MemoryStore;
use kvspec::event::{RunEvent, Summary};
use kvspec::plan::{Filter, FilterError, Plan};
use kvspec::runner::Settings;
use kvspec::scenario::{self, Scenario};
use kvspec::store::{Call, ErrorKind, Reply, Result, Store, StoreError};
use kvspec::suite;
use kvspec::target::{Target, Unavailable};
use kvspec::verdict::Verdict;
use rstest::rstest;

use super::stage::{Right, Stage, Twist};

/// What the scripts here wait for by themselves.
const AN_HOUR: Duration = Duration::from_secs(3600);

fn named(name: &str, script: &str) -> Arc<Scenario> {
    let text = format!("# A law.\n{script}");
    let scenario = Scenario::parse(name.as_ref(), format!("{name}.kv").into(), text);
    Arc::new(scenario.expect("the script is well-formed"))
}

fn planned(targets: Vec<Target>, scenarios: &[Arc<Scenario>]) -> Plan {
    let mut plan = Plan::new(targets, scenarios);
    plan.open();
    plan
}

/// Runs a plan, and tells what was begun, in that order.
fn run(plan: &Plan, jobs: Option<usize>, settings: &Settings) -> (Summary, Vec<String>) {
    let mut begun = Vec::new();
    let summary = suite::run(plan, settings, jobs, &mut |event| {
        if let RunEvent::CaseStarted { case } = event {
            begun.push(case.scenario.name.clone());
        }
        Ok(())
    });
    (summary.expect("nobody fails to listen"), begun)
}

/// Counts the cases that are under way, and whether an exclusive one was ever beside another.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    now: usize,
    most: usize,
    alone: usize,
    disturbed: usize,
}

#[async_trait]
impl Twist for Crowd {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::Update { key, .. } = &call else { return call.perform(store).await };
        let is_alone = key.ends_with(b"alone");
        {
            let mut counts = self.0.lock().unwrap();
            counts.now += 1;
            counts.alone += usize::from(is_alone);
            counts.most = counts.most.max(counts.now);
            counts.disturbed += usize::from(counts.alone > 0 && counts.now > 1);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
        {
            let mut counts = self.0.lock().unwrap();
            counts.now -= 1;
            counts.alone -= usize::from(is_alone);
        }
        call.perform(store).await
    }
}

fn crowd() -> Vec<Arc<Scenario>> {
    let mut all: Vec<_> =
        (0..12).map(|number| named(&format!("shared-{number}"), "update k v\n---\nok\n")).collect();
    for number in 0..3 {
        let script = "# exclusive: it counts all keys\nupdate alone v\n---\nok\n";
        all.insert(number * 4, named(&format!("alone-{number}"), script));
    }
    all
}

#[rstest]
#[case::one(1)]
#[case::four(4)]
#[case::many(64)]
fn an_exclusive_case_has_a_shared_store_alone_and_jobs_are_kept(#[case] jobs: usize) {
    let crowd_twist = Crowd::default();
    let plan = planned(vec![Target::new(Stage::wall(crowd_twist.clone()))], &crowd());
    let (summary, begun) = run(&plan, Some(jobs), &Settings::default());
    let counts = crowd_twist.0.lock().unwrap();
    assert_eq!(counts.disturbed, 0);
    assert!(counts.most <= jobs, "{} beside each other", counts.most);
    assert!(jobs == 1 || counts.most > 1, "nothing ran side by side");
    assert_eq!((summary.tallies[0].1.passed, begun.len()), (15, 15));
}

#[test]
fn the_longest_waits_come_first() {
    let scenarios = [
        named("short", "wait 10ms\n---\nok\n"),
        named("none", "read k\n---\n(none)\n"),
        named("long", "update k v ttl=1h\n---\nok\n"),
        named("middle", "lease a ttl=2s\nwait 1s\n---\nok\n"),
    ];
    let plan = planned(vec![Target::new(Stage::new(Right))], &scenarios);
    let (_, begun) = run(&plan, Some(1), &Settings::default());
    assert_eq!(begun, ["long", "middle", "short", "none"]);
}

/// One kind of trouble for each key.
struct Troubles;

#[async_trait]
impl Twist for Troubles {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match &call {
            Call::Update { key, .. } if key.ends_with(b"panic") => panic!("a bug in the store"),
            Call::Read { key } if key.ends_with(b"slow") => {
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
            Call::Delete { key } if key.ends_with(b"stuck") => return Ok(().into()),
            _ => {}
        }
        call.perform(store).await
    }
}

#[test]
fn every_verdict_is_counted_once_and_only_passing_passes() {
    let scenarios = [
        named("good", "update k v\n---\nok\n"),
        named("wrong", "read k\n---\nv\n"),
        named("panics", "update panic v\n---\nok\n"),
        named("unclear", "update slow v ttl=1s\nexpire slow\n---\nslow expired on time\n"),
        named("left", "update stuck v\n---\nok\n"),
        named("left-and-wrong", "update stuck v\nread stuck\n---\nread stuck: w\n"),
        named("needs-more", "# needs: revisions\nread k\n---\n(none)\n"),
    ];
    let plan = planned(vec![Target::new(Stage::wall(Troubles))], &scenarios);
    let (summary, _) = run(&plan, None, &Settings::default());
    let (name, tally) = &summary.tallies[0];
    assert_eq!(name, "stage");
    assert_eq!((tally.passed, tally.failed, tally.unclear, tally.errored), (2, 3, 1, 0));
    assert_eq!(
        tally.skipped.iter().collect::<Vec<_>>(),
        [(&"the store has no revisions".to_string(), &1)]
    );
    assert!(summary.has_failed() && summary.is_unjudged());
    assert_eq!(summary.ended_early, None);
}

/// A server that goes away after so many reads.
struct GoesAway(AtomicUsize, usize);

#[async_trait]
impl Twist for GoesAway {
    async fn ping(&self) -> Result<()> {
        if self.0.load(Ordering::SeqCst) > self.1 {
            return Err(StoreError::new(ErrorKind::Unavailable, "nobody listens"));
        }
        Ok(())
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let is_read = matches!(call, Call::Read { .. });
        if is_read && self.0.fetch_add(1, Ordering::SeqCst) >= self.1 {
            return Err(StoreError::new(ErrorKind::Unavailable, "connection refused"));
        }
        call.perform(store).await
    }
}

#[test]
fn a_lost_server_ends_the_run_and_is_told_once() {
    let scenarios: Vec<_> = (0..30)
        .map(|number| {
            named(&format!("case-{number:02}"), "read k\nwait 1ms\n---\nread k: (none)\n")
        })
        .collect();
    let stage = Stage { name: "gone", ..Stage::wall(GoesAway(AtomicUsize::new(0), 3)) };
    let targets = vec![Target::new(stage), Target::new(Stage::new(Right))];
    let settings = Settings::default();
    let (summary, begun) = run(&planned(targets, &scenarios), Some(1), &settings);
    assert_eq!(
        summary.ended_early.as_deref(),
        Some("gone was lost, which case-03 noticed first: nobody listens")
    );
    let (_, tally) = &summary.tallies[0];
    assert_eq!((tally.passed, tally.failed, tally.errored), (3, 0, 0), "{tally:?}");
    assert_eq!(tally.unfinished, 27, "the others were not run");
    assert_eq!(begun.len(), 4, "{begun:?}");
    assert_eq!(summary.tallies[1].1.unfinished, 30);
    assert!(summary.is_unjudged(), "a run that ended early says nothing");
}

/// Says for so many reads that it cannot serve.
struct Busy(Mutex<usize>);

#[async_trait]
impl Twist for Busy {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Read { .. } = call {
            let mut left = self.0.lock().unwrap();
            if *left > 0 {
                *left -= 1;
                return Err(StoreError::new(ErrorKind::Unavailable, "too busy"));
            }
        }
        call.perform(store).await
    }
}

#[rstest]
#[case::for_a_moment(2, (1, 0))]
#[case::always(usize::MAX, (0, 1))]
fn a_store_that_could_not_serve_is_asked_again_alone(
    #[case] refusals: usize,
    #[case] told: (usize, usize),
) {
    let scenarios = [named("busy", "read k\n---\n(none)\n")];
    let plan = planned(vec![Target::new(Stage::new(Busy(Mutex::new(refusals))))], &scenarios);
    let (summary, _) = run(&plan, None, &Settings::default());
    let (_, tally) = &summary.tallies[0];
    assert_eq!((tally.passed, tally.failed), told, "{tally:?}");
    assert_eq!(summary.ended_early, None);
}

/// A server that two pings do not reach.
struct Stumbles(Mutex<usize>);

#[async_trait]
impl Twist for Stumbles {
    async fn ping(&self) -> Result<()> {
        let mut pings = self.0.lock().unwrap();
        *pings += 1;
        if *pings <= 2 { Err(ErrorKind::Unavailable.into()) } else { Ok(()) }
    }

    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        match call {
            Call::Read { .. } => Err(ErrorKind::Unavailable.into()),
            call => call.perform(store).await,
        }
    }
}

#[test]
fn a_server_that_a_later_ping_reaches_is_not_lost() {
    let stage = Stage::new(Stumbles(Mutex::new(0)));
    let run = stage.run("read k\nlist k\n---\nread k: (none)\nlist k: (no keys)\n");
    run.fails_at(2);
    assert_eq!(run.transcript.entries.len(), 2, "the script went on");
}

#[test]
fn an_unavailable_answer_of_a_server_that_is_there_is_judged() {
    struct Moody;
    #[async_trait]
    impl Twist for Moody {
        async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
            match call {
                Call::Read { .. } => Err(ErrorKind::Unavailable.into()),
                call => call.perform(store).await,
            }
        }
    }
    let run = Stage::new(Moody).run("read k\nlist k\n---\nread k: (none)\nlist k: (no keys)\n");
    run.fails_at(2);
    assert_eq!(run.transcript.entries.len(), 2, "the script went on");
}

#[test]
fn an_interrupted_run_ends_soon_and_says_so() {
    let scenarios: Vec<_> =
        (0..20).map(|number| named(&format!("case-{number}"), "wait 1h\n---\nok\n")).collect();
    let plan = planned(vec![Target::new(Stage::wall(Right))], &scenarios);
    let settings = Settings::default();
    let started = Instant::now();
    let mut begun = 0;
    let summary = suite::run(&plan, &settings, Some(5), &mut |event| {
        if let RunEvent::CaseStarted { .. } = event {
            begun += 1;
            if begun == 5 {
                settings.abort.throw();
            }
        }
        Ok(())
    });
    let summary = summary.expect("nobody fails to listen");
    assert!(started.elapsed() < AN_HOUR / 60);
    assert_eq!(summary.ended_early.as_deref(), Some("interrupted"));
    let (_, tally) = &summary.tallies[0];
    assert_eq!((tally.unfinished, tally.errored, begun), (20, 0, 5));
    assert!(summary.is_unjudged());
}

#[test]
fn a_listener_that_fails_ends_the_run() {
    let scenarios: Vec<_> =
        (0..20).map(|number| named(&format!("case-{number}"), "wait 1h\n---\nok\n")).collect();
    let plan = planned(vec![Target::new(Stage::wall(Right))], &scenarios);
    let started = Instant::now();
    let ended = suite::run(&plan, &Settings::default(), Some(4), &mut |event| match event {
        RunEvent::CaseStarted { .. } => Err(std::io::ErrorKind::BrokenPipe.into()),
        _ => Ok(()),
    });
    assert_eq!(ended.unwrap_err().kind(), std::io::ErrorKind::BrokenPipe);
    assert!(started.elapsed() < AN_HOUR / 60);
}

#[test]
fn a_target_that_is_not_there_is_skipped_with_its_reason() {
    let gone = Target::opened_by("absent", || {
        Err(Unavailable { reason: "nobody is home".into(), story: "none".into(), is_named: false })
    });
    let plan = planned(vec![gone], &[named("a", "read k\n---\n(none)\n")]);
    let (summary, begun) = run(&plan, None, &Settings::default());
    assert_eq!(summary.tallies[0].1.skipped.iter().next().unwrap(), (&"nobody is home".into(), &1));
    assert!(begun.is_empty() && !summary.is_unjudged() && !summary.has_failed());
}

#[test]
fn a_store_that_panics_when_it_is_first_asked_is_a_target_that_is_not_there() {
    struct Panics;
    #[async_trait]
    impl Twist for Panics {
        async fn open(&self) -> Result<()> {
            panic!("a bug in open");
        }
    }
    let target = Target::new(Stage::new(Panics));
    let unavailable = target.ready().err().expect("it cannot be opened");
    assert!(unavailable.reason.contains("a bug in open"), "{unavailable:?}");
    assert!(unavailable.is_named, "nobody may take it for a green run");
}

fn chosen(filter: Filter) -> std::result::Result<Vec<String>, FilterError> {
    let scenarios = scenario::embedded().expect("the embedded suite is well-formed");
    Ok(filter.choose(scenarios)?.iter().map(|one| one.name.clone()).collect())
}

fn filter(patterns: &[&str], skip: &[&str], exact: bool) -> Filter {
    let owned = |words: &[&str]| words.iter().map(ToString::to_string).collect();
    Filter { patterns: owned(patterns), skip: owned(skip), exact }
}

const NAME: &str = "core/watch/two-updates-one-key";

#[rstest]
#[case::whole_name(&[NAME], &[], false)]
#[case::part(&["two-updates"], &[], false)]
#[case::as_cargo_test_shows_it(&["core::watch::two-updates-one-key"], &[], true)]
#[case::exact(&[NAME], &[], true)]
#[case::minus_another(&["two-updates", "core/watch/two-clients"], &["two-clients"], false)]
#[case::minus_in_the_other_form(&["two-updates", "core/watch/two-clients"], &["watch::two-clients"], false)]
#[case::twice(&["two-updates", NAME], &[], false)]
fn a_pattern_chooses_by_any_form_of_the_name(
    #[case] patterns: &[&str],
    #[case] skip: &[&str],
    #[case] exact: bool,
) {
    assert_eq!(chosen(filter(patterns, skip, exact)).unwrap(), [NAME]);
}

#[rstest]
#[case::unknown(&["two-updates", "nonsense"], false, "nonsense")]
#[case::a_part_where_the_whole_is_meant(&["two-updates"], true, "two-updates")]
fn a_pattern_that_matches_nothing_is_named(
    #[case] patterns: &[&str],
    #[case] exact: bool,
    #[case] named: &str,
) {
    let error = chosen(filter(patterns, &[], exact)).unwrap_err();
    assert!(matches!(&error, FilterError::Pattern { pattern, .. } if pattern == named));
    assert!(error.to_string().contains(&format!("'{named}'")), "{error}");
}

#[test]
fn a_filter_that_leaves_nothing_is_an_error() {
    let error = chosen(filter(&["two-updates"], &["core"], false)).unwrap_err();
    assert_eq!(error, FilterError::Nothing);
}

#[test]
fn without_a_filter_all_are_chosen_in_the_order_of_their_names() {
    let all = chosen(Filter::default()).unwrap();
    assert!(all.is_sorted());
    assert_eq!(all.len(), scenario::embedded().unwrap().len());
}

#[test]
fn a_case_is_named_as_cargo_test_names_it() {
    let plan = planned(
        vec![Target::new(Stage::new(Right))],
        &[named("core/watch/a-b", "read k\n---\nok\n")],
    );
    assert_eq!(plan.shares[0].cases[0].test_name(), "stage::core::watch::a-b");
}

#[test]
fn writes_of_others_accuse_no_store() {
    let store = Arc::new(MemoryStore::new());
    let (below, is_over) = (store.clone(), Arc::new(AtomicUsize::new(0)));
    let has_ended = is_over.clone();
    let others = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        while has_ended.load(Ordering::Relaxed) == 0 {
            runtime.block_on(below.update(b"/others/k", b"v")).unwrap();
            std::thread::sleep(Duration::from_millis(1));
        }
    });
    let shared = Shared::new("shared", move || {
        let client = store.client();
        async move { Ok(client) }
    });
    let script = "mark m\nfill k count=200\nwait 100ms\nrevision since=m\n---\nrevision: m+200\n";
    let counted = named("revision/counts", &format!("# exclusive: counts revisions\n{script}"));
    let plan = planned(vec![Target::new(shared)], &[counted]);
    let mut verdicts = Vec::new();
    let run = suite::run(&plan, &Settings::default(), None, &mut |event| {
        if let RunEvent::CaseFinished { outcome } = event {
            verdicts.push(outcome.verdict.clone());
        }
        Ok(())
    });
    is_over.store(1, Ordering::Relaxed);
    others.join().unwrap();
    run.expect("nobody fails to listen");
    let [Verdict::Unclear(reason)] = verdicts.as_slice() else { panic!("{verdicts:?}") };
    assert!(reason.contains("others write to the store"), "{reason}");
}
