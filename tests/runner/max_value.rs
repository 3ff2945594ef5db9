//! Sizes in scripts follow the largest value that a store says it takes.

use std::sync::Arc;

use kvspec::backend::Fresh;
use kvspec::backend::memory::MemoryStore;
use kvspec::event::RunEvent;
use kvspec::plan::Plan;
use kvspec::runner::Settings;
use kvspec::scenario;
use kvspec::store::Limits;
use kvspec::suite;
use kvspec::target::Target;
use kvspec::verdict::Verdict;
use rstest::rstest;

const SIZED: [&str; 4] = [
    "core/limits/value-1mib",
    "core/limits/value-too-large",
    "core/watch/big-value",
    "txn/too-large",
];

/// The scenarios of sizes that the memory store, which takes 1.5 MiB a request, fails if it declares this.
fn failed(max_value: usize) -> Vec<String> {
    let store = Fresh::new("memory", MemoryStore::new, MemoryStore::client).on_virtual_time();
    let store = store.with_limits(Limits::default().with_max_value(max_value));
    let mut scenarios: Vec<_> = scenario::embedded().unwrap();
    scenarios.retain(|one| SIZED.contains(&one.name.as_str()));
    let scenarios: Vec<_> = scenarios.into_iter().map(Arc::new).collect();
    let mut plan = Plan::new(vec![Target::new(store)], &scenarios);
    plan.open();
    let mut failed = Vec::new();
    let run = suite::run(&plan, &Settings::default(), None, &mut |event| {
        if let RunEvent::CaseFinished { outcome } = event
            && outcome.verdict != Verdict::Passed
        {
            failed.push(outcome.case.scenario.name.clone());
        }
        Ok(())
    });
    run.expect("every event is heard");
    failed.sort();
    failed
}

#[rstest]
#[case::as_it_is(1 << 20, &[])]
#[case::within_what_is_left_open(1_048_000, &[])]
#[case::more_than_it_takes(2 << 20, &["core/limits/value-1mib", "core/watch/big-value", "txn/too-large"])]
#[case::less_than_it_takes(900_000, &["core/limits/value-too-large", "txn/too-large"])]
fn sizes_follow_the_limit(#[case] max_value: usize, #[case] fails: &[&str]) {
    assert_eq!(failed(max_value), fails);
}
