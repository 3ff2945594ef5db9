//! `fill`: writes many keys, or one large value.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::args::LONGEST_WAIT;
use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{label, lifetime, saw_lease};
use super::{Verb, command};
use crate::effect::{Effect, Keys, StateChange, Subject, Written};
use crate::session::Session;
use crate::session::fill;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::{Bytes, Size, Span};

command! {
    /// Writes many keys, or one large value.
    Fill = "fill", "fill KEY [count=N] [distinct=N] [size=SIZE] [writers=N] [ttl=SPAN | lease=NAME | as=NAME]", "writes many keys, `KEY0000` and on, or one large value; with `as` in the background" {
        /// The key, or what all keys begin with.
        key: Bytes = word("key"),
        /// How many writes.
        count: Option<usize> = named("count"),
        /// How many different keys; as many as writes if it is not given.
        distinct: Option<usize> = named("distinct"),
        /// How many bytes each value has; just the number of the write if it is not given.
        size: Option<Size> = named("size"),
        /// How many writes are under way at once.
        writers: Option<usize> = named("writers"),
        /// The TTL to ask for.
        ttl: Option<Span> = named("ttl"),
        /// The lease to attach the keys to.
        lease: Option<String> = named("lease"),
        /// The name by which `join` calls it.
        name: Option<String> = named("as"),
    }
}

impl Fill {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn =
        Drawn::Not("it writes many keys at once, which no shrunk script could show");
}

#[async_trait(?Send)]
impl Verb for Fill {
    fn label(&self) -> String {
        label("fill", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![match (&self.ttl, &self.lease) {
            (Some(_), _) => Function::UpdateWithTtl,
            (None, Some(_)) => Function::UpdateWithLease,
            (None, None) => Function::Update,
        }]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Fill((&self.key.0).into()))
    }

    fn makes(&self) -> Option<Name> {
        self.name.as_ref().map(|name| Named::Fill.called(name))
    }

    fn uses(&self) -> Vec<Name> {
        self.lease.iter().map(|lease| Named::Lease.called(lease)).collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match (&self.ttl, &self.lease, &self.name) {
            (Some(_), Some(_), _) => Err("ttl= and lease= exclude each other".into()),
            (Some(_), None, Some(_)) | (None, Some(_), Some(_)) => Err(
                "as= conflicts with ttl= and lease=: the start of the keys' TTL would be unknown"
                    .into(),
            ),
            (Some(_), None, None) | (None, Some(_), None) | (None, None, _) => Ok(()),
        }
    }

    fn max_wait(&self) -> Duration {
        self.ttl.map_or(Duration::ZERO, |ttl| ttl.0.min(LONGEST_WAIT))
    }

    fn calls(&self) -> usize {
        self.count.unwrap_or(1)
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let (keys, written) = match self.count {
            None => (Keys::One((&self.key.0).into()), Written::Fill),
            Some(count) => {
                let keys = self.distinct.unwrap_or(count).max(1).min(count);
                (Keys::Numbered((&self.key.0).into(), keys), Written::Many(count))
            }
        };
        let lifetime = lifetime(self.ttl.map(|ttl| ttl.0), self.lease.as_deref(), answer);
        let wrote = Effect::Changed(StateChange::Wrote(keys, written, lifetime));
        self.lease.iter().map(|lease| saw_lease(lease)).chain([wrote]).collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let keys = fill::keys(&self.key.0, self.count, self.distinct);
        let fill = fill::Fill {
            store: client,
            keys: keys.iter().map(|key| session.clients.whole(key)).collect(),
            size: self.size.map(|size| size.0),
            writers: self.writers,
            ttl: self.ttl.map(|ttl| ttl.0),
            lease: self.lease.as_deref().map(|lease| session.lease_id(lease)),
            limit: session.clients.limit.clone(),
            meter: session.clients.meter.clone(),
        };
        if let Some(name) = &self.name {
            session.fills.insert(name.clone(), tokio::spawn(fill.run()));
            return Ok(Answer::Done);
        }
        let holds = fill.run().await?;
        for (number, hold) in &holds {
            session.ttls.grant(Subject::Key(keys[*number].clone().into()), *hold);
        }
        let granted = holds.iter().map(|(_, hold)| hold.granted).min();
        let asked = self.ttl.map(|ttl| ttl.0).zip(granted);
        Ok(asked.map_or(Answer::Done, |(asked, granted)| Answer::Granted { asked, granted }))
    }
}
