//! Fills the lanes of a timeline, command by command.

use std::borrow::Cow;
use std::collections::HashSet;
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
///
/// There are few lanes, and looking through them all is quicker than finding one by a hash.
pub(super) struct Lanes<'a> {
    steps: &'a [Step],
    index: usize,
    lanes: Vec<Lane>,
    /// What each lane is of.
    names: Vec<Name<'a>>,
    /// The lease that each key, or the keys of a fill, hang on.
    tied: Vec<(Name<'a>, Cow<'a, str>)>,
    /// What no lane is left for.
    left_out: HashSet<Name<'a>>,
}

/// What a lane is of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Name<'a> {
    Key(Cow<'a, [u8]>),
    /// The keys of a `fill`, by what they begin with.
    Fill(Cow<'a, [u8]>),
    Lease(Cow<'a, str>),
    Watch(Cow<'a, str>),
}

impl<'a> Name<'a> {
    fn key(key: &'a [u8]) -> Self {
        Self::Key(key.into())
    }

    fn watch(name: Option<&'a str>) -> Self {
        Self::Watch(name.map_or_else(|| watch_name(&None).into(), Cow::from))
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
        let (lanes, names, tied) = (Vec::new(), Vec::new(), Vec::new());
        Self { steps, index: 0, lanes, names, tied, left_out: HashSet::new() }
    }

    /// The lanes, and how many more there would be.
    pub fn finish(mut self) -> (Vec<Lane>, usize) {
        self.lanes.sort_by_key(|lane| lane.kind);
        (self.lanes, self.left_out.len())
    }

    /// Takes in the next command.
    pub fn take(&mut self, command: &'a Command, answer: &'a Answer) {
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
    fn write(&mut self, command: &'a Command, answer: &'a Answer) {
        use Command as C;
        match (command, answer) {
            (C::Update { key, lease, value, .. }, Answer::Done | Answer::Granted { .. }) => {
                self.put(Name::key(&key.0), brief(&value.0), lease.as_deref().map(Cow::from));
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
                    Some(count) => (Name::Fill((&key.0).into()), format!("{count} writes").into()),
                    None => (Name::key(&key.0), "fill".into()),
                };
                self.put(name.clone(), words, lease.as_deref().map(Cow::from));
                self.grant(name, answer);
            }
            (C::Delete { key }, Answer::Done) => self.take_away(&Name::key(&key.0)),
            (C::Lease { name, .. } | C::KeepAlive { lease: name }, _) => {
                let name = Name::Lease(name.into());
                let words = if matches!(command, C::Lease { .. }) { "granted" } else { "renewed" };
                self.put(name.clone(), words.into(), None);
                self.grant(name, answer);
            }
            (C::Revoke { lease }, Answer::Done) => self.revoke(lease),
            (C::Txn { words }, Answer::Txn(succeeded, _)) => self.txn(words, *succeeded),
            (C::Race { kind, key, .. }, _) => {
                let words = format!("race {kind}").into();
                self.put(Name::Fill((&key.0).into()), words, None);
                self.end(&Name::Fill((&key.0).into()), self.index as Place + 1.0, Ending::Ordered);
            }
            _ => {}
        }
    }

    /// What looks, and what it finds.
    fn look(&mut self, command: &'a Command, answer: &'a Answer) {
        use Command as C;
        match (command, answer) {
            (C::Read { key, at: None }, Answer::Value(value)) => {
                let words = value.as_deref().map(brief);
                self.see(Name::key(&key.0), words);
            }
            (C::Metadata { key, .. }, Answer::Metadata(_, found)) => {
                self.see(
                    Name::key(&key.0),
                    found.as_ref().map(|found| format!("version {}", found.version).into()),
                );
            }
            (C::List { prefix, at: None, limit: None, .. }, Answer::Keys(keys)) => {
                self.list(&prefix.0, keys);
            }
            (C::TimeToLive { lease }, Answer::Left(_)) => {
                self.mark(&Name::Lease(lease.into()), self.middle(), MarkKind::Seen, "asked for");
            }
            (_, Answer::Expired(expiries)) => expiries.iter().for_each(|one| self.expire(one)),
            (_, Answer::Survived(survivals)) => {
                for survival in survivals {
                    let words = survival.gone.is_none().then(|| "survived".into());
                    self.see(Name::key(&survival.key), words);
                }
            }
            _ => {}
        }
    }

    /// What watches are told.
    fn listen(&mut self, command: &'a Command, answer: &'a Answer) {
        use Command as C;
        match (command, answer) {
            (C::Watch { name, .. }, _) => {
                let name = Name::watch(name.as_deref());
                self.end(&name, self.middle(), Ending::Ordered);
                self.begin(name);
            }
            (C::Unwatch { watch }, Answer::Done) => {
                let name = Name::Watch(watch.into());
                self.end(&name, self.index as Place + 1.0, Ending::Ordered);
            }
            (C::Next { watch } | C::Events { watch, .. }, Answer::Events(events)) => {
                self.events(Name::Watch(watch.into()), events);
            }
            (C::Events { watch, .. }, Answer::EventCount(count)) => {
                let words = format!("{} puts, {} deletes", count.puts, count.deletes);
                let name = Name::Watch(watch.into());
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

    /// The place of the lane of that name, where there is one.
    fn find(&self, name: &Name<'a>) -> Option<usize> {
        self.names.iter().position(|one| one == name)
    }

    /// The lane of that name, made where there is room.
    fn lane(&mut self, name: &Name<'a>) -> Option<&mut Lane> {
        if let Some(place) = self.find(name) {
            return Some(&mut self.lanes[place]);
        }
        if self.lanes.len() == LANES {
            self.left_out.insert(name.clone());
            return None;
        }
        self.names.push(name.clone());
        self.lanes.push(name.lane());
        self.lanes.last_mut()
    }

    fn mark(
        &mut self,
        name: &Name<'a>,
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
    fn begin(&mut self, name: Name<'a>) {
        let from = self.index as Place;
        let Some(lane) = self.lane(&name) else { return };
        if lane.lives.last().is_none_or(|life| life.end.is_some()) {
            lane.lives.push(Life { from, end: None });
        }
    }

    fn end(&mut self, name: &Name<'a>, at: Place, ending: Ending) {
        let Some(place) = self.find(name) else { return };
        let lane = &mut self.lanes[place];
        let Some(life) = lane.lives.last_mut().filter(|life| life.end.is_none()) else { return };
        life.end = Some((at.max(life.from), ending));
        if ending == Ending::Ordered {
            cut(lane, at);
        }
    }

    fn put(&mut self, name: Name<'a>, words: Cow<'static, str>, lease: Option<Cow<'a, str>>) {
        let at = self.index as Place;
        self.begin(name.clone());
        self.mark(&name, at, MarkKind::Written, words);
        if let Some(lane) = self.lane(&name) {
            cut(lane, at);
        }
        self.untie(&name);
        self.tied.extend(lease.map(|lease| (name, lease)));
    }

    /// Notes a time to live that this command was granted.
    fn grant(&mut self, name: Name<'a>, answer: &'a Answer) {
        let (Answer::Granted { granted, .. } | Answer::Renewed { granted, .. }) = answer else {
            return;
        };
        let from = self.index as Place;
        let until = place(self.steps, self.steps[self.index].at.saturating_add(*granted));
        let term = Term { from, granted: *granted, until, lag: None, is_cut: false };
        self.lane(&name).map(|lane| lane.terms.push(term)).unwrap_or_default();
    }

    fn untie(&mut self, name: &Name<'a>) {
        self.tied.retain(|(one, _)| one != name);
    }

    fn take_away(&mut self, name: &Name<'a>) {
        self.untie(name);
        self.end(name, self.index as Place + 1.0, Ending::Ordered);
    }

    fn revoke(&mut self, lease: &'a str) {
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
                    self.put(Name::Key(key.0.into()), brief(&value.0), lease.map(Cow::from));
                }
                OpScript::Fill(key, count) => {
                    let words = format!("{count} writes").into();
                    self.put(Name::Fill(key.0.into()), words, None);
                }
                OpScript::Delete(key) => self.take_away(&Name::Key(key.0.into())),
                OpScript::DeletePrefix(prefix) => {
                    let gone = self.living(&prefix.0);
                    gone.iter().for_each(|name| self.take_away(name));
                }
                OpScript::Read(_) | OpScript::List(_) => {}
            }
        }
    }

    /// The keys with that prefix that have a lane and live.
    fn living(&self, prefix: &[u8]) -> Vec<Name<'a>> {
        let names = self.names.iter().enumerate().filter(|(place, name)| {
            matches!(name, Name::Key(key) if key.starts_with(prefix)) && self.lives(*place)
        });
        names.map(|(_, name)| name.clone()).collect()
    }

    fn lives(&self, place: usize) -> bool {
        self.lanes[place].lives.last().is_some_and(|life| life.end.is_none())
    }

    /// Notes that a key was looked at: `words` are what was found, `None` that it is not there.
    fn see(&mut self, name: Name<'a>, words: Option<Cow<'static, str>>) {
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
        let is_told = |name: &Name<'_>| match name {
            Name::Key(key) => keys.iter().any(|one| one == key.as_ref()),
            Name::Fill(start) => keys.iter().any(|key| key.starts_with(start)),
            Name::Lease(_) | Name::Watch(_) => true,
        };
        let missed = self.living(prefix).into_iter().filter(|name| !is_told(name));
        missed.for_each(|name| self.see(name, None));
        let filled = |name: &&Name<'a>| matches!(name, Name::Fill(one) if one.starts_with(prefix));
        let gone = self.names.iter().filter(filled).filter(|name| !is_told(name));
        let gone: Vec<_> = gone.cloned().collect();
        gone.iter().for_each(|name| self.end(name, self.middle(), Ending::Gone));
        for key in keys {
            if !self.is_filled(key) {
                self.see(Name::key(key), Some("listed".into()));
            }
        }
    }

    /// Whether the key is one of a `fill`, and has no lane of its own.
    fn is_filled(&self, key: &'a [u8]) -> bool {
        let covers = |name: &Name<'_>| matches!(name, Name::Fill(start) if key.starts_with(start));
        self.names.iter().any(covers) && self.find(&Name::key(key)).is_none()
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
    fn waited_for(&self, told: &str) -> Option<Name<'a>> {
        let is_meant = |name: &&Name<'a>| match name {
            Name::Key(key) => quote(key) == told,
            Name::Lease(lease) => told.strip_prefix("lease ") == Some(lease),
            Name::Fill(start) => told.starts_with(quote(start).trim_end_matches('"')),
            Name::Watch(_) => false,
        };
        let is_fill = |name: &&Name<'a>| matches!(name, Name::Fill(_));
        self.names.iter().filter(is_meant).min_by_key(is_fill).cloned()
    }

    /// What has the time to live that something hangs on now: itself, or its lease.
    fn bearer(&self, name: &Name<'a>) -> Name<'a> {
        let lease = self.tied.iter().find(|(one, _)| one == name);
        lease.map_or_else(|| name.clone(), |(_, lease)| Name::Lease(lease.clone()))
    }

    fn term(&mut self, name: &Name<'a>) -> Option<&mut Term> {
        let place = self.find(&self.bearer(name))?;
        self.lanes[place].terms.last_mut()
    }

    fn events(&mut self, name: Name<'a>, events: &Events) {
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
    fn refuse(&mut self, command: &'a Command, error: Cow<'static, str>) {
        use Command as C;
        let name = match command {
            C::Update { key, .. } | C::Create { key, .. } | C::Delete { key } => Name::key(&key.0),
            C::Read { key, .. } | C::Metadata { key, .. } => Name::key(&key.0),
            C::Mkdir { directory } => Name::key(&directory.0),
            C::Fill { key, .. } | C::Race { key, .. } => Name::Fill((&key.0).into()),
            C::Watch { name, .. } => Name::watch(name.as_deref()),
            C::Next { watch } | C::Events { watch, .. } | C::Unwatch { watch } => {
                Name::Watch(watch.into())
            }
            C::Lease { name: lease, .. } | C::KeepAlive { lease } => Name::Lease(lease.into()),
            C::TimeToLive { lease } | C::Revoke { lease } => Name::Lease(lease.into()),
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
