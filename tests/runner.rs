//! The runner's own rules, on stores that are broken on purpose.

#[path = "runner/abort.rs"]
mod abort;
#[path = "runner/charged.rs"]
mod charged;
#[path = "runner/cleanup.rs"]
mod cleanup;
#[path = "runner/clients.rs"]
mod clients;
#[path = "runner/deadlines.rs"]
mod deadlines;
#[path = "runner/edges.rs"]
mod edges;
#[path = "runner/fence.rs"]
mod fence;
#[path = "runner/fresh.rs"]
mod fresh;
#[path = "runner/judging.rs"]
mod judging;
#[path = "runner/max_value.rs"]
mod max_value;
#[path = "runner/prefix.rs"]
mod prefix;
#[path = "runner/raced.rs"]
mod raced;
#[path = "runner/readers.rs"]
mod readers;
#[path = "runner/shards.rs"]
mod shards;
#[path = "runner/slow.rs"]
mod slow;
#[path = "runner/stage.rs"]
mod stage;
#[path = "runner/suite.rs"]
mod suite;
#[path = "runner/threads.rs"]
mod threads;
#[path = "runner/times.rs"]
mod times;
