//! Reports whether a TTL ran out only because commands took longer than their script meant, and whether a wrong answer
//! depends on that.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::command::Command;
use crate::effect::lifetimes::Lifetimes;
use crate::effect::{Effect, Passing, Sight, StateChange, Subject, WatchChange, deleted};
use crate::transcript::{Answer, Entry};
use crate::words::{quote_value, seconds};

/// How near the end of a TTL an answer may as well have come after it.
const TOLERANCE: Duration = Duration::from_millis(20);

/// One command, what it was seen to answer, and the lines that it should have answered.
pub(super) struct Step<'a> {
    pub command: &'a Command,
    pub entry: &'a Entry,
    pub expected: Vec<String>,
}

/// Why a wrong answer to the last of these commands is unclear: a TTL that it depends on, and that the script means to
/// last, ran out before it, because the commands took longer than they should.
///
/// A script lets time pass where it waits, and nowhere else; all other time is the machine's.
pub(super) fn excuse(steps: &[Step<'_>]) -> Option<String> {
    let mut machine = SlowMachine::default();
    steps.iter().enumerate().for_each(|(index, step)| machine.take(index, step));
    let sights = steps.last()?.command.effects(None);
    machine.lapsed_of(&sights)
}

/// A TTL that was granted.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Grant {
    /// When the request for it began.
    from: Duration,
    ttl: Duration,
    /// How much time had been lost when it began.
    lost: Duration,
}

/// What may have ended too early, and the time that was lost.
#[derive(Debug, Default)]
struct SlowMachine {
    lifetimes: Lifetimes<Grant>,
    /// Leases whose end was waited for.
    ended: BTreeSet<String>,
    /// The prefix of each watch, and whether it begins with a revision that the script computes.
    watches: BTreeMap<Subject<'static>, (Vec<u8>, bool)>,
    /// Every key and lease that may have ended too early, and why.
    lapsed: BTreeMap<Subject<'static>, String>,
    /// Those of them that were neither written nor deleted since.
    open: BTreeSet<Subject<'static>>,
    lost: Duration,
    /// When the last command ended.
    clock: Duration,
}

impl SlowMachine {
    /// Takes in one command, and notes what may have run out meanwhile that should not have.
    fn take(&mut self, index: usize, step: &Step<'_>) {
        let Entry { at, took, .. } = *step.entry;
        let (planned, effects) =
            (step.command.effects(None), step.command.effects(Some(&step.entry.answer)));
        let awaited = self.awaited(step, &planned);
        let before = self.lost + at.saturating_sub(self.clock);
        self.lost = before + took.saturating_sub(self.meant(&planned, &awaited, step.entry));
        self.clock = at + took;
        for key in &awaited.keys {
            let ended = Effect::Passed(Passing::AwaitedEnd(Subject::key(key)));
            self.lifetimes.take(index, &[ended], &mut |_, _| None);
        }
        self.ended.extend(awaited.leases);
        self.note_lapsed();
        effects.iter().for_each(|effect| self.note(effect));
        let grant = |ttl| Grant { from: at, ttl, lost: before };
        self.lifetimes.take(index, &effects, &mut |_, ttl| ttl.map(grant));
    }

    /// The keys and leases whose end the command waited for: an `expire` names them, and a `next` waits for the deletion
    /// that is expected of it, or was delivered.
    fn awaited(&self, step: &Step<'_>, effects: &[Effect<'_>]) -> Awaited {
        let mut awaited = Awaited::default();
        for passing in effects.iter().filter_map(Effect::passing) {
            match passing {
                Passing::AwaitedEnd(Subject::Key(key)) => awaited.keys.push(key.to_vec()),
                Passing::AwaitedEnd(Subject::Lease(lease)) => {
                    awaited.leases.push(lease.to_string())
                }
                Passing::AwaitedEvent(watch) => {
                    awaited.keys.extend(self.expected_ends(watch, &step.expected));
                    if let Answer::Events(events) = &step.entry.answer {
                        awaited.keys.extend(deleted(events).map(<[u8]>::to_vec));
                    }
                }
                Passing::AwaitedEnd(Subject::Fill(_) | Subject::Watch(_))
                | Passing::Waited(_)
                | Passing::TookItsTime
                | Passing::Outlasted(_) => {}
            }
        }
        let ties = awaited.keys.iter().flat_map(|key| self.lifetimes.ties(key));
        let leases: Vec<_> = ties.filter_map(|tie| tie.lease().map(String::from)).collect();
        awaited.leases.extend(leases);
        awaited
    }

    /// The keys with a TTL whose deletion is expected of a watch.
    fn expected_ends(&self, watch: &str, expected: &[String]) -> Vec<Vec<u8>> {
        let prefix = self.watches.get(&Subject::Watch(watch.into()));
        let keys = self.lifetimes.grants().map(|(key, _)| key);
        let keys = keys.filter(|key| prefix.is_some_and(|(prefix, _)| key.starts_with(prefix)));
        let is_expected = |key: &&[u8]| {
            let line = format!("delete {}", quote_value(key));
            expected.iter().any(|one| *one == line || one.starts_with(&format!("{line} at ")))
        };
        keys.filter(is_expected).map(<[u8]>::to_vec).collect()
    }

    /// How long the command takes by what it says.
    fn meant(&self, effects: &[Effect<'_>], awaited: &Awaited, entry: &Entry) -> Duration {
        let left = |grant: &Grant| (grant.from + grant.ttl).saturating_sub(entry.at);
        let ties = awaited.keys.iter().flat_map(|key| self.lifetimes.ties(key));
        let keys = ties.filter_map(|tie| self.lifetimes.grant(tie));
        let leases = awaited.leases.iter().filter_map(|lease| self.lifetimes.lease(lease));
        let awaited = keys.chain(leases).map(left).max().unwrap_or_default();
        effects.iter().filter_map(Effect::passing).fold(awaited, |meant, passing| match passing {
            Passing::Waited(span) => *span,
            Passing::TookItsTime => entry.took,
            Passing::AwaitedEnd(_) | Passing::AwaitedEvent(_) | Passing::Outlasted(_) => meant,
        })
    }

    fn note_lapsed(&mut self) {
        let keys = self.lifetimes.own().map(|(key, grant)| (Subject::key(key), grant));
        let leases = self.lifetimes.leases().filter(|(name, _)| !self.ended.contains(*name));
        let leases = leases.map(|(name, grant)| (Subject::Lease(name.into()), grant));
        let lapsed = keys.chain(leases).filter(|(_, grant)| self.has_lapsed(grant));
        let lapsed: Vec<_> =
            lapsed.map(|(subject, grant)| (subject.into_owned(), self.reason(grant))).collect();
        for (subject, reason) in lapsed {
            if let Subject::Lease(lease) = &subject {
                let keys = self.lifetimes.attached(lease).map(<[u8]>::to_vec).collect::<Vec<_>>();
                let reason = reason(&subject);
                for key in keys {
                    self.lapse(Subject::Key(key.into()), reason.clone());
                }
            }
            let reason = reason(&subject);
            self.lapse(subject, reason);
        }
    }

    fn lapse(&mut self, subject: Subject<'static>, reason: String) {
        self.lapsed.entry(subject.clone()).or_insert(reason);
        self.open.insert(subject);
    }

    fn has_lapsed(&self, grant: &Grant) -> bool {
        let elapsed = self.clock.saturating_sub(grant.from);
        let meant = elapsed.saturating_sub(self.lost - grant.lost);
        elapsed + TOLERANCE >= grant.ttl && meant < grant.ttl
    }

    fn reason(&self, grant: &Grant) -> impl Fn(&Subject<'_>) -> String + use<> {
        let (ttl, longer) = (seconds(grant.ttl), seconds(self.lost - grant.lost));
        move |subject| {
            let name = match subject {
                Subject::Key(key) | Subject::Fill(key) => quote_value(key),
                Subject::Lease(name) => format!("lease {name}"),
                Subject::Watch(name) => format!("watch {name}"),
            };
            format!(
                "the TTL of {name}, {ttl}, may have run out because the commands since took {longer} longer than the script lets pass"
            )
        }
    }

    /// Notes watches, and what was written or deleted after it may have ended.
    fn note(&mut self, effect: &Effect<'_>) {
        match effect {
            Effect::Changed(StateChange::Wrote(keys, ..)) => {
                for key in keys.each() {
                    self.open.remove(&Subject::Key(key.into()));
                }
            }
            Effect::Changed(StateChange::Deleted(key)) => {
                self.open.remove(&Subject::Key(key.to_vec().into()));
            }
            Effect::Changed(StateChange::DeletedPrefix(prefix)) => {
                self.open
                    .retain(|one| !matches!(one, Subject::Key(key) if key.starts_with(prefix)));
            }
            Effect::Watched(WatchChange::Opened { watch, prefix, is_from_revision }) => {
                self.watches
                    .insert(watch.clone().into_owned(), (prefix.to_vec(), *is_from_revision));
            }
            Effect::Changed(StateChange::Granted(lease, ..) | StateChange::Renewed(lease, _)) => {
                self.ended.remove(*lease);
            }
            Effect::Changed(StateChange::Revoked(_) | StateChange::Compacted(_))
            | Effect::Watched(WatchChange::Closed(_))
            | Effect::Closed
            | Effect::Reopened
            | Effect::Passed(_)
            | Effect::Saw(..)
            | Effect::Refused(..)
            | Effect::Either(..) => {}
        }
    }

    /// Why an answer that depends on these is unclear.
    fn lapsed_of(&self, effects: &[Effect<'_>]) -> Option<String> {
        effects.iter().find_map(|effect| match effect {
            Effect::Saw(sight, _) => self.lapsed_in(sight),
            Effect::Either(then, otherwise) => {
                self.lapsed_of(then).or_else(|| self.lapsed_of(otherwise))
            }
            Effect::Changed(_)
            | Effect::Watched(_)
            | Effect::Closed
            | Effect::Reopened
            | Effect::Passed(_)
            | Effect::Refused(..) => None,
        })
    }

    fn lapsed_in(&self, sight: &Sight<'_>) -> Option<String> {
        let is_below = |subject: &Subject<'_>, prefix: &[u8]| matches!(subject, Subject::Key(key) if key.starts_with(prefix));
        let mut open = self.lapsed.iter().filter(|(subject, _)| self.open.contains(subject));
        let mut ever = self.lapsed.iter();
        let found = match sight {
            Sight::Key(key) => open.find(|(subject, _)| self.decides(subject, key)),
            Sight::Prefix(prefix) => open.find(|(subject, _)| is_below(subject, prefix)),
            Sight::Lease(name) => {
                open.find(|(one, _)| matches!(one, Subject::Lease(lease) if lease == name))
            }
            Sight::Version(key) => ever.find(|(subject, _)| self.decides(subject, key)),
            Sight::Watch(watch) => {
                let (prefix, is_from_revision) =
                    self.watches.get(&Subject::Watch((*watch).into()))?;
                ever.find(|(subject, _)| *is_from_revision || is_below(subject, prefix))
            }
            Sight::Everything => ever.next(),
        };
        found.map(|(_, reason)| reason.clone())
    }

    /// Whether it is the key, or the lease that the key is attached to.
    fn decides(&self, subject: &Subject<'_>, key: &[u8]) -> bool {
        match subject {
            Subject::Key(one) => one.as_ref() == key,
            Subject::Lease(lease) => {
                self.lifetimes.ties(key).any(|tie| tie.lease() == Some(lease.as_ref()))
            }
            Subject::Fill(_) | Subject::Watch(_) => false,
        }
    }
}

/// What a command waited for to end.
#[derive(Debug, Default)]
struct Awaited {
    keys: Vec<Vec<u8>>,
    leases: Vec<String>,
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::scenario::{lines, script};
    use crate::store::WatchEvent;
    use crate::transcript::Events;

    /// When each command began, how long it took, and what it answered.
    type Seen = (u64, u64, Answer);

    fn granted(seconds: u64) -> Answer {
        let granted = Duration::from_secs(seconds);
        Answer::Granted { asked: granted, granted }
    }

    fn told(event: WatchEvent) -> Answer {
        Answer::Events(Events { events: vec![event.into()], ..Events::default() })
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
        let expected = lines::blocks(script).pop().map(|block| block.expected).unwrap_or_default();
        let last = script.lines().skip(expected.start - 1).map(String::from).collect::<Vec<_>>();
        let step = |(command, entry)| Step { command, entry, expected: last.clone() };
        excuse(&commands.iter().zip(&entries).map(step).collect::<Vec<_>>())
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
        assert!(reason.contains("the TTL of k, 2s"), "{reason}");
        assert!(reason.contains("2.11s longer"), "{reason}");
    }
}
