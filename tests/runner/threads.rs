//! Several threads for the cases of a store in this process: its data races show, and a blocked thread is found.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use kvspec::backend::memory::MemoryStore;
use kvspec::backend::{Backend, Fresh};
use kvspec::runner::{self, Settings};
use kvspec::scenario;
use kvspec::store::{Call, Layer, Layered, OpAnswer, Operand, Reply, Result, Store, TxnAnswer};
use kvspec::verdict::{Verdict, judge};
use rstest::rstest;

use super::stage;

type Faulty = Layered<MemoryStore>;

/// The memory store on the wall clock behind a layer.
fn faulty(
    layer: impl Layer<MemoryStore> + Copy + 'static,
    threads: usize,
) -> Fresh<MemoryStore, Faulty> {
    let open = move |store: &MemoryStore| Layered::new(Arc::new(layer), store.client(), 0);
    Fresh::new("faulty", MemoryStore::new, open).on_threads(threads)
}

fn run(backend: impl Backend + 'static, script: &scenario::Scenario) -> Verdict {
    let deadline = Duration::from_millis(300);
    let settings = Settings { deadline, ..Settings::default() };
    let (script, backend) = (Arc::new(script.clone()), Arc::new(backend) as Arc<dyn Backend>);
    judge(&script, &runner::run_watched(&script, &backend, &settings))
}

/// Compares, and then puts, with no lock around both. It awaits nothing in between.
#[derive(Clone, Copy)]
struct Torn;

#[async_trait]
impl Layer<MemoryStore> for Torn {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        let Call::Txn { txn } = call else { return call.perform(next.as_ref()).await };
        let found = next.read(&txn.compare[0].key).await?;
        let succeeded = found.map(Operand::Value).as_ref() == Some(&txn.compare[0].operand);
        // Long enough for others to do the same.
        std::thread::sleep(Duration::from_millis(5));
        if let (true, kvspec::store::Op::Put { key, value, .. }) = (succeeded, &txn.then[0]) {
            next.update(key, value).await?;
        }
        let answers = if succeeded { vec![OpAnswer::Put] } else { Vec::new() };
        Ok(TxnAnswer::new(succeeded, answers).into())
    }
}

#[test]
fn a_data_race_shows_on_several_threads_only() {
    let suite = scenario::embedded().expect("the suite is well-formed");
    let script = suite.iter().find(|one| one.name == "txn/race-for-a-key").expect("it is there");
    assert_eq!(run(faulty(Torn, 1), script), Verdict::Passed);
    let Verdict::Failed(mismatch) = run(faulty(Torn, 4), script) else { panic!("it passed") };
    assert!(format!("{mismatch:?}").contains("clients won one round"), "{mismatch:?}");
}

#[test]
fn virtual_time_has_one_thread() {
    let on_both = faulty(Torn, 4).on_both_clocks();
    let suite = scenario::embedded().expect("the suite is well-formed");
    let script = suite.iter().find(|one| one.name == "txn/race-for-a-key").expect("it is there");
    let [_, on_virtual_time] = on_both;
    assert_eq!(run(on_virtual_time, script), Verdict::Passed);
}

/// What happens in a read.
#[derive(Clone, Copy)]
enum Read {
    Blocks,
    Panics,
}

#[async_trait]
impl Layer<MemoryStore> for Read {
    async fn call(&self, next: &Arc<MemoryStore>, _: usize, call: Call) -> Result<Reply> {
        match (call, self) {
            (Call::Read { .. }, Self::Blocks) => loop {
                std::thread::park();
            },
            (Call::Read { .. }, Self::Panics) => panic!("torn page"),
            (call, _) => call.perform(next.as_ref()).await,
        }
    }
}

#[rstest]
#[case::one_of_two(Read::Blocks, "read k\n", "error: deadline exceeded")]
#[case::a_panic(Read::Panics, "read k\n", "torn page")]
fn a_call_that_fails_on_its_thread_is_an_answer(
    #[case] read: Read,
    #[case] script: &str,
    #[case] words: &str,
) {
    let verdict = run(faulty(read, 2), &stage::scenario(&format!("{script}---\nread k: v\n")));
    let Verdict::Failed(mismatch) = verdict else { panic!("{verdict:?}") };
    assert!(format!("{mismatch:?}").contains(words), "{mismatch:?}");
}

#[test]
fn a_store_that_blocks_every_thread_is_given_up() {
    let script = stage::scenario("read k\nb: read k\nc: read k\n---\nread k: v\n");
    let verdict = run(faulty(Read::Blocks, 2), &script);
    let Verdict::Errored(reason) = verdict else { panic!("{verdict:?}") };
    assert!(reason.starts_with("faulty blocked the thread of its case at "), "{reason}");
}
