//! `revision`: prints how far the store's revision is from a mark.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::everything;
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::Effect;
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Prints how far the store's revision is from a mark.
    Revision = "revision", "revision since=MARK", "how far the revision has moved: `m+2`" {
        /// The mark.
        since: String = needed("since"),
    }
}

impl Revision {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(10, &[Need::Revisions], |choices| {
        Some(Command::Revision(Self { since: choices.exact_mark()?.name }))
    });
}

#[async_trait(?Send)]
impl Verb for Revision {
    fn label(&self) -> String {
        "revision".into()
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Revision]
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Mark.called(&self.since)]
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![everything()]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let since = session.marks.get(&self.since)?;
        let revision = session.clients.call(revisions(client.as_ref())?.revision()).await?;
        Ok(Answer::Revision(since, revision))
    }
}
