//! Fills the lanes of a timeline, command by command.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::time::Duration;

use super::{Ending, LANES, Lane, LaneKind, Life, MARKS, Mark, MarkKind, Place, Step, Term, place};
use crate::scenario::command::{Command, watch_name};
use crate::scenario::txn::{OpScript, TxnScript};
use crate::scenario::words::quote;
use crate::store::WatchEvent;
use crate::transcript::{Answer, Events, Expiry};

/// The longest value that is told whole, in bytes.
const SHOWN_WHOLE: usize = 80;

/// The lanes so far, and the command that is being taken in.
pub(super) struct Lanes<'a> {
    steps: &'a [Step],
    index: usize,
    lanes: Vec<Lane>,
    places: HashMap<Name, usize>,
    /// The lease that each key, or the keys of a fill, hang on.
    tied: HashMap<Name, String>,
    /// What no lane is left for.
    left_out: HashSet<Name>,
}

/// What a lane is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name {
    Key(Vec<u8>),
    /// The keys of a `fill`, by what they begin with.
    Fill(Vec<u8>),
    Lease(String),
    Watch(String),
}

impl Name {
    fn key(key: &[u8]) -> Self {
        Self::Key(key.into())
    }

    fn lane(&self) -> Lane {
        let (kind, name) = match self {
            Self::Key(key) => (LaneKind::Key, quote(key)),
            Self::Fill(start) => (LaneKind::Key, format!("fill {}", quote(start))),
            Self::Lease(name) => (LaneKind::Lease, format!("lease {name}")),
            Self::Watch(name) => (LaneKind::Watch, format!("watch {name}")),
        };
        let (lives, terms, marks) = (Vec::new(), Vec::new(), Vec::new());
        Lane { kind, name, lives, terms, marks, left_out: 0 }
    }
}

impl<'a> Lanes<'a> {
    pub fn new(steps: &'a [Step]) -> Self {
        let (lanes, index) = (Vec::new(), 0);
        let (places, tied, left_out) = (HashMap::new(), HashMap::new(), HashSet::new());
        Self { steps, index, lanes, places, tied, left_out }
    }

    /// The lanes, and how many more there would be.
    pub fn finish(mut self) -> (Vec<Lane>, usize) {
        self.lanes.sort_by_key(|lane| lane.kind);
        (self.lanes, self.left_out.len())
    }

    /// Takes in the next command.
    pub fn take(&mut self, command: &Command, answer: &Answer) {
        match answer {
            Answer::Error(error) => self.refuse(command, error.kind.to_string().into()),
            Answer::Panic(_) => self.refuse(command, "panic".into()),
            answer => {
                self.write(command, answer);
                self.look(command, answer);
                self.listen(command, answer);
            }
        }
        self.index += 1;
    }

    /// What writes, grants and takes away.
    fn write(&mut self, command: &Command, answer: &Answer) {
        use Command as C;
        match (command, answer) {
            (C::Update { key, lease, value, .. }, Answer::Done | Answer::Granted { .. }) => {
                self.put(Name::key(&key.0), brief(&value.0), lease.clone());
                self.grant(Name::key(&key.0), answer);
            }
            (C::Create { key, value }, Answer::Done) => {
                self.put(Name::key(&key.0), brief(&value.0), None);
            }
            (C::Mkdir { directory }, Answer::Done) => {
                self.put(Name::key(&directory.0), "directory".into(), None);
            }
            (C::Fill { key, count, lease, .. }, Answer::Done | Answer::Granted { .. }) => {
                let (name, words) = match count {
                    Some(count) => (Name::Fill(key.0.clone()), format!("{count} writes").into()),
                    None => (Name::key(&key.0), "fill".into()),
                };
                self.put(name.clone(), words, lease.clone());
                self.grant(name, answer);
            }
            (C::Delete { key }, Answer::Done) => self.delete(&key.0),
            (C::Lease { name, .. } | C::KeepAlive { lease: name }, _) => {
                let name = Name::Lease(name.clone());
                let words = if matches!(command, C::Lease { .. }) { "granted" } else { "renewed" };
                self.put(name.clone(), words.into(), None);
                self.grant(name, answer);
            }
            (C::Revoke { lease }, Answer::Done) => self.revoke(lease),
            (C::Txn { words }, Answer::Txn(succeeded, _)) => self.txn(words, *succeeded),
            (C::Race { kind, key, .. }, _) => {
                let words = format!("race {kind}").into();
                self.put(Name::Fill(key.0.clone()), words, None);
                self.end(&Name::Fill(key.0.clone()), self.index as Place + 1.0, Ending::Ordered);
            }
            _ => {}
        }
    }

    /// What looks, and what it finds.
    fn look(&mut self, command: &Command, answer: &Answer) {
        use Command as C;
        match (command, answer) {
            (C::Read { key, at: None }, Answer::Value(value)) => {
                let words = value.as_deref().map(brief);
                self.see(&key.0, words);
            }
            (C::Metadata { key, .. }, Answer::Metadata(_, found)) => {
                self.see(
                    &key.0,
                    found.as_ref().map(|found| format!("version {}", found.version).into()),
                );
            }
            (C::List { prefix, at: None, limit: None, .. }, Answer::Keys(keys)) => {
                self.list(&prefix.0, keys);
            }
            (C::TimeToLive { lease }, Answer::Left(_)) => {
                self.mark(&Name::Lease(lease.clone()), self.middle(), MarkKind::Seen, "asked for");
            }
            (_, Answer::Expired(expiries)) => expiries.iter().for_each(|one| self.expire(one)),
            (_, Answer::Survived(survivals)) => {
                for survival in survivals {
                    let words = survival.gone.is_none().then(|| "survived".into());
                    self.see(&survival.key, words);
                }
            }
            _ => {}
        }
    }

    /// What watches are told.
    fn listen(&mut self, command: &Command, answer: &Answer) {
        use Command as C;
        match (command, answer) {
            (C::Watch { name, .. }, _) => {
                let name = Name::Watch(watch_name(name));
                self.end(&name, self.middle(), Ending::Ordered);
                self.begin(name);
            }
            (C::Unwatch { watch }, Answer::Done) => {
                let name = Name::Watch(watch.clone());
                self.end(&name, self.index as Place + 1.0, Ending::Ordered);
            }
            (C::Next { watch } | C::Events { watch, .. }, Answer::Events(events)) => {
                self.events(Name::Watch(watch.clone()), events);
            }
            (C::Events { watch, .. }, Answer::EventCount(count)) => {
                let words = format!("{} puts, {} deletes", count.puts, count.deletes);
                let name = Name::Watch(watch.clone());
                self.mark(&name, self.middle(), MarkKind::Put, words);
                if count.error.is_some() {
                    self.end(&name, self.index as Place + 1.0, Ending::Broken);
                }
            }
            _ => {}
        }
    }

    fn middle(&self) -> Place {
        self.index as Place + 0.5
    }

    /// The lane of that name, made where there is room.
    fn lane(&mut self, name: &Name) -> Option<&mut Lane> {
        if let Some(place) = self.places.get(name) {
            return Some(&mut self.lanes[*place]);
        }
        if self.lanes.len() == LANES {
            self.left_out.insert(name.clone());
            return None;
        }
        self.places.insert(name.clone(), self.lanes.len());
        self.lanes.push(name.lane());
        self.lanes.last_mut()
    }

    fn mark(
        &mut self,
        name: &Name,
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
    fn begin(&mut self, name: Name) {
        let from = self.index as Place;
        let Some(lane) = self.lane(&name) else { return };
        if lane.lives.last().is_none_or(|life| life.end.is_some()) {
            lane.lives.push(Life { from, end: None });
        }
    }

    fn end(&mut self, name: &Name, at: Place, ending: Ending) {
        let Some(place) = self.places.get(name) else { return };
        let lane = &mut self.lanes[*place];
        let Some(life) = lane.lives.last_mut().filter(|life| life.end.is_none()) else { return };
        life.end = Some((at.max(life.from), ending));
        if ending == Ending::Ordered {
            cut(lane, at);
        }
    }

    fn put(&mut self, name: Name, words: Cow<'static, str>, lease: Option<String>) {
        let at = self.index as Place;
        self.begin(name.clone());
        self.mark(&name, at, MarkKind::Written, words);
        if let Some(lane) = self.lane(&name) {
            cut(lane, at);
        }
        match lease {
            Some(lease) => self.tied.insert(name, lease),
            None => self.tied.remove(&name),
        };
    }

    /// Notes a time to live that this command was granted.
    fn grant(&mut self, name: Name, answer: &Answer) {
        let (Answer::Granted { granted, .. } | Answer::Renewed { granted, .. }) = answer else {
            return;
        };
        let from = self.index as Place;
        let until = place(self.steps, self.steps[self.index].at.saturating_add(*granted));
        let term = Term { from, granted: *granted, until, lag: None, is_cut: false };
        self.lane(&name).map(|lane| lane.terms.push(term)).unwrap_or_default();
    }

    fn delete(&mut self, key: &[u8]) {
        self.take_away(&Name::key(key));
    }

    fn take_away(&mut self, name: &Name) {
        self.tied.remove(name);
        self.end(name, self.index as Place + 1.0, Ending::Ordered);
    }

    fn revoke(&mut self, lease: &str) {
        let tied = self.tied.iter().filter(|(_, name)| *name == lease);
        let tied: Vec<_> = tied.map(|(name, _)| name.clone()).collect();
        tied.iter().for_each(|name| self.take_away(name));
        self.take_away(&Name::Lease(lease.into()));
    }

    fn txn(&mut self, words: &[String], succeeded: bool) {
        let Ok(script) = TxnScript::parse(words) else { return };
        for op in if succeeded { script.then } else { script.otherwise } {
            match op {
                OpScript::Put(key, value, lease) => {
                    self.put(Name::Key(key.0), brief(&value.0), lease);
                }
                OpScript::Fill(key, count) => {
                    self.put(Name::Fill(key.0), format!("{count} writes").into(), None);
                }
                OpScript::Delete(key) => self.delete(&key.0),
                OpScript::DeletePrefix(prefix) => {
                    let gone: Vec<_> = self.living(&prefix.0).collect();
                    gone.iter().for_each(|key| self.delete(key));
                }
                OpScript::Read(_) | OpScript::List(_) => {}
            }
        }
    }

    /// The keys with that prefix that have a lane and live.
    fn living(&self, prefix: &[u8]) -> impl Iterator<Item = Vec<u8>> {
        self.places.iter().filter_map(move |(name, place)| match name {
            Name::Key(key) if key.starts_with(prefix) && self.lives(*place) => Some(key.clone()),
            _ => None,
        })
    }

    fn lives(&self, place: usize) -> bool {
        self.lanes[place].lives.last().is_some_and(|life| life.end.is_none())
    }

    /// Notes that a key was looked at: `words` are what was found, `None` that it is not there.
    fn see(&mut self, key: &[u8], words: Option<Cow<'static, str>>) {
        let (name, at) = (Name::key(key), self.middle());
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

    fn list(&mut self, prefix: &[u8], keys: &[Vec<u8>]) {
        let missed: Vec<_> = self.living(prefix).filter(|key| !keys.contains(key)).collect();
        missed.iter().for_each(|key| self.see(key, None));
        let is_gone = |name: &&Name| match name {
            Name::Fill(start) => {
                start.starts_with(prefix) && !keys.iter().any(|key| key.starts_with(start))
            }
            _ => false,
        };
        let gone: Vec<_> = self.places.keys().filter(is_gone).cloned().collect();
        gone.iter().for_each(|name| self.end(name, self.middle(), Ending::Gone));
        let told = |key: &&Vec<u8>| !self.is_filled(key);
        let told: Vec<_> = keys.iter().filter(told).collect();
        told.iter().for_each(|key| self.see(key, Some("listed".into())));
    }

    /// Whether the key is one of a `fill`, and has no lane of its own.
    fn is_filled(&self, key: &[u8]) -> bool {
        let covers = |name: &Name| matches!(name, Name::Fill(start) if key.starts_with(start));
        !self.places.contains_key(&Name::key(key)) && self.places.keys().any(covers)
    }

    fn expire(&mut self, expiry: &Expiry) {
        let Some(name) = self.waited_for(&expiry.name) else { return };
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

    /// The lane of what a script waited for, by the name that the answer has for it.
    fn waited_for(&self, told: &str) -> Option<Name> {
        let is_meant = |name: &&Name| match name {
            Name::Key(key) => quote(key) == told,
            Name::Lease(lease) => told.strip_prefix("lease ") == Some(lease),
            Name::Fill(start) => told.starts_with(quote(start).trim_end_matches('"')),
            Name::Watch(_) => false,
        };
        let is_fill = |name: &&Name| matches!(name, Name::Fill(_));
        self.places.keys().filter(is_meant).min_by_key(is_fill).cloned()
    }

    /// What has the time to live that something hangs on now: itself, or its lease.
    fn bearer(&self, name: &Name) -> Name {
        self.tied.get(name).cloned().map_or_else(|| name.clone(), Name::Lease)
    }

    fn term(&mut self, name: &Name) -> Option<&mut Term> {
        let place = self.places.get(&self.bearer(name))?;
        self.lanes[*place].terms.last_mut()
    }

    fn events(&mut self, name: Name, events: &Events) {
        let parts = events.events.len() as Place + 1.0;
        for (number, event) in events.events.iter().enumerate() {
            let at = self.index as Place + (number as Place + 1.0) / parts;
            let (kind, words) = match event {
                WatchEvent::Put { key, value, .. } => {
                    (MarkKind::Put, format!("put {} {}", quote(key), brief(value)))
                }
                WatchEvent::Delete { key, .. } => {
                    (MarkKind::Delete, format!("delete {}", quote(key)))
                }
            };
            self.mark(&name, at, kind, words);
        }
        if events.error.is_some() {
            self.end(&name, self.index as Place + 1.0, Ending::Broken);
        }
    }

    /// Notes on the lane of what a command was about that it was answered by an error.
    fn refuse(&mut self, command: &Command, error: Cow<'static, str>) {
        use Command as C;
        let name = match command {
            C::Update { key, .. } | C::Create { key, .. } | C::Delete { key } => Name::key(&key.0),
            C::Read { key, .. } | C::Metadata { key, .. } => Name::key(&key.0),
            C::Mkdir { directory } => Name::key(&directory.0),
            C::Fill { key, .. } | C::Race { key, .. } => Name::Fill(key.0.clone()),
            C::Watch { name, .. } => Name::Watch(watch_name(name)),
            C::Next { watch } | C::Events { watch, .. } | C::Unwatch { watch } => {
                Name::Watch(watch.clone())
            }
            C::Lease { name: lease, .. } | C::KeepAlive { lease } => Name::Lease(lease.clone()),
            C::TimeToLive { lease } | C::Revoke { lease } => Name::Lease(lease.clone()),
            _ => return,
        };
        self.mark(&name, self.middle(), MarkKind::Refused, error);
    }
}

/// A value as a script would write it, or how long it is.
fn brief(value: &[u8]) -> Cow<'static, str> {
    match value.len() {
        ..=SHOWN_WHOLE => quote(value).into(),
        length => format!("({length} bytes)").into(),
    }
}

/// Cuts the time to live that a lane is in short.
fn cut(lane: &mut Lane, at: Place) {
    if let Some(term) = lane.terms.last_mut().filter(|term| term.until.is_none_or(|end| end > at)) {
        term.until = Some(at);
        term.is_cut = true;
    }
}
