//! The events of a watch, each or counted, and how they read.

use serde::{Deserialize, Serialize};

use super::{Mark, Order, error_line};
use crate::store::{StoreError, WatchEvent};
use crate::words::{Value, distance, quote_value};

/// One change of one key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Event {
    /// The key was written.
    Put {
        /// The key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
        /// The value.
        value: Value,
        /// The revision of the write; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
    /// The key was deleted.
    Delete {
        /// The key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
        /// The revision of the deletion; `None` where the store has no revisions.
        mod_revision: Option<i64>,
    },
}

impl From<WatchEvent> for Event {
    fn from(event: WatchEvent) -> Self {
        match event {
            WatchEvent::Put { key, value, mod_revision } => {
                Self::Put { key, value: value.into(), mod_revision }
            }
            WatchEvent::Delete { key, mod_revision } => Self::Delete { key, mod_revision },
        }
    }
}

/// The writes of one key that came, by the numbers that a `fill` gave them, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writes {
    /// The key.
    #[serde(with = "crate::wire")]
    pub key: Vec<u8>,
    /// The numbers.
    pub numbers: Vec<u64>,
}

/// What is said where a write that was to be delivered is not in the store either.
const LOST: &str = "a write was acknowledged and lost: the store does not have it";

/// The events of a watch since it was last asked for them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Events {
    /// The events.
    pub events: Vec<Event>,
    /// What was wrong with the revisions that they came with, in runs that were recorded without those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
    /// The revisions that came since the last answer, by which their order is judged.
    #[serde(default, skip_serializing_if = "Order::is_empty")]
    pub order: Order,
    /// The error that ended the watch.
    pub error: Option<StoreError>,
    /// The mark that revisions are reported from, where they are.
    pub since: Option<Mark>,
    /// Whether a write that was to be delivered was acknowledged and is not in the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_write_lost: bool,
    /// Whether events still came when the time for reading them was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut_off: bool,
}

/// The events of a watch, counted.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventCount {
    /// How many puts.
    pub puts: usize,
    /// How many deletes.
    pub deletes: usize,
    /// How many different keys.
    pub keys: usize,
    /// The writes of every key that came more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub writes: Vec<Writes>,
    /// A key of which a write came after a later one, in runs that were recorded without the writes.
    #[serde(default, with = "crate::wire", skip_serializing_if = "Option::is_none")]
    pub disorder: Option<Vec<u8>>,
    /// What was wrong with the revisions that they came with, in runs that were recorded without those.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub flaws: Vec<String>,
    /// The revisions that came since the last answer, by which their order is judged.
    #[serde(default, skip_serializing_if = "Order::is_empty")]
    pub order: Order,
    /// The error that ended the watch.
    pub error: Option<StoreError>,
    /// Whether a write that was to be delivered was acknowledged and is not in the store.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_write_lost: bool,
    /// Whether events still came when the time for reading them was over.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_cut_off: bool,
}

impl Events {
    /// What is wrong with the revisions that they came with.
    pub fn flaws(&self) -> Vec<String> {
        flaws(&self.flaws, &self.order)
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let told = |event: &Event| event_line(event, self.since.as_ref());
        let mut lines: Vec<_> = self.events.iter().map(told).collect();
        lines.extend(self.flaws());
        lines.extend(self.is_write_lost.then(|| LOST.to_owned()));
        lines.extend(self.error.as_ref().map(error_line));
        if lines.is_empty() {
            lines.push("(no events)".into());
        }
        lines
    }
}

impl EventCount {
    /// What is wrong with the revisions that they came with.
    pub fn flaws(&self) -> Vec<String> {
        flaws(&self.flaws, &self.order)
    }

    /// A key of which a write came after a later one, or a second time.
    fn disorder(&self) -> Option<&[u8]> {
        let is_wrong = |writes: &&Writes| !writes.numbers.is_sorted_by(|a, b| a < b);
        let wrong = self.writes.iter().find(is_wrong).map(|writes| writes.key.as_slice());
        wrong.or(self.disorder.as_deref())
    }

    pub(super) fn lines(&self) -> Vec<String> {
        let mut line = format!("{} puts, {} deletes, {} keys", self.puts, self.deletes, self.keys);
        match self.disorder() {
            Some(key) => line.push_str(&format!(", out of order at {}", quote_value(key))),
            None => line.push_str(", in order"),
        }
        std::iter::once(line)
            .chain(self.flaws())
            .chain(self.is_write_lost.then(|| LOST.to_owned()))
            .chain(self.error.as_ref().map(error_line))
            .collect()
    }
}

fn event_line(event: &Event, since: Option<&Mark>) -> String {
    let (line, revision) = match event {
        Event::Put { key, value, mod_revision } => {
            (format!("put {} {value}", quote_value(key)), mod_revision)
        }
        Event::Delete { key, mod_revision } => {
            (format!("delete {}", quote_value(key)), mod_revision)
        }
    };
    let Some(mark) = since else { return line };
    match revision {
        Some(revision) => format!("{line} at {}", distance(&mark.name, mark.revision, *revision)),
        None => format!("{line} at no revision"),
    }
}

fn flaws(recorded: &[String], order: &Order) -> Vec<String> {
    recorded.iter().cloned().chain(order.flaws().into_iter().map(String::from)).collect()
}
