//! `survive`: waits until every TTL that the keys ever had is long over, and judges that they were there all the while.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::{Command, Verb, command};
use crate::effect::{Effect, Found, Passing, Sight};
use crate::session::Session;
use crate::session::ttls;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Waits until every TTL that the keys ever had is long over, and judges that they were there all the while.
    Survive = "survive", "survive KEY…", "waits until well after every TTL that they ever had: `KEY survived`" {
        /// The keys.
        keys: Vec<Bytes> = some_words("keys"),
    }
}

impl Survive {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(14, &[], |choices| {
        let key = choices.newest(&choices.scene().outlasting)?;
        Some(Command::Survive(Self { keys: vec![Bytes(key)] }))
    });
}

#[async_trait(?Send)]
impl Verb for Survive {
    fn label(&self) -> String {
        "survive".into()
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Read]
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let lived = self.keys.iter().enumerate().flat_map(|(at, key)| {
            let survival = match answer {
                Some(Answer::Survived(survivals)) => survivals.get(at),
                _ => None,
            };
            let found = match survival {
                Some(survival) if survival.gone.is_some() => Found::Missing,
                Some(_) => Found::There("survived".into()),
                None => Found::Unknown,
            };
            [
                Effect::Saw(Sight::Key((&key.0).into()), found),
                Effect::Passed(Passing::Outlasted(&key.0)),
            ]
        });
        [Effect::Passed(Passing::TookItsTime)].into_iter().chain(lived).collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let keys: Vec<_> = self.keys.iter().map(|key| key.0.clone()).collect();
        let Session { clients, ttls, polls, .. } = session;
        let lived = ttls::survive(clients, client.as_ref(), ttls, polls, &keys).await?;
        Ok(lived.map_or_else(Answer::NoTtl, Answer::Survived))
    }
}
