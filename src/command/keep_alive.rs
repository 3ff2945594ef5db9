//! `keep_alive`: sets a lease back to its full time.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::time::Instant;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{granted, saw_lease};
use super::{Command, Topic, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, StateChange, Subject};
use crate::session::Session;
use crate::session::extensions::leases;
use crate::session::ttls::Hold;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Sets a lease back to its full time.
    KeepAlive = "keep_alive", "keep_alive LEASE", "sets a lease back to its full time" {
        /// The lease.
        lease: String = word("lease"),
    }
}

impl KeepAlive {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(9, &[Need::Leases], |choices| {
        Some(Command::KeepAlive(Self { lease: choices.lease()? }))
    });
}

#[async_trait(?Send)]
impl Verb for KeepAlive {
    fn label(&self) -> String {
        format!("keep_alive {}", self.lease)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::KeepAlive]
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

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![
            saw_lease(&self.lease),
            Effect::Changed(StateChange::Renewed(&self.lease, granted(answer))),
        ]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let name = &self.lease;
        let before = Instant::now();
        let id = session.lease_id(name);
        let renewed = session.clients.call(leases(client.as_ref())?.keep_alive(id)).await?;
        let Some(Hold { granted, .. }) = session.ttls.lease(name) else { return Ok(Answer::Done) };
        let again = Hold::until_now(granted, before);
        session.ttls.grant(Subject::Lease(name.clone().into()), again);
        Ok(Answer::Renewed { granted, renewed })
    }
}
