//! `race`: many calls under way at once, where a store may only let some of all outcomes happen.

mod atomic_read;
mod cas;
mod compact;
mod ends;
mod fan_out;
mod keep_alive;
mod pending;
mod prolong;
mod prompt;
mod record;
mod refused;
mod register;
mod resume;
mod rewrite_at_expiry;
mod watch;

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use async_trait::async_trait;

use self::record::Record;
use super::draw::Drawn;
use super::{Topic, Verb, command};
use crate::effect::{Effect, Keys, Lifetime, Passing, StateChange, Subject, Written};
pub use crate::history::RaceKind;
use crate::history::{Bounds, Calls};
use crate::session::clients::{CallLimit, Clients};
use crate::session::ttls::PollSchedule;
use crate::session::{Noted, Session};
use crate::store::{Function, LeaseId, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Has many calls under way at once, and prints how many went as they must.
    Race = "race", "race KIND KEY [clients=N] [rounds=N]", "many calls at once, judged as a whole: `register`, `cas`, `renew`, `prolong`, `watch`, `keep_alive`, `flip`, `fan`, `pending`, `resume`, `compact`, `refused`, `prompt`" {
        /// What is raced for.
        kind: RaceKind = word("kind"),
        /// The key, or what all keys begin with.
        key: Bytes = word("key"),
        /// How many clients.
        clients: Option<usize> = named("clients"),
        /// How many rounds, or calls of each client.
        rounds: Option<usize> = named("rounds"),
    }
}

impl Race {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn =
        Drawn::Not("it is a program of many clients by itself, judged as a whole");
}

#[async_trait(?Send)]
impl Verb for Race {
    fn label(&self) -> String {
        format!("race {}", self.kind)
    }

    fn functions(&self) -> Vec<Function> {
        raced(self.kind)
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Fill((&self.key.0).into()))
    }

    fn max_wait(&self) -> Duration {
        self.kind.max_wait()
    }

    /// Where a race has numbers of its own, they are hundreds of calls.
    fn calls(&self) -> usize {
        self.clients.unwrap_or(8) * self.rounds.unwrap_or(100)
    }

    fn topic(&self) -> Topic {
        Topic::Race(self.kind)
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let keys = Keys::Under((&self.key.0).into());
        let written = Written::Race(self.kind.to_string());
        vec![
            Effect::Passed(Passing::TookItsTime),
            Effect::Changed(StateChange::Wrote(keys, written, Lifetime::Permanent)),
        ]
    }

    async fn run(&self, session: &mut Session<'_>, _: Arc<dyn Store>) -> Result<Answer> {
        let Self { kind, clients, rounds, .. } = *self;
        let key = session.clients.whole(&self.key.0);
        let mut field =
            Field::open(&session.clients, kind, key, clients, rounds, session.polls).await?;
        field.is_unread = session.watches.are_unread;
        session.traces.keys.extend(field.keys());
        session.traces.noted.push(field.noted.clone());
        field.run(&session.clients, &mut session.traces.leases).await
    }
}

/// What a race needs: clients of its own, whole keys, and how long one call may take.
struct Field {
    clients: Vec<Arc<dyn Store>>,
    key: Vec<u8>,
    rounds: usize,
    limit: CallLimit,
    /// The key's part before the script's own.
    prefix: usize,
    /// How much later than granted a key may go.
    lag: Duration,
    bounds: Bounds,
    kind: RaceKind,
    record: Record,
    /// The keys that were written, where not all may be.
    noted: Noted,
    /// Whether watches are read only when their events are wanted.
    is_unread: bool,
}

/// The time of leases that are to outlive the race.
const TTL: Duration = Duration::from_secs(60);

/// How many clients race where the script does not say.
const CLIENTS: usize = 4;
/// How many rounds there are where the script does not say.
const ROUNDS: usize = 20;

impl Field {
    /// Opens the race's own clients.
    async fn open(
        clients: &Clients<'_>,
        kind: RaceKind,
        key: Vec<u8>,
        count: Option<usize>,
        rounds: Option<usize>,
        polls: PollSchedule,
    ) -> Result<Self> {
        let mut own: Vec<Arc<dyn Store>> = Vec::new();
        for _ in 0..count.unwrap_or(CLIENTS).max(1) {
            own.push(clients.fresh().await?.into());
        }
        let rounds = rounds.unwrap_or(ROUNDS);
        Ok(Self {
            clients: own,
            key,
            rounds,
            limit: clients.limit.clone(),
            prefix: clients.prefix.len(),
            lag: polls.lag,
            bounds: Bounds {
                deadline: clients.limit.deadline(),
                event_lag: polls.event_lag,
                tolerance: polls.tolerance,
            },
            kind,
            record: Record::new(),
            noted: Noted::default(),
            is_unread: false,
        })
    }

    /// Every key that the race writes, but for those that it notes as it writes them.
    fn keys(&self) -> Vec<Vec<u8>> {
        match self.kind {
            RaceKind::Register | RaceKind::Cas => vec![self.key.clone()],
            RaceKind::FanOut => (0..fan_out::WRITES).map(|write| self.numbered(write)).collect(),
            RaceKind::AtomicRead | RaceKind::Pending => vec![self.numbered(0), self.numbered(1)],
            RaceKind::Refused => {
                (0..self.clients.len()).map(|client| self.numbered(client)).collect()
            }
            RaceKind::Resume => {
                (0..self.resume_writes()).map(|write| self.numbered(write)).collect()
            }
            RaceKind::Compact => {
                (0..self.rounds * compact::WRITES).map(|write| self.numbered(write)).collect()
            }
            RaceKind::RewriteAtExpiry | RaceKind::Prolong | RaceKind::KeepAlive => Vec::new(),
            RaceKind::Watch | RaceKind::Prompt => {
                (0..self.rounds).map(|round| self.numbered(round)).collect()
            }
        }
    }

    /// Races, and closes the clients. An error of a call ended the race, and is in its record.
    async fn run(self, clients: &Clients<'_>, leases: &mut Vec<LeaseId>) -> Result<Answer> {
        let raced = match self.kind {
            RaceKind::Register => return Ok(self.closed(self.register().await).await),
            RaceKind::Cas => self.cas().await,
            RaceKind::RewriteAtExpiry => self.rewrite_at_expiry().await,
            RaceKind::Watch => self.watch().await,
            RaceKind::KeepAlive => self.keep_alive(leases).await,
            RaceKind::Prolong => self.prolong().await,
            RaceKind::AtomicRead => self.atomic_read().await,
            RaceKind::FanOut => self.fan_out().await,
            RaceKind::Pending => self.pending(clients, leases).await,
            RaceKind::Resume => self.resume().await,
            RaceKind::Compact => self.compact().await,
            RaceKind::Refused => self.refused(leases).await,
            RaceKind::Prompt => self.prompt().await,
        };
        let calls = self.closed(self.judged()).await;
        match raced {
            // An error of none of its calls: the store lacks what the race needs.
            Err(error) if calls.error().is_none() && calls.race().trouble.is_none() => Err(error),
            Ok(()) | Err(_) => Ok(Answer::Calls(calls)),
        }
    }

    /// Closes the clients.
    async fn closed<T>(&self, answer: T) -> T {
        for client in &self.clients {
            let _ = self.call(client.close()).await;
        }
        answer
    }

    /// The record so far, to be judged.
    fn judged(&self) -> Calls {
        let rounds = if self.kind == RaceKind::Resume { self.resume_writes() } else { self.rounds };
        let seen = self.record.seen();
        Calls::new(self.kind, rounds, self.bounds, seen.calls.clone(), seen.watches.clone())
    }

    fn numbered(&self, number: usize) -> Vec<u8> {
        [&self.key, format!("{number:04}").as_bytes()].concat()
    }

    /// Notes a key before it is written.
    fn note(&self, key: &[u8]) {
        self.noted.lock().unwrap_or_else(PoisonError::into_inner).insert(key.into());
    }

    /// A key as the script calls it.
    fn own<'a>(&self, key: &'a [u8]) -> &'a [u8] {
        // The empty key is whole.
        key.get(self.prefix..).unwrap_or_default()
    }

    /// The client whose turn it is.
    fn client(&self, round: usize) -> usize {
        round % self.clients.len()
    }

    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        self.limit.within(Duration::ZERO, call).await
    }
}

/// The functions without which a race means nothing; a call that some races make where they can is not among them.
fn raced(kind: RaceKind) -> Vec<Function> {
    match kind {
        RaceKind::Register => vec![Function::Update, Function::Read, Function::Delete],
        RaceKind::Cas => vec![Function::Update, Function::Read, Function::TxnValue],
        RaceKind::RewriteAtExpiry => vec![Function::UpdateWithTtl, Function::Read],
        RaceKind::Prolong => vec![Function::Lease, Function::UpdateWithLease, Function::KeepAlive],
        RaceKind::Watch | RaceKind::FanOut => vec![Function::Watch, Function::Update],
        RaceKind::KeepAlive => vec![Function::Lease, Function::KeepAlive],
        RaceKind::AtomicRead => {
            vec![Function::TxnUnconditional, Function::TxnOps, Function::TxnRead]
        }
        // It makes every call that the store's type has.
        RaceKind::Pending => vec![
            Function::Update,
            Function::Read,
            Function::List,
            Function::Delete,
            Function::Watch,
            Function::Revision,
            Function::Metadata,
            Function::ReadAt,
            Function::ListAt,
            Function::WatchFrom,
            Function::Lease,
            Function::UpdateWithTtl,
            Function::UpdateWithLease,
            Function::KeepAlive,
            Function::TimeToLive,
            Function::Revoke,
            Function::TxnUnconditional,
        ],
        RaceKind::Resume => vec![
            Function::Revision,
            Function::WatchFrom,
            Function::Update,
            Function::EventRevisions,
        ],
        RaceKind::Compact => {
            vec![Function::Revision, Function::Compact, Function::Watch, Function::Update]
        }
        // The valid ones are writes of every kind that the store's type has.
        RaceKind::Refused => vec![
            Function::Update,
            Function::Read,
            Function::Delete,
            Function::ReadAt,
            Function::Lease,
            Function::UpdateWithLease,
            Function::TxnUnconditional,
            Function::TxnOps,
        ],
        RaceKind::Prompt => vec![Function::Watch, Function::Update],
    }
}
