//! `create`: writes a key that does not exist yet.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::shared::label;
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Found, Keys, Lifetime, Sight, StateChange, Subject, Written};
use crate::session::Session;
use crate::session::extensions::directories;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Writes a key that does not exist yet.
    Create = "create", "create KEY VALUE", "writes a key that must not exist yet" {
        /// The key.
        key: Bytes = word("key"),
        /// The value.
        value: Bytes = word("value"),
    }
}

impl Create {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(10, &[Need::Directories], |choices| {
        Some(Command::Create(Self { key: choices.key(), value: choices.value() }))
    });
}

#[async_trait(?Send)]
impl Verb for Create {
    fn label(&self) -> String {
        label("create", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Create]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.key.0))
    }

    fn writes(&self) -> Option<(&[u8], &[u8])> {
        Some((&self.key.0, &self.value.0))
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let keys = Keys::One((&self.key.0).into());
        let written = Written::Value((&self.value.0).into());
        let wrote = Effect::Changed(StateChange::Wrote(keys, written, Lifetime::Permanent));
        let wrote = match answer {
            Some(_) => wrote,
            // It is refused if the key is there.
            None => Effect::Either(vec![wrote], Vec::new()),
        };
        vec![Effect::Saw(Sight::Key((&self.key.0).into()), Found::Unknown), wrote]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let key = session.clients.whole(&self.key.0);
        let created = directories(client.as_ref())?.create(&key, &self.value.0);
        session.clients.call(created).await?;
        Ok(Answer::Done)
    }
}
