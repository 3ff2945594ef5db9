//! `expire`: waits until keys, or a lease, are gone, and judges the moment against the granted time on both sides.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Command, Verb, command};
use crate::effect::{Effect, Found, Passing, Sight, Subject};
use crate::session::Session;
use crate::session::ttls;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Waits until keys, or a lease, are gone, and judges the moment against the granted time on both sides.
    Expire = "expire", "expire KEY… | expire lease=NAME", "waits until they are gone, and judges when: `KEY expired on time`, `early` or `late`" {
        /// The keys.
        keys: Vec<Bytes> = words("keys"),
        /// The lease to wait for, instead of keys.
        lease: Option<String> = named("lease"),
    }
}

impl Expire {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(20, &[], |choices| {
        let scene = choices.scene();
        let lease = choices.in_hundred(40).then(|| choices.newest(&scene.ending_leases)).flatten();
        let keys = match &lease {
            Some(_) => Vec::new(),
            None => vec![Bytes(choices.newest(&scene.ending)?)],
        };
        Some(Command::Expire(Self { keys, lease }))
    });
}

#[async_trait(?Send)]
impl Verb for Expire {
    fn label(&self) -> String {
        "expire".into()
    }

    fn functions(&self) -> Vec<Function> {
        vec![if self.lease.is_some() { Function::TimeToLive } else { Function::Read }]
    }

    fn uses(&self) -> Vec<Name> {
        self.lease.iter().map(|lease| Named::Lease.called(lease)).collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match (self.keys.is_empty(), &self.lease) {
            (true, None) => Err("expire needs keys, or lease=NAME".into()),
            (false, Some(_)) => Err("expire takes keys or lease=NAME, not both".into()),
            (true, Some(_)) | (false, None) => Ok(()),
        }
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let keys = self.keys.iter().map(|key| (Sight::Key((&key.0).into()), Subject::key(&key.0)));
        let lease = self
            .lease
            .as_deref()
            .map(|lease| (Sight::Lease(lease.into()), Subject::Lease(lease.into())));
        let waited = keys.chain(lease).enumerate();
        waited
            .flat_map(|(at, (sight, subject))| {
                let found = match answer {
                    Some(Answer::Expired(expiries)) => {
                        expiries.get(at).map_or(Found::Unknown, Found::Expired)
                    }
                    _ => Found::Unknown,
                };
                [Effect::Saw(sight, found), Effect::Passed(Passing::AwaitedEnd(subject))]
            })
            .collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let Session { clients, ttls, polls, .. } = session;
        let Some(name) = &self.lease else {
            let keys: Vec<_> = self.keys.iter().map(|key| key.0.clone()).collect();
            let ended = ttls::expire_keys(clients, client.as_ref(), ttls, polls, &keys).await?;
            return Ok(ended.map_or_else(Answer::NoTtl, Answer::Expired));
        };
        let Some(hold) = ttls.lease(name) else { return Ok(Answer::NoTtl(name.clone().into())) };
        let id = session.lease_id(name);
        let (clients, polls) = (&mut session.clients, &session.polls);
        ttls::expire_lease(clients, client.as_ref(), polls, name, id, hold)
            .await
            .map(Answer::Expired)
    }
}
