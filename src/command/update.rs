//! `update`: writes a key.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::args::LONGEST_WAIT;
use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{label, lifetime, saw_lease};
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Keys, StateChange, Subject, Written};
use crate::session::Session;
use crate::session::extensions::leases;
use crate::session::ttls::Hold;
use crate::store::{ErrorKind, Function, Result, Store, StoreError};
use crate::transcript::Answer;
use crate::words::{Bytes, Span};

command! {
    /// Writes a key.
    Update = "update", "update KEY VALUE [ttl=SPAN | lease=NAME]", "writes a key; the time granted must be no less than asked for. `lease=` names a lease of the script, or an id that was never granted: `unknown`, `negative`, `zero`. `bare=true` sends the empty key" {
        /// The key.
        key: Bytes = word("key"),
        /// The value.
        value: Bytes = word("value"),
        /// The TTL to ask for.
        ttl: Option<Span> = named("ttl"),
        /// The lease to attach the key to.
        lease: Option<String> = named("lease"),
        /// Whether the key is sent as it stands, without the prefix; allowed for the empty key only.
        bare: bool = flag("bare"),
    }
}

impl Update {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(30, &[], |choices| {
        let (key, value) = (choices.key(), choices.value());
        let (mut ttl, mut lease) = (None, None);
        match choices.below(100) {
            // Nothing else may be outside the program's prefix.
            0 if choices.scene().is_alone && choices.in_hundred(50) => {
                let key = Bytes(Vec::new());
                return Some(Command::Update(Self { key, value, ttl, lease, bare: true }));
            }
            0..40 => {}
            40..55 => ttl = Some(choices.ttl()),
            _ if !choices.has(Need::Leases) => {}
            _ => lease = choices.lease(),
        }
        Some(Command::Update(Self { key, value, ttl, lease, bare: false }))
    });
}

#[async_trait(?Send)]
impl Verb for Update {
    fn label(&self) -> String {
        label("update", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![match (&self.ttl, &self.lease) {
            (Some(_), _) => Function::UpdateWithTtl,
            (None, Some(_)) => Function::UpdateWithLease,
            (None, None) => Function::Update,
        }]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.key.0))
    }

    fn uses(&self) -> Vec<Name> {
        self.lease.iter().map(|lease| Named::Lease.called(lease)).collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self {
            Self { ttl: Some(_), lease: Some(_), .. } => {
                Err("ttl= and lease= exclude each other".into())
            }
            Self { bare: true, key, .. } if !key.0.is_empty() => Err("bare=true is for the empty key only: any other key needs the prefix that keeps it apart".into()),
            Self { .. } => Ok(()),
        }
    }

    fn max_wait(&self) -> Duration {
        self.ttl.map_or(Duration::ZERO, |ttl| ttl.0.min(LONGEST_WAIT))
    }

    fn writes(&self) -> Option<(&[u8], &[u8])> {
        Some((&self.key.0, &self.value.0))
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let keys = if self.bare { Keys::Bare } else { Keys::One((&self.key.0).into()) };
        let lifetime = lifetime(self.ttl.map(|ttl| ttl.0), self.lease.as_deref(), answer);
        let wrote = Effect::Changed(StateChange::Wrote(
            keys,
            Written::Value((&self.value.0).into()),
            lifetime,
        ));
        self.lease.iter().map(|lease| saw_lease(lease)).chain([wrote]).collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let (client, value) = (client.as_ref(), &self.value.0);
        if self.bare {
            return self.run_bare(session, client).await;
        }
        let key = session.clients.whole(&self.key.0);
        match (&self.ttl, &self.lease) {
            (Some(Span(asked)), _) => {
                let before = Instant::now();
                let written = client.update_with_ttl(&key, value, *asked);
                let granted = session.clients.call(written).await?;
                let subject = Subject::Key(self.key.0.clone().into());
                session.ttls.grant(subject, Hold::until_now(granted, before));
                return Ok(Answer::Granted { asked: *asked, granted });
            }
            (None, Some(lease)) => {
                let id = session.lease_id(lease);
                let written = leases(client)?.update_with_lease(&key, value, id);
                session.clients.call(written).await?;
            }
            (None, None) => session.clients.call(client.update(&key, value)).await?,
        }
        Ok(Answer::Done)
    }
}

impl Update {
    /// Writes the empty key, unless the store has one already: it lies outside the case's prefix.
    async fn run_bare(&self, session: &mut Session<'_>, client: &dyn Store) -> Result<Answer> {
        if let Ok(Some(_)) = session.clients.call(client.read(b"")).await {
            let message = "the empty key has a value already, which is not kvspec's";
            return Err(StoreError::own(ErrorKind::KeyExists, message));
        }
        // Noted before the call, which may be cut short after it was done.
        session.traces.keys.insert(Vec::new());
        let written = session.clients.call(client.update(b"", &self.value.0)).await;
        let is_refused =
            |error: &StoreError| matches!(error.kind, ErrorKind::EmptyKey | ErrorKind::Closed);
        if written.as_ref().is_err_and(is_refused) {
            session.traces.keys.remove(b"".as_slice());
        }
        written.map(|()| Answer::Done)
    }
}
