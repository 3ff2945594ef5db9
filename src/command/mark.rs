//! `mark`: remembers the store's present revision.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::Effect;
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Remembers the store's present revision.
    Mark = "mark", "mark NAME", "remembers the store's revision" {
        /// The name by which later commands call it.
        name: String = word("name"),
    }
}

impl Mark {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(20, &[Need::Revisions], |choices| {
        Some(Command::Mark(Self { name: choices.new_name('m') }))
    });
}

#[async_trait(?Send)]
impl Verb for Mark {
    fn label(&self) -> String {
        format!("mark {}", self.name)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Revision]
    }

    fn makes(&self) -> Option<Name> {
        Some(Named::Mark.called(&self.name))
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        Vec::new()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let revision = session.clients.call(revisions(client.as_ref())?.revision()).await?;
        session.marks.set(&self.name, revision);
        Ok(Answer::Done)
    }
}
