//! `delete`: deletes a key.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::shared::label;
use super::{Command, Topic, Verb, command};
use crate::effect::{Effect, StateChange, Subject};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Deletes a key.
    Delete = "delete", "delete KEY", "deletes a key" {
        /// The key.
        key: Bytes = word("key"),
    }
}

impl Delete {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn =
        Drawn::Often(14, &[], |choices| Some(Command::Delete(Self { key: choices.key() })));
}

#[async_trait(?Send)]
impl Verb for Delete {
    fn label(&self) -> String {
        label("delete", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Delete]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.key.0))
    }

    fn topic(&self) -> Topic {
        Topic::Deletion
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![Effect::Changed(StateChange::Deleted((&self.key.0).into()))]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let key = session.clients.whole(&self.key.0);
        session.clients.call(client.delete(&key)).await?;
        Ok(Answer::Done)
    }
}
