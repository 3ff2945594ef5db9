//! Fills the lanes of a timeline, command by command.

use std::borrow::Cow;
use std::collections::HashSet;
use std::time::Duration;

use super::{Ending, LANES, Lane, LaneKind, Life, MARKS, Mark, MarkKind, Place, Step, Term, place};
use crate::command::Command;
use crate::effect::lifetimes::{Lifetimes, Tie};
use crate::effect::{
    Effect, Found, Keys, Lifetime, Sight, StateChange, Subject, WatchChange, Written, numbered,
};
use crate::transcript::{Answer, Event, Events, Expiry};
use crate::words::{Value, quote, quote_value};

/// The lanes so far, and the command that is being taken in.
///
/// There are few lanes, and looking through them all is quicker than finding one by a hash.
pub(super) struct Lanes<'a> {
    steps: &'a [Step],
    index: usize,
    lanes: Vec<Lane>,
    /// What each lane is of.
    subjects: Vec<Subject<'a>>,
    /// What every key depends on.
    lifetimes: Lifetimes<()>,
    /// What no lane is left for.
    left_out: HashSet<Subject<'a>>,
}

fn lane(subject: &Subject<'_>) -> Lane {
    let (kind, name) = match subject {
        Subject::Key(key) => (LaneKind::Key, quote_value(key)),
        Subject::Fill(start) => (LaneKind::Key, format!("fill {}", quote_value(start))),
        Subject::Lease(name) => (LaneKind::Lease, format!("lease {name}")),
        Subject::Watch(name) => (LaneKind::Watch, format!("watch {name}")),
    };
    let (lives, terms, marks) = (Vec::new(), Vec::new(), Vec::new());
    Lane { kind, name, lives, terms, marks, left_out: 0 }
}

impl<'a> Lanes<'a> {
    pub fn new(steps: &'a [Step]) -> Self {
        let (lanes, subjects, lifetimes) = (Vec::new(), Vec::new(), Lifetimes::default());
        Self { steps, index: 0, lanes, subjects, lifetimes, left_out: HashSet::new() }
    }

    /// The lanes, and how many more there would be.
    pub fn finish(mut self) -> (Vec<Lane>, usize) {
        self.lanes.sort_by_key(|lane| lane.kind);
        (self.lanes, self.left_out.len())
    }

    /// Takes in the next command.
    pub fn take(&mut self, command: &'a Command, answer: &'a Answer) {
        let effects = command.effects(Some(answer));
        for effect in &effects {
            self.draw(effect);
        }
        self.lifetimes.take(self.index, &effects, &mut |_, _| Some(()));
        self.index += 1;
    }

    fn draw(&mut self, effect: &Effect<'a>) {
        match effect {
            Effect::Changed(change) => self.change(change),
            Effect::Watched(WatchChange::Opened { watch, .. }) => {
                self.end(watch, self.middle(), Ending::Ordered);
                self.begin(watch.clone());
            }
            Effect::Watched(WatchChange::Closed(watch)) => self.take_away(watch),
            Effect::Reopened => self.reopen(),
            Effect::Saw(sight, found) => self.look(sight, found),
            Effect::Refused(subject, words) => {
                self.mark(subject, self.middle(), MarkKind::Refused, words.clone());
            }
            // An answer says which of the two it was.
            Effect::Either(..) | Effect::Closed | Effect::Passed(_) => {}
        }
    }

    fn change(&mut self, change: &StateChange<'a>) {
        match change {
            StateChange::Wrote(keys, written, lifetime) => self.wrote(keys, written, lifetime),
            StateChange::Deleted(key) => self.take_away(&Subject::Key(key.clone())),
            StateChange::DeletedPrefix(prefix) => {
                let gone = self.living(prefix);
                gone.iter().for_each(|subject| self.take_away(subject));
            }
            StateChange::Granted(lease, ttl, _) => {
                let lease = Subject::Lease((*lease).into());
                self.put(lease.clone(), "granted".into());
                self.grant(&lease, *ttl);
            }
            StateChange::Renewed(lease, ttl) => {
                let lease = Subject::Lease((*lease).into());
                self.put(lease.clone(), "renewed".into());
                ttl.iter().for_each(|ttl| self.grant(&lease, *ttl));
            }
            StateChange::Revoked(lease) => self.revoke(lease),
            StateChange::Compacted(_) => {}
        }
    }

    fn wrote(&mut self, keys: &Keys<'a>, written: &Written<'a>, lifetime: &Lifetime<'a>) {
        let subject = match keys {
            Keys::One(key) => Subject::Key(key.clone()),
            Keys::Numbered(start, _) | Keys::Under(start) => Subject::Fill(start.clone()),
            Keys::Bare => Subject::Key(Cow::Borrowed(b"")),
        };
        let words = match written {
            Written::Value(value) => brief(&value.to_vec().into()),
            Written::Many(count) => format!("{count} writes").into(),
            Written::Fill => "fill".into(),
            Written::Directory => "directory".into(),
            Written::Race(kind) => format!("race {kind}").into(),
        };
        self.put(subject.clone(), words);
        match (written, lifetime) {
            (Written::Race(_), _) => self.take_away(&subject),
            (_, Lifetime::Ttl(ttl)) => self.grant(&subject, *ttl),
            (_, Lifetime::Permanent | Lifetime::Lease(_)) => {}
        }
    }

    fn reopen(&mut self) {
        let watches = self.subjects.iter().filter(|one| matches!(one, Subject::Watch(_)));
        let watches: Vec<_> = watches.cloned().collect();
        watches.iter().for_each(|watch| self.end(watch, self.middle(), Ending::Ordered));
    }

    /// What looks, and what it finds.
    fn look(&mut self, sight: &Sight<'a>, found: &Found<'a>) {
        match sight {
            Sight::Key(key) | Sight::Version(key) => {
                self.find_key(Subject::Key(key.clone()), found)
            }
            Sight::Lease(lease) => self.find_key(Subject::Lease(lease.clone()), found),
            Sight::Prefix(prefix) => {
                if let Found::Keys(keys) = found {
                    self.list(prefix, keys);
                }
            }
            Sight::Watch(watch) => self.listen(Subject::watch(Some(watch)), found),
            Sight::Everything => {}
        }
    }

    fn find_key(&mut self, subject: Subject<'a>, found: &Found<'a>) {
        match found {
            Found::Value(value) => self.see(subject, Some(brief(value))),
            Found::There(words) if matches!(subject, Subject::Lease(_)) => {
                self.mark(&subject, self.middle(), MarkKind::Seen, words.clone());
            }
            Found::There(words) => self.see(subject, Some(words.clone())),
            Found::Missing => self.see(subject, None),
            Found::Expired(expiry) => self.expire(&subject, expiry),
            Found::Unknown | Found::Keys(_) | Found::Events(_) | Found::Count(_) => {}
        }
    }

    /// What watches deliver.
    fn listen(&mut self, watch: Subject<'a>, found: &Found<'a>) {
        match found {
            Found::Events(events) => self.events(watch, events),
            Found::Count(count) => {
                let words = format!("{} puts, {} deletes", count.puts, count.deletes);
                self.mark(&watch, self.middle(), MarkKind::Put, words);
                if count.error.is_some() {
                    self.end(&watch, self.index as Place + 1.0, Ending::Broken);
                }
            }
            Found::Unknown
            | Found::Value(_)
            | Found::There(_)
            | Found::Missing
            | Found::Keys(_)
            | Found::Expired(_) => {}
        }
    }

    fn middle(&self) -> Place {
        self.index as Place + 0.5
    }

    /// The place of the lane of that name, if there is one.
    fn find(&self, name: &Subject<'a>) -> Option<usize> {
        self.subjects.iter().position(|one| one == name)
    }

    /// The lane of that name, made if there is room.
    fn lane(&mut self, name: &Subject<'a>) -> Option<&mut Lane> {
        if let Some(place) = self.find(name) {
            return Some(&mut self.lanes[place]);
        }
        if self.lanes.len() == LANES {
            self.left_out.insert(name.clone());
            return None;
        }
        self.subjects.push(name.clone());
        self.lanes.push(lane(name));
        self.lanes.last_mut()
    }

    fn mark(
        &mut self,
        name: &Subject<'a>,
        at: Place,
        kind: MarkKind,
        words: impl Into<Cow<'static, str>>,
    ) {
        let words = words.into();
        let Some(lane) = self.lane(name) else { return };
        if lane.marks.len() < MARKS {
            lane.marks.push(Mark { at, kind, words });
        } else {
            lane.left_out += 1;
        }
    }

    /// Begins a life with this command, unless one goes on.
    fn begin(&mut self, name: Subject<'a>) {
        let from = self.index as Place;
        let Some(lane) = self.lane(&name) else { return };
        if lane.lives.last().is_none_or(|life| life.end.is_some()) {
            lane.lives.push(Life { from, end: None });
        }
    }

    fn end(&mut self, name: &Subject<'a>, at: Place, ending: Ending) {
        let Some(place) = self.find(name) else { return };
        let lane = &mut self.lanes[place];
        let Some(life) = lane.lives.last_mut().filter(|life| life.end.is_none()) else { return };
        life.end = Some((at.max(life.from), ending));
        if ending == Ending::Ordered {
            cut(lane, at);
        }
    }

    fn put(&mut self, subject: Subject<'a>, words: Cow<'static, str>) {
        let at = self.index as Place;
        self.begin(subject.clone());
        self.mark(&subject, at, MarkKind::Written, words);
        if let Some(lane) = self.lane(&subject) {
            cut(lane, at);
        }
    }

    /// Notes a TTL that this command was granted.
    fn grant(&mut self, subject: &Subject<'a>, granted: Duration) {
        let from = self.index as Place;
        let until = place(self.steps, self.steps[self.index].at.saturating_add(granted));
        let term = Term { from, granted, until, lag: None, is_cut: false };
        self.lane(subject).map(|lane| lane.terms.push(term)).unwrap_or_default();
    }

    fn take_away(&mut self, name: &Subject<'a>) {
        self.end(name, self.index as Place + 1.0, Ending::Ordered);
    }

    /// Ends a lease, and every lane of keys that are attached to it.
    fn revoke(&mut self, lease: &'a str) {
        let attached: Vec<_> = self.lifetimes.attached(lease).collect();
        let is_attached = |subject: &&Subject<'a>| attached.contains(&first_key(subject).as_ref());
        let ended: Vec<_> = self.subjects.iter().filter(is_attached).cloned().collect();
        ended.iter().for_each(|subject| self.take_away(subject));
        self.take_away(&Subject::Lease(lease.into()));
    }

    /// The keys with that prefix that have a lane and live.
    fn living(&self, prefix: &[u8]) -> Vec<Subject<'a>> {
        let names = self.subjects.iter().enumerate().filter(|(place, name)| {
            matches!(name, Subject::Key(key) if key.starts_with(prefix)) && self.lives(*place)
        });
        names.map(|(_, name)| name.clone()).collect()
    }

    fn lives(&self, place: usize) -> bool {
        self.lanes[place].lives.last().is_some_and(|life| life.end.is_none())
    }

    /// Notes that a key was looked at: `words` are what was found, `None` that it is not there.
    fn see(&mut self, name: Subject<'a>, words: Option<Cow<'static, str>>) {
        let at = self.middle();
        match words {
            Some(words) => {
                self.begin(name.clone());
                self.mark(&name, at, MarkKind::Seen, words);
            }
            None => {
                self.end(&name, at, Ending::Gone);
                self.mark(&name, at, MarkKind::Missed, "not there");
            }
        }
    }

    fn list(&mut self, prefix: &[u8], keys: &'a [Vec<u8>]) {
        let is_told = |name: &Subject<'_>| match name {
            Subject::Key(key) => keys.iter().any(|one| one == key.as_ref()),
            Subject::Fill(start) => keys.iter().any(|key| key.starts_with(start)),
            Subject::Lease(_) | Subject::Watch(_) => true,
        };
        let missed = self.living(prefix).into_iter().filter(|name| !is_told(name));
        missed.for_each(|name| self.see(name, None));
        let filled =
            |name: &&Subject<'a>| matches!(name, Subject::Fill(one) if one.starts_with(prefix));
        let gone = self.subjects.iter().filter(filled).filter(|name| !is_told(name));
        let gone: Vec<_> = gone.cloned().collect();
        gone.iter().for_each(|name| self.end(name, self.middle(), Ending::Gone));
        for key in keys {
            if !self.is_filled(key) {
                self.see(Subject::key(key), Some("listed".into()));
            }
        }
    }

    /// Whether the key is one of a `fill`, and has no lane of its own.
    fn is_filled(&self, key: &'a [u8]) -> bool {
        let covers =
            |name: &Subject<'_>| matches!(name, Subject::Fill(start) if key.starts_with(start));
        self.subjects.iter().any(covers) && self.find(&Subject::key(key)).is_none()
    }

    fn expire(&mut self, waited: &Subject<'a>, expiry: &Expiry) {
        let name = self.lane_of(waited);
        let Some(from) = self.term(&name).map(|term| term.from) else { return };
        let asked = self.steps[from as usize].at;
        let here = |place: Place| place.clamp(self.index as Place, self.index as Place + 1.0);
        let place = |time: Duration| place(self.steps, asked.saturating_add(time));
        let end = expiry.gone.map(|gone| here(place(gone).unwrap_or(Place::MAX)));
        let lag = place(expiry.request + expiry.granted + expiry.lag);
        let lag = lag.unwrap_or(self.steps.len() as Place);
        if let Some(term) = self.term(&name) {
            term.lag = term.until.map(|until| lag.max(until));
        }
        match end {
            Some(at) => {
                self.end(&self.bearer(&name), at, Ending::Expired(expiry.moment()));
                self.end(&name, at, Ending::Expired(expiry.moment()));
            }
            None => self.mark(&name, self.index as Place + 1.0, MarkKind::Seen, "still there"),
        }
    }

    /// The key or lease that has a lane for this one: itself, or the fill that wrote it.
    fn lane_of(&self, subject: &Subject<'a>) -> Subject<'a> {
        let covers = |one: &&Subject<'a>| matches!((one, subject), (Subject::Fill(start), Subject::Key(key)) if key.starts_with(start));
        match self.find(subject) {
            Some(_) => subject.clone(),
            None => self.subjects.iter().find(covers).unwrap_or(subject).clone(),
        }
    }

    /// What has the TTL that a lane depends on now: itself, or its lease.
    fn bearer(&self, subject: &Subject<'a>) -> Subject<'a> {
        let key = first_key(subject);
        let lease = self.lifetimes.ties(&key).find_map(Tie::lease);
        lease.map_or_else(|| subject.clone(), |lease| Subject::Lease(lease.to_string().into()))
    }

    fn term(&mut self, name: &Subject<'a>) -> Option<&mut Term> {
        let place = self.find(&self.bearer(name))?;
        self.lanes[place].terms.last_mut()
    }

    fn events(&mut self, name: Subject<'a>, events: &Events) {
        let parts = events.events.len() as Place + 1.0;
        for (number, event) in events.events.iter().enumerate() {
            let at = self.index as Place + (number as Place + 1.0) / parts;
            let (kind, words) = match event {
                Event::Put { key, value, .. } => {
                    (MarkKind::Put, format!("put {} {}", quote_value(key), brief(value)))
                }
                Event::Delete { key, .. } => {
                    (MarkKind::Delete, format!("delete {}", quote_value(key)))
                }
            };
            self.mark(&name, at, kind, words);
        }
        if events.error.is_some() {
            self.end(&name, self.index as Place + 1.0, Ending::Broken);
        }
    }
}

/// The key by which it is known what a lane depends on; empty if it is not a lane of keys.
fn first_key<'b>(subject: &'b Subject<'_>) -> Cow<'b, [u8]> {
    match subject {
        Subject::Key(key) => Cow::Borrowed(key.as_ref()),
        Subject::Fill(start) => numbered(start, 0).into(),
        Subject::Lease(_) | Subject::Watch(_) => Cow::Borrowed(b""),
    }
}

/// A value as a script would write it, or how long it is.
fn brief(value: &Value) -> Cow<'static, str> {
    match value {
        Value::Whole(value) => quote(value).into(),
        Value::Long { bytes, .. } => format!("({bytes} bytes)").into(),
    }
}

/// Cuts the TTL that a lane is in short.
fn cut(lane: &mut Lane, at: Place) {
    if let Some(term) = lane.terms.last_mut().filter(|term| term.until.is_none_or(|end| end > at)) {
        term.until = Some(at);
        term.is_cut = true;
    }
}
