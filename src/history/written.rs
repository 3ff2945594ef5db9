//! How the record of a race is written: calls that are alike once, with a column for each thing in which they differ, and
//! every event once. A race has thousands of both.

use std::collections::HashMap;
use std::fmt::Debug;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Bounds, Calls, RaceBatch, RaceCall, RaceKind, RaceReply, RaceWatch};
use crate::store::{Call, LeaseId, StoreError, WatchEvent};

/// A record as it is written.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Written {
    kind: RaceKind,
    rounds: usize,
    bounds: Bounds,
    calls: Vec<Alike>,
    /// What the watches delivered, each event once.
    events: Vec<WatchEvent>,
    watches: Vec<Watch>,
}

/// Calls that differ only in what the columns say.
#[derive(Clone, Serialize, Deserialize)]
struct Alike {
    call: Call,
    /// Whether each of its keys ends in the number of the round, in four digits, which are left out.
    is_numbered: bool,
    reply: RaceReply,
    /// The leases of the call or the reply, which has 0 in its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    leases: Vec<LeaseId>,
    /// The places among all calls.
    places: Vec<usize>,
    clients: Vec<usize>,
    rounds: Vec<Option<usize>>,
    #[serde(with = "crate::wire")]
    began: Vec<Duration>,
    /// How long they took; `None` where they did not return in time.
    #[serde(with = "crate::wire")]
    took: Vec<Option<Duration>>,
}

#[derive(Clone, Serialize, Deserialize)]
struct Watch {
    opening: RaceCall,
    /// When each batch came.
    #[serde(with = "crate::wire")]
    at: Vec<Duration>,
    /// The places of the events of each batch.
    batches: Vec<Vec<usize>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    error: Option<StoreError>,
}

/// Gives equal things one place.
struct Places<T> {
    all: Vec<T>,
    places: HashMap<String, usize>,
}

impl<T> Places<T> {
    fn new() -> Self {
        Self { all: Vec::new(), places: HashMap::new() }
    }

    /// The place of what `name` is the whole content of.
    fn of(&mut self, name: &impl Debug, new: impl FnOnce() -> T) -> usize {
        *self.places.entry(format!("{name:?}")).or_insert_with(|| {
            self.all.push(new());
            self.all.len() - 1
        })
    }
}

impl From<Calls> for Written {
    fn from(record: Calls) -> Self {
        let Calls { kind, rounds, bounds, calls, watches, judged: _ } = record;
        let mut events = Places::new();
        let watches = watches.into_iter().map(|watch| Watch::of(watch, &mut events)).collect();
        Self { kind, rounds, bounds, calls: alike(calls), events: events.all, watches }
    }
}

fn alike(calls: Vec<RaceCall>) -> Vec<Alike> {
    let mut alike: Places<Alike> = Places::new();
    for (place, mut call) in calls.into_iter().enumerate() {
        let is_numbered = call.round.is_some_and(|round| cut(&mut call.call, &number(round)));
        let took = call.took();
        let RaceCall { client, round, mut call, began, returned: _, mut reply } = call;
        let lease = lease_mut(&mut call, &mut reply).map(std::mem::take);
        let name = (&call, is_numbered, &reply);
        let at = alike.of(&name, || Alike::new(call.clone(), is_numbered, reply.clone()));
        let alike = &mut alike.all[at];
        alike.leases.extend(lease);
        alike.places.push(place);
        alike.clients.push(client);
        alike.rounds.push(round);
        alike.began.push(began);
        alike.took.push(took);
    }
    alike.all
}

fn number(round: usize) -> String {
    format!("{round:04}")
}

/// The lease that a call is given, or gives.
fn lease_mut<'a>(call: &'a mut Call, reply: &'a mut RaceReply) -> Option<&'a mut LeaseId> {
    match (call, reply) {
        (Call::UpdateWithLease { lease, .. }, _)
        | (Call::KeepAlive { lease } | Call::TimeToLive { lease } | Call::Revoke { lease }, _) => {
            Some(lease)
        }
        (_, RaceReply::Lease(lease)) => Some(&mut lease.id),
        _ => None,
    }
}

/// Cuts the number off the keys of a call, if it has keys and each ends with it.
fn cut(call: &mut Call, number: &str) -> bool {
    let mut keys = call.keys_mut();
    let is_numbered = !keys.is_empty() && keys.iter().all(|key| key.ends_with(number.as_bytes()));
    if is_numbered {
        keys.iter_mut().for_each(|key| key.truncate(key.len() - number.len()));
    }
    is_numbered
}

impl Alike {
    fn new(call: Call, is_numbered: bool, reply: RaceReply) -> Self {
        let (leases, places, clients, rounds) = Default::default();
        let (began, took) = Default::default();
        Self { call, is_numbered, reply, leases, places, clients, rounds, began, took }
    }

    /// The calls, with their places.
    fn calls(self) -> Result<Vec<(usize, RaceCall)>, String> {
        let Self { call, is_numbered, reply, leases, places, clients, rounds, began, took } = self;
        let count = places.len();
        if [clients.len(), rounds.len(), began.len(), took.len()] != [count; 4] {
            return Err(format!("the columns of '{}' have not {count} rows each", call.method()));
        }
        let one = |row: usize| {
            let (mut call, round, began) = (call.clone(), rounds[row], began[row]);
            if let (true, Some(round)) = (is_numbered, round) {
                let number = number(round);
                call.keys_mut().into_iter().for_each(|key| key.extend(number.as_bytes()));
            }
            let returned = took[row].map(|took| began.saturating_add(took));
            let (client, mut reply) = (clients[row], reply.clone());
            if let (Some(lease), Some(id)) = (lease_mut(&mut call, &mut reply), leases.get(row)) {
                *lease = *id;
            }
            (places[row], RaceCall { client, round, call, began, returned, reply })
        };
        Ok((0..count).map(one).collect())
    }
}

impl Watch {
    fn of(watch: RaceWatch, events: &mut Places<WatchEvent>) -> Self {
        let RaceWatch { opening, batches, error } = watch;
        let at = batches.iter().map(|batch| batch.at).collect();
        let mut place = |event: &WatchEvent| events.of(event, || event.clone());
        let batches = batches.iter().map(|batch| batch.events.iter().map(&mut place).collect());
        let batches = batches.collect();
        Self { opening, at, batches, error }
    }

    fn read(self, events: &[WatchEvent]) -> Result<RaceWatch, String> {
        let Self { opening, at, batches, error } = self;
        if at.len() != batches.len() {
            return Err("a watch has not as many times as batches".into());
        }
        let event = |place: usize| {
            events.get(place).cloned().ok_or_else(|| format!("there is no event {place}"))
        };
        let batch = |(at, batch): (Duration, Vec<usize>)| {
            let events = batch.into_iter().map(event).collect::<Result<_, _>>()?;
            Ok::<_, String>(RaceBatch { at, events })
        };
        let batches = at.into_iter().zip(batches).map(batch).collect::<Result<_, _>>()?;
        Ok(RaceWatch { opening, batches, error })
    }
}

impl TryFrom<Written> for Calls {
    type Error = String;

    fn try_from(written: Written) -> Result<Self, String> {
        let Written { kind, rounds, bounds, calls, events, watches } = written;
        let calls = calls.into_iter().map(Alike::calls).collect::<Result<Vec<_>, _>>()?;
        let mut calls = calls.concat();
        calls.sort_by_key(|(place, _)| *place);
        let calls = calls.into_iter().map(|(_, call)| call).collect();
        let watches =
            watches.into_iter().map(|watch| watch.read(&events)).collect::<Result<_, _>>()?;
        Ok(Self::new(kind, rounds, bounds, calls, watches))
    }
}
