//! `metadata`: prints the counters of a key, or `(none)`.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{everything, label, mark};
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Found, Sight, Subject};
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Prints the counters of a key, or `(none)`.
    Metadata = "metadata", "metadata KEY [since=MARK]", "the key's version and revisions, or `(none)`" {
        /// The key.
        key: Bytes = word("key"),
        /// The mark that revisions are reported from; without one, only the version is reported.
        since: Option<String> = named("since"),
    }
}

impl Metadata {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(9, &[Need::Revisions], |choices| {
        let key = choices.key();
        let since = choices.in_hundred(70).then(|| choices.exact_mark()).flatten();
        Some(Command::Metadata(Self { key, since: since.map(|mark| mark.name) }))
    });
}

#[async_trait(?Send)]
impl Verb for Metadata {
    fn label(&self) -> String {
        label("metadata", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Metadata]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.key.0))
    }

    fn uses(&self) -> Vec<Name> {
        self.since.iter().map(|since| Named::Mark.called(since)).collect()
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let found = match answer {
            Some(Answer::Metadata(_, Some(found))) => {
                Found::There(format!("version {}", found.version).into())
            }
            Some(Answer::Metadata(_, None)) => Found::Missing,
            _ => Found::Unknown,
        };
        let seen = Effect::Saw(Sight::Version((&self.key.0).into()), found);
        [seen].into_iter().chain(self.since.iter().map(|_| everything())).collect()
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let since = mark(session, self.since.as_ref())?;
        let key = session.clients.whole(&self.key.0);
        let metadata = session.clients.call(revisions(client.as_ref())?.metadata(&key)).await?;
        Ok(Answer::Metadata(since, metadata))
    }
}
