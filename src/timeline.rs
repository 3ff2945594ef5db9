//! When every key, lease and watch of a case lived, as far as its commands and their answers say.

mod lanes;

use std::borrow::Cow;
use std::time::Duration;

use crate::command::Command;
use crate::scenario::Scenario;
use crate::transcript::{Entry, Moment, Transcript};

use self::lanes::Lanes;

/// How many lanes are reported; what a script has beyond them is counted.
pub const LANES: usize = 24;
/// How many marks of one lane are reported; what it has beyond them is counted.
pub const MARKS: usize = 64;

/// A moment, as a place among the commands that were run: 2.5 is halfway through the third.
///
/// In virtual time many commands take none, and a place reports them apart where a time would not.
pub type Place = f64;

/// A case as it went: its commands, and below them a lane for everything that lived.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timeline {
    /// The commands that were run, in the order of the script.
    pub steps: Vec<Step>,
    /// Keys, then leases, then watches, each in the order in which they come up.
    pub lanes: Vec<Lane>,
    /// How many lanes more there would be.
    pub left_out: usize,
    /// How long after the last command the last term would have been over of what went before its time; the place of that
    /// moment is one after the last command.
    pub tail: Duration,
}

/// One command that was run.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// The line of the script, counted from 1.
    pub line: usize,
    /// The command in short, after the client that it ran on.
    pub words: String,
    /// When it began, counted from the start of the case on the store's clock.
    pub at: Duration,
    /// How long it took on the store's clock.
    pub took: Duration,
}

/// Everything that is known of one key, lease or watch.
#[derive(Debug, Clone, PartialEq)]
pub struct Lane {
    /// What it is.
    pub kind: LaneKind,
    /// What the script calls it.
    pub name: String,
    /// The times that it lived, one after the other.
    pub lives: Vec<Life>,
    /// The TTLs that it was granted.
    pub terms: Vec<Term>,
    /// What was done to it, or seen of it.
    pub marks: Vec<Mark>,
    /// How many marks more there would be.
    pub left_out: usize,
}

/// What a lane is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LaneKind {
    /// A key, or the many keys of a `fill`.
    Key,
    /// A lease.
    Lease,
    /// A watch.
    Watch,
}

/// One life: from the command that began it to what ended it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Life {
    /// When the command began that made it, or the first that saw it.
    pub from: Place,
    /// When it ended and how; `None` where the script ended before it did.
    pub end: Option<(Place, Ending)>,
}

/// How a life ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// It was deleted, revoked or closed by a command.
    Ordered,
    /// Its TTL ran out, and the moment was judged.
    Expired(Moment),
    /// It was found gone: when it went, no one saw.
    Gone,
    /// It ended with an error.
    Broken,
}

/// A TTL as it was granted.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Term {
    /// When the command began that asked for it.
    pub from: Place,
    /// How long it is.
    pub granted: Duration,
    /// When it is over; `None` where the script ended before.
    pub until: Option<Place>,
    /// When the store must have noticed, where the script waited for that.
    pub lag: Option<Place>,
    /// Whether it was renewed or taken back before it was over.
    pub is_cut: bool,
}

/// Something that was done to a key, lease or watch, or seen of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Mark {
    /// When.
    pub at: Place,
    /// What.
    pub kind: MarkKind,
    /// The same in words.
    pub words: Cow<'static, str>,
}

/// What a mark means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// It was written, or renewed.
    Written,
    /// It was seen.
    Seen,
    /// It was looked for, and not there.
    Missed,
    /// A watch reported of a write.
    Put,
    /// A watch reported of a deletion.
    Delete,
    /// A command about it was answered by an error.
    Refused,
}

impl Timeline {
    /// The timeline of what a scenario was seen to answer.
    pub fn of(scenario: &Scenario, transcript: &Transcript) -> Self {
        Self::of_commands(&scenario.commands, &transcript.entries)
    }

    fn of_commands(commands: &[(usize, Command)], entries: &[Entry]) -> Self {
        let seen = || commands.iter().zip(entries);
        let steps: Vec<_> = seen().map(|((line, _), entry)| Step::of(*line, entry)).collect();
        let mut lanes = Lanes::new(&steps);
        seen().for_each(|((_, command), entry)| lanes.take(command, &entry.answer));
        let (mut lanes, left_out) = lanes.finish();
        let end = steps.last().map_or(Duration::ZERO, |step| step.at + step.took);
        let tail = outlast(&mut lanes, &steps, end);
        Self { steps, lanes, left_out, tail }
    }
}

/// Gives places to the ends of terms that what they were granted to went before, though the commands end before them.
fn outlast(lanes: &mut [Lane], steps: &[Step], end: Duration) -> Duration {
    let went_early = |lane: &&mut Lane| {
        let ended = lane.lives.last().and_then(|life| life.end);
        ended.is_some_and(|(_, ending)| ending == Ending::Expired(Moment::Early))
    };
    let terms = lanes.iter_mut().filter(went_early).filter_map(|lane| lane.terms.last_mut());
    let over = |term: &Term| steps[term.from as usize].at.saturating_add(term.granted);
    let mut open: Vec<_> = terms.filter(|term| term.until.is_none()).collect();
    let last = open.iter().map(|term| over(term)).max();
    let tail = last.unwrap_or(end).saturating_sub(end);
    for term in &mut open {
        let left = over(term).saturating_sub(end);
        let part = if tail.is_zero() { 0.0 } else { left.div_duration_f64(tail) };
        term.until = Some(steps.len() as Place + part);
    }
    tail
}

/// The place of a time among commands; `None` where they ended before.
pub fn place(steps: &[Step], time: Duration) -> Option<Place> {
    let index = steps.iter().position(|step| time < step.at + step.took)?;
    let step = &steps[index];
    let since = time.saturating_sub(step.at);
    let part = if since.is_zero() { 0.0 } else { since.div_duration_f64(step.took) };
    Some(index as Place + part)
}

impl Step {
    fn of(line: usize, entry: &Entry) -> Self {
        let words = match &entry.client {
            Some(client) => format!("{client}: {}", entry.label),
            None => entry.label.clone(),
        };
        Self { line, words, at: entry.at, took: entry.took }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scenario::script;
    use crate::store::{ErrorKind, StoreError, WatchEvent};
    use crate::transcript::{Answer, Events, Expiry};

    const SECOND: Duration = Duration::from_secs(1);

    fn granted(ttl: Duration) -> Answer {
        Answer::Granted { asked: ttl, granted: ttl }
    }

    fn expired(name: &str, granted: Duration, gone: Duration) -> Answer {
        let (lag, tolerance, request) = (SECOND, Duration::ZERO, Duration::ZERO);
        let (name, seen) = (name.into(), Some(gone - SECOND / 10));
        let apart_from = None;
        let gone = Some(gone);
        Answer::Expired(vec![Expiry {
            name,
            granted,
            lag,
            tolerance,
            gone,
            seen,
            request,
            apart_from,
        }])
    }

    /// The timeline of commands, each with how long it took and what it answered.
    fn timeline(script: &str, seen: &[(Duration, Answer)]) -> Timeline {
        let text = format!("# A law.\n{script}---\nok\n");
        let commands = script::check(&text).expect("the script is well-formed");
        let mut at = Duration::ZERO;
        let entry = |((_, command), (took, answer)): (&(usize, Command), &(Duration, Answer))| {
            let began = at;
            at += *took;
            let (client, label) = (None, command.label());
            Entry { client, label, at: began, took: *took, answer: answer.clone() }
        };
        let entries: Vec<_> = commands.iter().zip(seen).map(entry).collect();
        Timeline::of_commands(&commands, &entries)
    }

    const NOW: Duration = Duration::ZERO;

    #[test]
    fn a_key_lives_from_its_write_to_its_delete() {
        let seen = [(NOW, Answer::Done), (NOW, Answer::Done), (NOW, Answer::Value(None))];
        let timeline = timeline("update k v\ndelete k\nread k\n", &seen);
        assert_eq!(timeline.steps.iter().map(|step| step.line).collect::<Vec<_>>(), [2, 3, 4]);
        let [lane] = timeline.lanes.as_slice() else { panic!("{timeline:?}") };
        assert_eq!((lane.kind, lane.name.as_str()), (LaneKind::Key, "k"));
        assert_eq!(lane.lives, [Life { from: 0.0, end: Some((2.0, Ending::Ordered)) }]);
        let kinds: Vec<_> = lane.marks.iter().map(|mark| mark.kind).collect();
        assert_eq!(kinds, [MarkKind::Written, MarkKind::Missed]);
    }

    #[test]
    fn an_early_end_stands_before_the_end_of_its_term() {
        let early = [(NOW, granted(2 * SECOND)), (3 * SECOND, expired("k", 2 * SECOND, SECOND))];
        let timeline = timeline("update k v ttl=2s\nexpire k\n", &early);
        let lane = &timeline.lanes[0];
        let term = lane.terms[0];
        assert_eq!((term.granted, term.is_cut), (2 * SECOND, false));
        let (end, ending) = lane.lives[0].end.unwrap();
        assert_eq!(ending, Ending::Expired(Moment::Early));
        assert!((end - (1.0 + 1.0 / 3.0)).abs() < 1e-9, "{end}");
        assert!((term.until.unwrap() - (1.0 + 2.0 / 3.0)).abs() < 1e-9, "{term:?}");
    }

    #[test]
    fn what_went_early_shows_when_it_should_have_gone() {
        let early = [(NOW, granted(4 * SECOND)), (SECOND, expired("k", 4 * SECOND, SECOND))];
        let timeline = timeline("update k v ttl=4s\nexpire k\n", &early);
        assert_eq!(timeline.tail, 3 * SECOND);
        assert_eq!(timeline.lanes[0].terms[0].until, Some(3.0));
    }

    #[test]
    fn a_term_that_outlasts_the_script_has_no_end() {
        let timeline = timeline(
            "update k v ttl=2s\nread k\n",
            &[(NOW, granted(2 * SECOND)), (SECOND, Answer::Value(Some("v".into())))],
        );
        assert_eq!(timeline.lanes[0].terms[0].until, None);
        assert_eq!(timeline.lanes[0].lives[0].end, None);
    }

    #[test]
    fn a_key_without_a_term_is_not_held_to_the_one_before() {
        let timeline = timeline(
            "update k v ttl=2s\nupdate k w\nwait 3s\nread k\n",
            &[
                (NOW, granted(2 * SECOND)),
                (NOW, Answer::Done),
                (3 * SECOND, Answer::Done),
                (NOW, Answer::Value(Some("w".into()))),
            ],
        );
        let term = timeline.lanes[0].terms[0];
        assert_eq!((term.until, term.is_cut), (Some(1.0), true));
    }

    #[test]
    fn keys_go_with_their_lease() {
        let script = "lease a ttl=2s\nupdate k v lease=a\nrevoke a\n";
        let timeline = timeline(
            script,
            &[(NOW, granted(2 * SECOND)), (NOW, Answer::Done), (NOW, Answer::Done)],
        );
        let ends: Vec<_> = timeline.lanes.iter().map(|lane| lane.lives[0].end).collect();
        assert_eq!(ends, [Some((3.0, Ending::Ordered)); 2]);
        assert_eq!(timeline.lanes[0].kind, LaneKind::Key);
        assert_eq!(timeline.lanes[1].kind, LaneKind::Lease);
    }

    #[test]
    fn what_was_filled_goes_with_its_lease_or_is_found_gone() {
        let script =
            "lease a ttl=2s\nfill k count=2 lease=a\nfill l count=2\nrevoke a\nlist \"\"\n";
        let seen = [granted(2 * SECOND), Answer::Done, Answer::Done, Answer::Done];
        let seen = seen.into_iter().chain([Answer::Keys(Vec::new())]).map(|one| (NOW, one));
        let timeline = timeline(script, &seen.collect::<Vec<_>>());
        let ends: Vec<_> =
            timeline.lanes.iter().map(|lane| (lane.name.as_str(), lane.lives[0].end)).collect();
        assert_eq!(
            ends,
            [
                ("fill k", Some((4.0, Ending::Ordered))),
                ("fill l", Some((4.5, Ending::Gone))),
                ("lease a", Some((4.0, Ending::Ordered))),
            ]
        );
    }

    #[test]
    fn a_watch_has_its_events_and_its_end() {
        let events = vec![WatchEvent::put("k", "v").into(), WatchEvent::delete("k").into()];
        let error = Some(StoreError::new(ErrorKind::Canceled, "no more"));
        let answer = Answer::Events(Events { events, error, ..Events::default() });
        let timeline = timeline("watch k as=w\nevents w\n", &[(NOW, Answer::Done), (NOW, answer)]);
        let lane = &timeline.lanes[0];
        assert_eq!((lane.kind, lane.name.as_str()), (LaneKind::Watch, "watch w"));
        let marks: Vec<_> =
            lane.marks.iter().map(|mark| (mark.kind, mark.words.as_ref())).collect();
        assert_eq!(marks, [(MarkKind::Put, "put k v"), (MarkKind::Delete, "delete k")]);
        assert_eq!(lane.lives, [Life { from: 0.0, end: Some((2.0, Ending::Broken)) }]);
    }

    #[test]
    fn what_there_is_no_room_for_is_counted() {
        let keys: Vec<_> = (0..30).map(|n| format!("k{n}").into_bytes()).collect();
        let seen = [(NOW, Answer::Keys(keys))];
        let timeline = timeline("list k\n", &seen);
        assert_eq!((timeline.lanes.len(), timeline.left_out), (LANES, 30 - LANES));
    }
}
