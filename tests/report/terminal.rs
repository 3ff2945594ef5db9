//! What people see in a terminal of 80 columns: failures, and the end of a run.

use std::sync::Arc;
use std::time::Duration;

use insta::{Settings as Snapshots, assert_snapshot};
use kvspec::event::{Outcome, RunEvent, Summary, Tally};
use kvspec::mutants;
use kvspec::plan::Plan;
use kvspec::report::Reporter;
use kvspec::report::paint::Paint;
use kvspec::report::terminal::{Detail, Terminal};
use kvspec::runner::Settings;
use kvspec::scenario::{self, Scenario};
use kvspec::suite;
use kvspec::target::Target;

/// Scenarios that a store fails in which a deletion does nothing.
const DELETING: [&str; 33] = [
    "core/add/visible-to-others",
    "core/cleanup/all-gone",
    "core/cleanup/by-another-client",
    "revision/compact-keeps-the-present",
    "core/cleanup/many",
    "core/cleanup/stays-gone",
    "core/delete/keeps-others",
    "core/delete/missing-is-silent",
    "core/delete/prefix-trap",
    "core/delete/recreate",
    "core/delete/wildcard-is-literal",
    "core/liveness/call-after-event",
    "core/liveness/watch-then-update",
    "core/read/deleted",
    "core/read/own-writes",
    "core/watch/event-types",
    "core/watch/not-pushed",
    "core/watch/order-across-keys",
    "core/watch/other-client",
    "core/watch/overlapping-prefixes",
    "core/watch/prefix-exact",
    "core/watch/slow-reader",
    "core/watch/two-clients-agree",
    "revision/versions",
    "core/watch/value-is-the-events",
    "durability/closed",
    "durability/counters",
    "durability/crash-after-delete",
    "durability/history",
    "revision/one-per-write",
    "durability/revisions-go-on",
    "durability/watch-after",
    "durability/watch-resumes",
];

/// What becomes of scenarios on the memory store with a fault, or without one; each took 7 ms, and all 1.5 s.
fn outcomes(fault: Option<&str>, names: &[&str]) -> Vec<Outcome> {
    let is_wanted = |one: &Scenario| names.contains(&one.name.as_str());
    let scenarios: Vec<_> =
        scenario::embedded().unwrap().into_iter().filter(is_wanted).map(Arc::new).collect();
    assert_eq!(scenarios.len(), names.len(), "a scenario is gone");
    let mutant = |name| mutants::all().into_iter().find(|one| one.name == name).expect("a mutant");
    let target = match fault {
        Some(name) => Target::new(mutant(name)).called("mine"),
        None => kvspec::builtin::memory_target().called("mine"),
    };
    let mut plan = Plan::new(vec![target], &scenarios);
    plan.open();
    let mut outcomes = Vec::new();
    suite::run(&plan, &Settings::default(), None, &mut |event| {
        if let RunEvent::CaseFinished { outcome } = event {
            outcomes.push(outcome.clone());
        }
        Ok(())
    })
    .unwrap();
    outcomes.iter_mut().for_each(|one| one.took = Duration::from_millis(7));
    outcomes.sort_by(|one, other| one.case.scenario.name.cmp(&other.case.scenario.name));
    outcomes
}

/// What the terminal shows of them.
fn shown(outcomes: &[Outcome], detail: Detail) -> String {
    let mut out = Vec::new();
    let paint = Paint::new(false).within(80);
    let mut terminal = Terminal::new(&mut out, paint, false, "kvspec run").detail(detail);
    let (name, about, version) = ("mine", Ok("mine 2.1, in memory"), Some("2.1"));
    let cases = outcomes.len();
    let capabilities = None;
    terminal.take(&RunEvent::TargetStarted { name, about, version, capabilities, cases }).unwrap();
    let mut tally = Tally::default();
    tally.took = Duration::from_millis(1500);
    for outcome in outcomes {
        tally.add(outcome);
        terminal.take(&RunEvent::CaseFinished { outcome }).unwrap();
    }
    let mut summary = Summary::default();
    summary.took = tally.took;
    summary.tallies.push((name.into(), tally));
    terminal.take(&RunEvent::Finished { summary: &summary }).unwrap();
    String::from_utf8(out).unwrap()
}

/// The part of what is shown that comes after the cases.
fn end(outcomes: &[Outcome]) -> String {
    let shown = shown(outcomes, Detail::Quiet);
    let at = shown.find("passed of run").expect("a table");
    shown[at..].into()
}

fn snapshots() -> Snapshots {
    let mut snapshots = Snapshots::clone_current();
    snapshots.set_prepend_module_to_snapshot(false);
    snapshots.set_omit_expression(true);
    snapshots
}

#[test]
fn three_failures() {
    let names = ["core/ttl/then-plain", "core/ttl/delete-recreate", "core/ttl/shorten"];
    let mut outcomes = outcomes(Some("ttl-timer-by-name"), &names);
    outcomes.extend(self::outcomes(Some("delete-does-nothing"), &["core/delete/keeps-others"]));
    let shown = shown(&outcomes, Detail::Normal);
    snapshots().bind(|| assert_snapshot!("three_failures", shown));
    let prose = shown.lines().filter(|line| !line.contains('│') && !line.contains("rerun:"));
    prose.for_each(|line| assert!(line.chars().count() <= 80, "{line}"));
}

#[test]
fn the_end_of_a_run() {
    snapshots().bind(|| {
        assert_snapshot!("end_of_0_failures", end(&outcomes(None, &DELETING)));
        let ttls =
            outcomes(Some("ttl-timer-by-name"), &["core/ttl/then-plain", "core/ttl/expires"]);
        let four = [
            ttls,
            outcomes(Some("delete-does-nothing"), &DELETING[..3]),
            outcomes(None, &DELETING[3..]),
        ];
        assert_snapshot!("end_of_4_failures", end(&four.concat()));
        let all = end(&outcomes(Some("delete-does-nothing"), &DELETING));
        assert_snapshot!("end_of_33_failures", all);
        assert!(all.lines().all(|line| line.chars().count() <= 80), "{all}");
    });
}

#[test]
fn a_case_in_full() {
    let outcomes = outcomes(None, &["core/ttl/then-plain"]);
    snapshots().bind(|| assert_snapshot!("verbose", shown(&outcomes, Detail::Verbose)));
}
