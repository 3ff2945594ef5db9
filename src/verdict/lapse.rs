//! Tells whether a time to live ran out only because commands took longer than their script meant.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::scenario::command::Command;
use crate::scenario::txn::{OpScript, TxnScript};
use crate::scenario::words::{quote, seconds};
use crate::store::WatchEvent;
use crate::transcript::{Answer, Entry, Events};

/// How near the end of a time to live an answer may as well have come after it.
const TOLERANCE: Duration = Duration::from_millis(20);

/// Why nothing can be said of a wrong answer to the last of these commands: a time to live that the script means to last
/// ran out before it, because the commands took longer than they should.
///
/// A script lets time pass where it waits, and nowhere else; all other time is the machine's.
pub(super) fn lapse<'a>(steps: impl Iterator<Item = (&'a Command, &'a Entry)>) -> Option<String> {
    let mut lives = Lives::default();
    steps.into_iter().find_map(|(command, entry)| lives.step(command, entry))
}

/// What a time to live was granted to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Name {
    Key(Vec<u8>),
    Fill(Vec<u8>),
    Lease(String),
}

/// A time to live, from the start of the request for it.
#[derive(Debug, Clone, Copy)]
struct Life {
    from: Duration,
    granted: Duration,
    /// How much time had been lost when it began.
    lost: Duration,
}

/// Every time to live that has not been waited for, and the time that was lost.
#[derive(Debug, Default)]
struct Lives {
    lives: BTreeMap<Name, Life>,
    /// The lease that each key hangs on.
    tied: BTreeMap<Vec<u8>, String>,
    lost: Duration,
    /// When the last command ended.
    clock: Duration,
}

impl Lives {
    /// Takes in one command; gives the reason where a time to live may have run out meanwhile that should not have.
    fn step(&mut self, command: &Command, entry: &Entry) -> Option<String> {
        let awaited = self.awaited(command, entry);
        let before = self.lost + entry.at.saturating_sub(self.clock);
        self.lost = before + entry.took.saturating_sub(self.meant(command, entry, &awaited));
        self.clock = entry.at + entry.took;
        awaited.iter().for_each(|name| self.forget(name));
        let lapsed = self.lives.iter().find(|(_, life)| self.has_lapsed(life));
        let reason = lapsed.map(|(name, life)| self.reason(name, life));
        self.apply(command, entry, before);
        reason
    }

    /// The times to live whose end the command waited for.
    fn awaited(&self, command: &Command, entry: &Entry) -> Vec<Name> {
        match (command, &entry.answer) {
            (Command::Expire { keys, lease }, _) => {
                let keys = keys.iter().flat_map(|key| self.names(&key.0));
                keys.chain(lease.clone().map(Name::Lease)).collect()
            }
            (Command::Next { .. }, Answer::Events(Events { events, .. })) => {
                let deleted =
                    events.iter().filter(|event| matches!(event, WatchEvent::Delete { .. }));
                deleted.flat_map(|event| self.names(event.key())).collect()
            }
            _ => Vec::new(),
        }
    }

    fn has_lapsed(&self, life: &Life) -> bool {
        let elapsed = self.clock.saturating_sub(life.from);
        let meant = elapsed.saturating_sub(self.lost - life.lost);
        elapsed + TOLERANCE >= life.granted && meant < life.granted
    }

    fn reason(&self, name: &Name, life: &Life) -> String {
        let name = match name {
            Name::Key(key) => quote(key),
            Name::Fill(key) => format!("fill {}", quote(key)),
            Name::Lease(name) => format!("lease {name}"),
        };
        format!(
            "the time to live of {name}, {}, may have run out because the commands since took {} longer than the script lets pass",
            seconds(life.granted),
            seconds(self.lost - life.lost)
        )
    }

    /// How long a command takes by what it says.
    fn meant(&self, command: &Command, entry: &Entry, awaited: &[Name]) -> Duration {
        let left = |life: &Life| (life.from + life.granted).saturating_sub(entry.at);
        match command {
            Command::Wait { span } => span.0,
            Command::Survive { .. } | Command::Race { .. } => entry.took,
            _ => awaited
                .iter()
                .filter_map(|name| self.lives.get(name))
                .map(left)
                .max()
                .unwrap_or_default(),
        }
    }

    /// Everything that the life of a key may hang on.
    fn names(&self, key: &[u8]) -> Vec<Name> {
        let fills = self
            .lives
            .keys()
            .filter(|name| matches!(name, Name::Fill(start) if key.starts_with(start)));
        let lease = self.tied.get(key).cloned().map(Name::Lease);
        fills.cloned().chain(lease).chain([Name::Key(key.into())]).collect()
    }

    fn apply(&mut self, command: &Command, entry: &Entry, lost: Duration) {
        let life = |granted| Life { from: entry.at, granted, lost };
        match (command, &entry.answer) {
            (Command::Update { key, ttl: Some(_), .. }, Answer::Granted { granted, .. }) => {
                self.untie(&key.0);
                self.lives.insert(Name::Key(key.0.clone()), life(*granted));
            }
            (Command::Update { key, lease, .. }, Answer::Done) => {
                self.untie(&key.0);
                lease.clone().and_then(|lease| self.tied.insert(key.0.clone(), lease));
            }
            (Command::Delete { key }, Answer::Done) => self.untie(&key.0),
            (Command::Fill { key, .. }, Answer::Granted { granted, .. }) => {
                self.lives.insert(Name::Fill(key.0.clone()), life(*granted));
            }
            (Command::Lease { name, .. }, Answer::Granted { granted, .. }) => {
                self.lives.insert(Name::Lease(name.clone()), life(*granted));
            }
            (Command::KeepAlive { lease }, Answer::Renewed { granted, .. }) => {
                self.lives.insert(Name::Lease(lease.clone()), life(*granted));
            }
            (Command::Txn { words }, Answer::Txn(succeeded, _)) => {
                self.apply_txn(words, *succeeded)
            }
            (Command::Revoke { lease }, Answer::Done) => self.forget(&Name::Lease(lease.clone())),
            _ => {}
        }
    }

    fn apply_txn(&mut self, words: &[String], succeeded: bool) {
        let Ok(script) = TxnScript::parse(words) else { return };
        for op in if succeeded { &script.then } else { &script.otherwise } {
            match op {
                OpScript::Put(key, _, lease) => {
                    self.untie(&key.0);
                    lease.clone().and_then(|lease| self.tied.insert(key.0.clone(), lease));
                }
                OpScript::Delete(key) => self.untie(&key.0),
                _ => {}
            }
        }
    }

    fn untie(&mut self, key: &[u8]) {
        self.tied.remove(key);
        self.forget(&Name::Key(key.into()));
    }

    fn forget(&mut self, name: &Name) {
        self.lives.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::script;

    /// When each command began, how long it took, and what it answered.
    type Seen = (u64, u64, Answer);

    fn granted(seconds: u64) -> Answer {
        let granted = Duration::from_secs(seconds);
        Answer::Granted { asked: granted, granted }
    }

    fn told(event: WatchEvent) -> Answer {
        Answer::Events(Events { events: vec![event], ..Events::default() })
    }

    fn lapse_of(script: &str, seen: &[Seen]) -> Option<String> {
        let commands = script::check(script).expect("the script is well-formed");
        let commands: Vec<_> = commands.into_iter().map(|(_, command)| command).collect();
        let entry = |(command, (at, took, answer)): (&Command, &Seen)| Entry {
            client: None,
            label: command.label(),
            at: Duration::from_millis(*at),
            took: Duration::from_millis(*took),
            answer: answer.clone(),
        };
        let entries: Vec<_> = commands.iter().zip(seen).map(entry).collect();
        lapse(commands.iter().zip(&entries))
    }

    #[rstest]
    #[case::a_quick_script("update k v ttl=2s\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 5, Answer::Value(None))], false)]
    #[case::a_slow_read("update k v ttl=2s\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 2100, Answer::Value(None))], true)]
    #[case::a_slow_request("update k v ttl=2s\nread k\n---\nok\n",
        &[(0, 2100, granted(2)), (2100, 5, Answer::Value(None))], true)]
    #[case::a_stall_between("update k v ttl=2s\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (2100, 5, Answer::Value(None))], true)]
    #[case::a_wait_that_overslept("lease a ttl=2s\nwait 1s\nkeep_alive a\n---\nok\n",
        &[(0, 5, granted(2)), (5, 2500, Answer::Done), (2505, 5, Answer::Done)], true)]
    #[case::a_wait_as_long_as_it_says("update k v ttl=2s\nwait 3s\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 3000, Answer::Done), (3005, 5, Answer::Value(None))], false)]
    #[case::a_key_made_permanent("update k v ttl=2s\nupdate k w\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 5, Answer::Done), (10, 3000, Answer::Value(None))], false)]
    #[case::a_key_deleted("update k v ttl=2s\ndelete k\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 5, Answer::Done), (10, 3000, Answer::Value(None))], false)]
    #[case::an_end_waited_for("update k v ttl=2s\nexpire k\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 2400, Answer::Expired(Vec::new())), (2405, 9000, Answer::Value(None))], false)]
    #[case::an_end_told_by_a_watch("watch k\nupdate k v ttl=2s\nnext w\nread k\n---\nok\n",
        &[(0, 5, Answer::Done), (5, 5, granted(2)), (10, 2300, told(WatchEvent::delete("k"))), (2310, 5, Answer::Value(None))], false)]
    #[case::a_put_that_came_late("watch k\nupdate k v ttl=2s\nnext w\nread k\n---\nok\n",
        &[(0, 5, Answer::Done), (5, 5, granted(2)), (10, 2300, told(WatchEvent::put("k", "v"))), (2310, 5, Answer::Value(None))], true)]
    #[case::a_renewal_counts_anew("lease a ttl=2s\nwait 1s\nkeep_alive a\nwait 1s\nkeep_alive a\n---\nok\n",
        &[(0, 5, granted(2)), (5, 1500, Answer::Done),
          (1505, 5, Answer::Renewed { granted: Duration::from_secs(2), renewed: Duration::from_secs(2) }),
          (1510, 1500, Answer::Done), (3010, 5, Answer::Done)], false)]
    #[case::a_lease_ended("lease a ttl=2s\nrevoke a\nread k\n---\nok\n",
        &[(0, 5, granted(2)), (5, 5, Answer::Done), (10, 3000, Answer::Value(None))], false)]
    #[case::a_filled_key("fill k count=2 ttl=2s\nread k0000\n---\nok\n",
        &[(0, 5, granted(2)), (5, 3000, Answer::Value(None))], true)]
    fn time_that_the_script_does_not_let_pass_excuses(
        #[case] script: &str,
        #[case] seen: &[Seen],
        #[case] lapsed: bool,
    ) {
        let script = format!("# A law.\n{script}");
        assert_eq!(lapse_of(&script, seen).is_some(), lapsed, "{script}");
    }

    #[test]
    fn the_reason_names_what_ran_out() {
        let seen = [(0, 5, granted(2)), (5, 2100, Answer::Value(None))];
        let reason = lapse_of("# A law.\nupdate k v ttl=2s\nread k\n---\nok\n", &seen);
        let reason = reason.expect("the read came too late");
        assert!(reason.contains("the time to live of k, 2s"), "{reason}");
        assert!(reason.contains("2.11s longer"), "{reason}");
    }
}
