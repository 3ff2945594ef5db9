//! `lease`: has a lease granted, of no less than the time asked for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::args::LONGEST_WAIT;
use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{everything, granted};
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, StateChange, Subject};
use crate::session::Session;
use crate::session::extensions::leases;
use crate::session::ttls::Hold;
use crate::store::{ErrorKind, Function, Result, Store, StoreError};
use crate::transcript::Answer;
use crate::words::Span;

command! {
    /// Has a lease granted, of no less than the time asked for.
    Lease = "lease", "lease NAME ttl=SPAN [id=ID]", "requests a lease, under an ID of the client's choice if one is given" {
        /// The name by which later commands call the lease.
        name: String = word("name"),
        /// The TTL to ask for.
        ttl: Span = needed("ttl"),
        /// The name of the id to ask for: a number that the runner draws, the same wherever the name is.
        id: Option<String> = named("id"),
    }
}

impl Lease {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(16, &[Need::Leases], |choices| {
        let (name, ttl) = (choices.new_name('l'), choices.ttl());
        let id = choices.in_hundred(20).then(|| ["i", "j"][choices.below(2)].into());
        Some(Command::Lease(Self { name, ttl, id }))
    });
}

#[async_trait(?Send)]
impl Verb for Lease {
    fn label(&self) -> String {
        format!("lease {}", self.name)
    }

    fn functions(&self) -> Vec<Function> {
        vec![if self.id.is_some() { Function::LeaseWithId } else { Function::Lease }]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Lease((&self.name).into()))
    }

    fn makes(&self) -> Option<Name> {
        Some(Named::Lease.called(&self.name))
    }

    fn max_wait(&self) -> Duration {
        self.ttl.0.min(LONGEST_WAIT)
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        // Whether an id is free depends on the leases that have it.
        let id = self.id.iter().map(|_| everything());
        let ttl = granted(answer).unwrap_or(self.ttl.0);
        id.chain([Effect::Changed(StateChange::Granted(&self.name, ttl, self.id.as_deref()))])
            .collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let (leases, asked) = (leases(client.as_ref())?, self.ttl.0);
        let before = Instant::now();
        let id = self.id.as_deref().map(|id| session.chosen_id(id));
        let lease = match id {
            Some(id) => session.clients.call(leases.lease_with_id(id, asked)).await?,
            None => session.clients.call(leases.lease(asked)).await?,
        };
        session.traces.leases.push(lease.id);
        session.leases.insert(self.name.clone(), lease.id);
        let granted = Hold::until_now(lease.ttl, before);
        session.ttls.grant(Subject::Lease(self.name.clone().into()), granted);
        if id.is_some_and(|id| id != lease.id) {
            let message = "another id was granted than the one asked for";
            return Err(StoreError::own(ErrorKind::Other, message));
        }
        Ok(Answer::Granted { asked, granted: lease.ttl })
    }
}
