//! `compact`: has the store forget what was before a revision.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::everything;
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, StateChange};
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Rev;

command! {
    /// Has the store forget what was before a revision.
    Compact = "compact", "compact REV", "has the store forget what was before a revision" {
        /// The revision.
        revision: Rev = word("revision"),
    }
}

impl Compact {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn =
        Drawn::Often(40, &[Need::Revisions, Need::Disposable], |choices| {
            Some(Command::Compact(Self { revision: choices.rev_to_compact()? }))
        });
}

#[async_trait(?Send)]
impl Verb for Compact {
    fn label(&self) -> String {
        "compact".into()
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Compact]
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Mark.called(&self.revision.mark)]
    }

    fn revisions(&self) -> Vec<Rev> {
        vec![self.revision.clone()]
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![everything(), Effect::Changed(StateChange::Compacted(&self.revision))]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let revision = session.marks.revision(&self.revision)?;
        session.clients.call(revisions(client.as_ref())?.compact(revision)).await?;
        Ok(Answer::Done)
    }
}
