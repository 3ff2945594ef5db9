//! `time_to_live`: prints the keys attached to a lease, and judges what is said to be left of it.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Command, Topic, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Found, Sight, Subject};
use crate::session::Session;
use crate::session::extensions::leases;
use crate::store::{Function, Result, Store};
use crate::transcript::{Answer, Left};

command! {
    /// Prints the keys attached to a lease, and judges what is said to be left of it.
    TimeToLive = "time_to_live", "time_to_live LEASE", "the keys of a lease; what is left of it is judged" {
        /// The lease.
        lease: String = word("lease"),
    }
}

impl TimeToLive {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(8, &[Need::Leases], |choices| {
        Some(Command::TimeToLive(Self { lease: choices.lease()? }))
    });
}

#[async_trait(?Send)]
impl Verb for TimeToLive {
    fn label(&self) -> String {
        format!("time_to_live {}", self.lease)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::TimeToLive]
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
        let found = match answer {
            Some(Answer::Left(_)) => Found::There("asked for".into()),
            _ => Found::Unknown,
        };
        vec![Effect::Saw(Sight::Lease((&self.lease).into()), found)]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let id = session.lease_id(&self.lease);
        let asked = Instant::now();
        let mut said = session.clients.call(leases(client.as_ref())?.time_to_live(id)).await?;
        said.keys = said.keys.iter().map(|key| session.clients.own(key)).collect();
        let Some(hold) = session.ttls.lease(&self.lease) else {
            return Ok(Answer::Keys(said.keys));
        };
        let least = hold.granted.saturating_sub(hold.before.elapsed() + ROUNDING + CLOCKS);
        let run = match hold.is_extended {
            true => Duration::ZERO,
            false => asked.saturating_duration_since(hold.after),
        };
        let most = (hold.granted + CLOCKS).saturating_sub(run);
        Ok(Answer::Left(Left { granted: hold.granted, least, most, said }))
    }
}

/// How far the store's clock and the runner's may be apart when the store says what is left of a lease.
const CLOCKS: Duration = Duration::from_millis(20);

/// Stores may round what is left down to whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);
