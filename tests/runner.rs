//! The runner's own rules, on stores that are broken on purpose.

#[path = "runner/abort.rs"]
mod abort;
#[path = "runner/cleanup.rs"]
mod cleanup;
#[path = "runner/clients.rs"]
mod clients;
#[path = "runner/deadlines.rs"]
mod deadlines;
#[path = "runner/fence.rs"]
mod fence;
#[path = "runner/judging.rs"]
mod judging;
#[path = "runner/prefix.rs"]
mod prefix;
#[path = "runner/slow.rs"]
mod slow;
#[path = "runner/stage.rs"]
mod stage;
#[path = "runner/suite.rs"]
mod suite;
#[path = "runner/times.rs"]
mod times;
