//! Which clause a wrong answer breaks, by the command, the answer that it should have had and the one that it had.

use crate::command::{Command, Topic};
use crate::contract::clause;
use crate::effect::{Effect, Found, Sight, WatchChange};
use crate::store::{ErrorKind, StoreError};
use crate::transcript::{Answer, EventCount, Events, Moment};
use crate::words::Value;

/// A command that was answered wrongly.
pub(super) struct Wrong<'a> {
    /// The commands of the script before it.
    pub before: &'a [Command],
    /// The command.
    pub command: &'a Command,
    /// The lines that it should have answered, without its label.
    pub expected: &'a [String],
    /// What it answered.
    pub observed: &'a Answer,
    /// The clauses that the script names, in its order.
    pub clauses: &'a [String],
}

/// The clause that the answer breaks; `None` if this answer does not show it.
///
/// Where several clauses are possible, the script's own come first, in its order.
pub(super) fn charge(wrong: &Wrong<'_>) -> Option<String> {
    if let Some(error) = wrong.observed.error().filter(|error| unanswered(error)) {
        return wrong.hung(error);
    }
    if let Some(refusal) = wrong.refusal() {
        return wrong.not_refused(refusal);
    }
    match wrong.observed {
        Answer::Error(error) => wrong.refused(error.kind),
        Answer::Panic(_) => None,
        _ => wrong.answered(),
    }
}

fn unanswered(error: &StoreError) -> bool {
    error.kind == ErrorKind::DeadlineExceeded
}

impl Wrong<'_> {
    /// The first of the script's clauses that is one of these, or else the first of these.
    fn one_of(&self, clauses: &[&str]) -> Option<String> {
        let own = self.clauses.iter().find(|own| clauses.contains(&own.as_str()));
        own.cloned().or_else(|| clauses.first().map(ToString::to_string))
    }

    /// The first of the script's clauses that belongs to one of these groups, or else `otherwise`.
    fn in_groups(&self, groups: &[&str], otherwise: &str) -> Option<String> {
        let is_in = |id: &&String| clause(id).is_some_and(|one| groups.contains(&one.group()));
        Some(self.clauses.iter().find(is_in).cloned().unwrap_or_else(|| otherwise.into()))
    }

    /// The first of the script's clauses that is about what is in the store, or else `otherwise`.
    fn state(&self, otherwise: &str) -> Option<String> {
        self.in_groups(&["K", "P", "T", "L", "C", "R", "X", "E", "D", "F"], otherwise)
    }

    fn reads_watch(&self) -> bool {
        self.command.topic() == Topic::Events
    }

    /// The error that the script expects, by its words.
    fn refusal(&self) -> Option<&str> {
        match self.expected {
            [line] => line.strip_prefix("error: "),
            _ => None,
        }
    }

    /// No answer came in time.
    fn hung(&self, _: &StoreError) -> Option<String> {
        if self.reads_watch() {
            return match self.refusal() {
                Some("closed") => self.one_of(&["A4"]),
                Some("compacted") => self.one_of(&["W9"]),
                _ => self.one_of(MISSING),
            };
        }
        let opens =
            |effect: &Effect<'_>| matches!(effect, Effect::Watched(WatchChange::Opened { .. }));
        let has_watch = self.before.iter().any(|command| command.effects(None).iter().any(opens));
        if has_watch { self.one_of(&["A1"]) } else { None }
    }

    /// Another answer than the error that the script expects.
    fn not_refused(&self, refusal: &str) -> Option<String> {
        let of_lease = self.command.topic() == Topic::Lease;
        match refusal {
            "lease not found" if of_lease => self.one_of(&["L8", "L1", "L7", "L9", "L12"]),
            "lease not found" => self.one_of(&["L6", "X4"]),
            "lease exists" => self.one_of(&["L7"]),
            "ttl too large" => self.one_of(&["T5"]),
            "empty key" => self.one_of(&["K7"]),
            "too large" => self.one_of(&["E2"]),
            "compacted" if self.reads_watch() => self.one_of(&["W9"]),
            "compacted" | "future revision" => self.one_of(&["R5", "W9"]),
            "duplicate key" => self.one_of(&["X2"]),
            "too many operations" => self.one_of(&["X3"]),
            "closed" if self.reads_watch() => self.one_of(&["A4"]),
            "closed" => self.one_of(&["A3"]),
            "key exists" | "not a file" | "not a directory" => self.in_groups(&["D"], "D6"),
            _ => None,
        }
    }

    /// An error that the script does not expect.
    fn refused(&self, kind: ErrorKind) -> Option<String> {
        match kind {
            ErrorKind::LeaseNotFound => self.in_groups(&["L", "T"], "L12"),
            ErrorKind::LeaseExists => self.one_of(&["L9", "L7"]),
            ErrorKind::TtlTooLarge => self.one_of(&["T4", "T5"]),
            ErrorKind::TooLarge => self.one_of(&["E1", "E3"]),
            ErrorKind::Compacted => self.one_of(&["R6", "W9", "R4"]),
            ErrorKind::FutureRevision => self.one_of(&["R4", "W8"]),
            ErrorKind::DuplicateKey => self.one_of(&["X2"]),
            ErrorKind::TooManyOps => self.one_of(&["X3"]),
            ErrorKind::KeyNotFound => match self.command.topic() {
                Topic::Deletion => self.one_of(&["K6"]),
                Topic::Keys => self.one_of(&["P1"]),
                Topic::Events | Topic::Lease | Topic::Race(_) | Topic::Other => {
                    self.one_of(&["K5", "D1"])
                }
            },
            ErrorKind::KeyExists | ErrorKind::NotAFile | ErrorKind::NotADirectory => {
                self.in_groups(&["D"], "D7")
            }
            ErrorKind::Canceled | ErrorKind::Closed if self.reads_watch() => {
                self.one_of(&["W3", "A4", "A2", "W15"])
            }
            ErrorKind::EmptyKey
            | ErrorKind::InvalidArgument
            | ErrorKind::Denied
            | ErrorKind::Unsupported
            | ErrorKind::Unavailable
            | ErrorKind::DeadlineExceeded
            | ErrorKind::Canceled
            | ErrorKind::Closed
            | ErrorKind::Other => None,
        }
    }

    /// An answer, where another one is expected.
    fn answered(&self) -> Option<String> {
        match self.observed {
            Answer::Value(_) if self.is_stale() => self.one_of(&["K1"]),
            Answer::Value(_) => self.state("K1"),
            Answer::Keys(keys) if self.command.topic() == Topic::Keys => self.list(keys),
            Answer::Keys(_) => self.in_groups(&["L"], "L13"),
            Answer::KeyCount(count) if !count.ascending => self.one_of(&["P3"]),
            Answer::KeyCount(count) if count.repeated > 0 => self.one_of(&["P4"]),
            Answer::KeyCount(_) => self.state("P4"),
            Answer::Page(_) => self.in_groups(&["P", "R"], "P5"),
            Answer::Events(events) => self.events(events),
            Answer::EventCount(count) => self.count(count),
            Answer::Granted { .. } => self.one_of(&["T4"]),
            Answer::Renewed { .. } => self.one_of(&["L10"]),
            Answer::Left(_) => self.in_groups(&["L"], "L13"),
            Answer::Revision(..) => self.in_groups(&["R"], "R1"),
            Answer::Metadata(..) => self.state("R3"),
            Answer::Txn(..) => self.in_groups(&["X"], "X8"),
            Answer::History(_) => self.race(),
            Answer::Calls(calls) => match calls.error() {
                Some(error) => self.refused(error.kind),
                None => self.race(),
            },
            Answer::Race(_) => self.race(),
            Answer::Expired(_) => self.expired(),
            Answer::Survived(_) => self.in_groups(&["T", "L", "C"], "T6"),
            Answer::Done | Answer::Error(_) | Answer::Panic(_) | Answer::NoTtl(_) => None,
        }
    }

    /// Whether a read gave a value that the key had before its last write.
    fn is_stale(&self) -> bool {
        let effects = self.command.effects(Some(self.observed));
        let [Effect::Saw(Sight::Key(key), Found::Value(seen))] = effects.as_slice() else {
            return false;
        };
        let written = self.before.iter().filter_map(Command::writes);
        let written = written.filter(|(written, _)| *written == key.as_ref());
        let mut written: Vec<_> = written.map(|(_, value)| Value::from(value.to_vec())).collect();
        let last = written.pop().map(|last| last.to_string());
        last.as_ref() == self.expected.first() && written.contains(seen)
    }

    fn list(&self, keys: &[Vec<u8>]) -> Option<String> {
        let mut sorted = keys.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        if sorted.len() < keys.len() {
            return self.one_of(&["P4"]);
        }
        if sorted != keys {
            return self.one_of(&["P3"]);
        }
        self.state("P1")
    }

    fn events(&self, events: &Events) -> Option<String> {
        if events.is_write_lost {
            return self.one_of(&["K1"]);
        }
        if let Some(flaw) = events.flaws().first() {
            return self.flaw(flaw);
        }
        let observed = self.observed.lines();
        let is_event = |line: &&String| line.starts_with("put ") || line.starts_with("delete ");
        let expected: Vec<_> = self.expected.iter().filter(is_event).collect();
        let observed: Vec<_> = observed.iter().filter(is_event).collect();
        let (missing, extra) = (without(&expected, &observed), without(&observed, &expected));
        match (missing.as_slice(), extra.as_slice()) {
            ([], []) if events.error.is_some() => self.refused(events.error.as_ref()?.kind),
            ([], []) => self.one_of(&["W1"]),
            ([], [more, ..]) if expected.contains(more) => self.one_of(&["W2"]),
            ([], _) => self.one_of(UNWANTED),
            (_, []) => self.one_of(MISSING),
            ([missing, ..], [extra, ..]) if change(missing) == change(extra) => {
                self.in_groups(&["R"], "R1")
            }
            ([missing, ..], [extra, ..]) if key(missing) == key(extra) => self.one_of(&["W10"]),
            _ => self.one_of(MISSING),
        }
    }

    fn count(&self, count: &EventCount) -> Option<String> {
        if count.is_write_lost {
            return self.one_of(&["K1"]);
        }
        if let Some(flaw) = count.flaws().first() {
            return self.flaw(flaw);
        }
        let line = self.expected.first().map_or("", String::as_str);
        let numbers = line.split(", ").filter_map(|part| part.split(' ').next()?.parse().ok());
        let numbers: Vec<usize> = numbers.take(3).collect();
        let [puts, deletes, keys] = numbers.as_slice() else { return None };
        if count.puts < *puts || count.deletes < *deletes {
            return self.one_of(MISSING);
        }
        if count.puts > *puts || count.deletes > *deletes {
            return self.one_of(&["W2"]);
        }
        if count.keys != *keys { self.one_of(&["W12"]) } else { self.one_of(&["W1"]) }
    }

    fn flaw(&self, flaw: &str) -> Option<String> {
        match flaw {
            flaw if flaw.contains("two batches") => self.one_of(&["W4"]),
            flaw if flaw.contains("older than its watch") => self.one_of(&["W7", "W8"]),
            flaw if flaw.contains("mod_revision 0") => self.one_of(&["W10"]),
            _ => self.one_of(&["W1"]),
        }
    }

    fn race(&self) -> Option<String> {
        let Topic::Race(kind) = self.command.topic() else { return None };
        self.one_of(kind.clauses())
    }

    fn expired(&self) -> Option<String> {
        let Answer::Expired(expiries) = self.observed else { return None };
        if expiries.iter().any(|expiry| expiry.apart_from.is_some()) {
            return self.one_of(&["L2"]);
        }
        let moments = expiries.iter().map(crate::transcript::Expiry::moment);
        moments.into_iter().find_map(|moment| match moment {
            Moment::Early => self.one_of(&["T1"]),
            Moment::Late => self.one_of(&["T2"]),
            Moment::Back => self.one_of(&["T3"]),
            Moment::OnTime | Moment::Unseen => None,
        })
    }
}

/// What an event that is missing breaks.
const MISSING: &[&str] = &["W3", "W5", "W8", "W9", "W14", "W15", "W17", "A1", "A2", "A4", "L1"];

/// What an event breaks that should not be there.
const UNWANTED: &[&str] =
    &["W12", "W7", "W8", "W5", "A2", "L11", "K6", "K7", "R2", "D3", "D6", "X2", "X4", "X8", "L6"];

/// The lines of `all` that are left when those of `taken` are taken out, each as often as it is there.
fn without<'a>(all: &[&'a String], taken: &[&String]) -> Vec<&'a String> {
    let mut taken = taken.to_vec();
    let is_left = |line: &&&String| match taken.iter().position(|other| other == *line) {
        Some(at) => {
            taken.swap_remove(at);
            false
        }
        None => true,
    };
    all.iter().filter(is_left).copied().collect()
}

/// An event without its revision.
fn change(line: &str) -> &str {
    line.rsplit_once(" at ").map_or(line, |(change, _)| change)
}

/// The key of an event; one that has blanks up to the first.
fn key(line: &str) -> Option<&str> {
    change(line).split(' ').nth(1)
}
