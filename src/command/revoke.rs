//! `revoke`: ends a lease at once.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::saw_lease;
use super::{Command, Topic, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, StateChange, Subject};
use crate::session::Session;
use crate::session::extensions::leases;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Ends a lease at once.
    Revoke = "revoke", "revoke LEASE", "ends a lease at once" {
        /// The lease.
        lease: String = word("lease"),
    }
}

impl Revoke {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(14, &[Need::Leases], |choices| {
        Some(Command::Revoke(Self { lease: choices.lease()? }))
    });
}

#[async_trait(?Send)]
impl Verb for Revoke {
    fn label(&self) -> String {
        format!("revoke {}", self.lease)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Revoke]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::Lease((&self.lease).into()))
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Lease.called(&self.lease)]
    }

    fn topic(&self) -> Topic {
        Topic::Lease
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![saw_lease(&self.lease), Effect::Changed(StateChange::Revoked(&self.lease))]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let id = session.lease_id(&self.lease);
        session.clients.call(leases(client.as_ref())?.revoke(id)).await?;
        Ok(Answer::Done)
    }
}
