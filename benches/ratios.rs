//! What kvspec costs, in ratios: `cargo bench`. It prints, and asserts nothing.

use std::fmt::Write as _;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use etcd_client::{GetOptions, KvClient};
use kvspec::backend::etcd::{Access, EtcdBackend};
use kvspec::builtin::{etcd_target, memory_target};
use kvspec::event::{Outcome, RunEvent};
use kvspec::plan::{Filter, Plan};
use kvspec::report::Reporter;
use kvspec::report::badge::Badge;
use kvspec::report::github::Github;
use kvspec::report::html::Html;
use kvspec::report::json::Json;
use kvspec::report::junit::Junit;
use kvspec::runner::{self, Abort, Settings};
use kvspec::scenario::{self, Scenario};
use kvspec::server::etcd::{self as server, ServerOptions};
use kvspec::suite;
use kvspec::target::Target;
use kvspec::transcript::End;
use tokio::runtime::{Builder, Runtime};

/// How many times each side of a comparison is measured, one after the other in turn.
const ROUNDS: usize = 21;
/// How many times a script writes, reads and lists.
const TURNS: usize = 100;
/// How many times a run of 10,000 cases is measured with each set of reports.
const RUNS: usize = 10;

fn main() {
    overhead();
    memory();
    reports();
    etcd();
}

/// The time of one command in a script, over that of the same call on a bare etcd-client, on one server.
fn overhead() {
    let options = ServerOptions::from_env().unwrap_or_default();
    let server = match runtime().block_on(server::find(&options)) {
        Ok(server) => server,
        Err(none) => return println!("overhead: skipped\n{none}"),
    };
    let backend = EtcdBackend::new(server.access().clone());
    let scenario = script();
    let (mut scripted, mut bare) = (Vec::new(), Vec::new());
    // The first round of each warms up what both use, and does not count.
    for round in 0..=ROUNDS {
        let times = (through_runner(&scenario, &backend), through_client(server.access()));
        if round > 0 {
            scripted.push(times.0);
            bare.push(times.1);
        }
    }
    let (scripted, bare) = (median(scripted), median(bare));
    println!(
        "overhead: {:.3}x ({scripted:.1?} a command in a script, {bare:.1?} a call of etcd-client; medians of {ROUNDS} rounds of {} on etcd {})",
        ratio(scripted, bare),
        3 * TURNS,
        server.version()
    );
}

/// A script that writes, reads and lists in turn.
fn script() -> Scenario {
    let mut text = String::from("# What a command costs.\n");
    for turn in 0..TURNS {
        write!(text, "update key{} value\nread key{0}\nlist key\n---\nok\n\n", turn % 10)
            .expect("a string takes all");
    }
    Scenario::parse(Path::new("bench.kv"), PathBuf::from("bench.kv"), text)
        .expect("the script is well-formed")
}

/// The time of one command, from the start of the first to the end of the last.
fn through_runner(scenario: &Scenario, backend: &EtcdBackend) -> Duration {
    let transcript = runner::run(scenario, backend, &Settings::default());
    assert_eq!(transcript.end, End::Finished);
    let [first, .., last] = transcript.entries.as_slice() else { panic!("a short script") };
    (last.at + last.took - first.at) / (3 * TURNS) as u32
}

/// The time of one call, of the same calls in the same order.
fn through_client(access: &Access) -> Duration {
    runtime().block_on(async {
        let client = access.connect(Duration::from_secs(5)).await.expect("a client");
        let mut kv = client.kv_client();
        let started = Instant::now();
        for turn in 0..TURNS {
            calls(&mut kv, turn).await.expect("an answer");
        }
        let took = started.elapsed();
        kv.delete("/kvspec/bench/", Some(etcd_client::DeleteOptions::new().with_prefix()))
            .await
            .expect("a delete");
        took / (3 * TURNS) as u32
    })
}

async fn calls(kv: &mut KvClient, turn: usize) -> Result<(), etcd_client::Error> {
    let key = format!("/kvspec/bench/0123456789abcdef/key{}", turn % 10);
    kv.put(key.as_str(), "value", None).await?;
    kv.get(key, None).await?;
    let options = GetOptions::new().with_prefix().with_keys_only();
    kv.get("/kvspec/bench/0123456789abcdef/key", Some(options)).await?;
    Ok(())
}

/// Scenarios a second in virtual time.
fn memory() {
    let (took, cases, _) = run(memory_target());
    println!(
        "memory: {:.0} scenarios a second ({cases} in {took:.0?})",
        cases as f64 / took.as_secs_f64()
    );
}

/// The time of 10,000 cases on the memory store with reports, over that without any.
fn reports() {
    let file = || BufWriter::with_capacity(1 << 16, tempfile::tempfile().expect("a file"));
    let html = || -> Box<dyn Reporter> { Box::new(Html::new(file(), "kvspec run")) };
    let machines = || -> Vec<Box<dyn Reporter>> {
        vec![
            Box::new(Json::new(file())),
            Box::new(Junit::new(file(), "kvspec run")),
            Box::new(Badge::new(file())),
            Box::new(Github::new(file(), Some(file()), "kvspec run")),
        ]
    };
    let scenarios = many();
    let compare = |make: &dyn Fn() -> Vec<Box<dyn Reporter>>| {
        let (mut bare, mut told) = (Duration::ZERO, Duration::ZERO);
        // The first round warms up, and does not count; each goes first in turn.
        for round in 0..=RUNS {
            let first = (round % 2 == 0).then(|| reported(&scenarios, &mut []));
            let with = reported(&scenarios, &mut make());
            let without = first.unwrap_or_else(|| reported(&scenarios, &mut []));
            if round > 0 {
                bare += without;
                told += with;
            }
        }
        ratio(told, bare)
    };
    let all = || machines().into_iter().chain([html()]).collect();
    println!(
        "reports: {:.3}x with all, {:.3}x with those for machines, {:.3}x with the page (each the sum of {RUNS} runs of {} cases over as many without)",
        compare(&all),
        compare(&machines),
        compare(&|| vec![html()]),
        scenarios.len()
    );
}

/// The suite again and again, as 10,000 scenarios of different names.
fn many() -> Vec<Arc<Scenario>> {
    let suite = scenario::embedded().expect("the suite is well-formed");
    let copies = (0..).flat_map(|copy| suite.iter().map(move |one| (copy, one)));
    let renamed = copies.map(|(copy, one)| {
        Arc::new(Scenario { name: format!("{copy}/{}", one.name), ..one.clone() })
    });
    renamed.take(10_000).collect()
}

/// Runs these scenarios on the memory store; gives the time with these reports.
fn reported(scenarios: &[Arc<Scenario>], reports: &mut [Box<dyn Reporter>]) -> Duration {
    let mut plan = Plan::new(vec![memory_target()], scenarios);
    plan.open();
    let started = Instant::now();
    let summary = suite::run(&plan, &Settings::default(), None, &mut |event| {
        reports.iter_mut().try_for_each(|report| report.take(&event))
    });
    summary.expect("the files take all");
    started.elapsed()
}

/// The suite's time on etcd, over that of its longest scenario.
fn etcd() {
    let options = ServerOptions::from_env().unwrap_or_default();
    let target = etcd_target(options, Abort::new());
    let started = Instant::now();
    if let Err(unavailable) = target.ready() {
        return println!("etcd: skipped\n{}", unavailable.story);
    }
    let start = started.elapsed();
    let (took, cases, longest) = run(target);
    let Some((name, longest)) = longest else { return println!("etcd: nothing was run") };
    println!(
        "etcd: {:.3}x ({cases} scenarios in {took:.2?}, the longest, {name}, in {longest:.2?}; the server started in {start:.2?})",
        ratio(took, longest)
    );
}

/// Runs the suite; gives its time, how many scenarios it was, and the longest.
fn run(target: Target) -> (Duration, usize, Option<(String, Duration)>) {
    let scenarios = scenario::embedded().expect("the suite is well-formed");
    let scenarios = Filter::default().choose(scenarios).expect("the suite is not empty");
    let mut plan = Plan::new(vec![target], &scenarios);
    plan.open();
    let mut longest: Option<(String, Duration)> = None;
    let mut take = |outcome: &Outcome| {
        if longest.as_ref().is_none_or(|(_, took)| outcome.took > *took) {
            longest = Some((outcome.case.scenario.name.clone(), outcome.took));
        }
    };
    let summary = suite::run(&plan, &Settings::default(), None, &mut |event| {
        if let RunEvent::CaseFinished { outcome } = event {
            take(outcome);
        }
        Ok(())
    });
    let summary = summary.expect("the listener fails never");
    if summary.has_failed() || summary.is_unjudged() {
        println!("some scenarios did not pass, so the times mean little: {:?}", summary.tallies);
    }
    (summary.took, plan.len(), longest)
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ratio(one: Duration, other: Duration) -> f64 {
    one.as_secs_f64() / other.as_secs_f64()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().expect("a runtime")
}
