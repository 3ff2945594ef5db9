//! `read`: prints the value of a key, now or at a revision, or `(none)`.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{everything, label};
use super::{Command, Verb, command};
use crate::effect::{Effect, Found, Sight, Subject};
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::{Bytes, Rev};

command! {
    /// Prints the value of a key, now or at a revision, or `(none)`.
    Read = "read", "read KEY [at=REV]", "the value, or `(none)`" {
        /// The key.
        key: Bytes = word("key"),
        /// The revision to read at.
        at: Option<Rev> = named("at"),
    }
}

impl Read {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(16, &[], |choices| {
        let key = choices.key();
        Some(Command::Read(Self { key, at: choices.past() }))
    });
}

#[async_trait(?Send)]
impl Verb for Read {
    fn label(&self) -> String {
        label("read", &self.key.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![if self.at.is_some() { Function::ReadAt } else { Function::Read }]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.key.0))
    }

    fn uses(&self) -> Vec<Name> {
        self.at.iter().map(|at| Named::Mark.called(&at.mark)).collect()
    }

    fn revisions(&self) -> Vec<Rev> {
        self.at.iter().cloned().collect()
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        if self.at.is_some() {
            return vec![everything()];
        }
        let found = match answer {
            Some(Answer::Value(Some(value))) => Found::Value(value),
            Some(Answer::Value(None)) => Found::Missing,
            _ => Found::Unknown,
        };
        vec![Effect::Saw(Sight::Key((&self.key.0).into()), found)]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let key = session.clients.whole(&self.key.0);
        let Some(at) = &self.at else {
            return session.clients.call(client.read(&key)).await.map(seen);
        };
        let revision = session.marks.revision(at)?;
        let read = revisions(client.as_ref())?.read_at(&key, revision);
        session.clients.call(read).await.map(seen)
    }
}

fn seen(value: Option<Vec<u8>>) -> Answer {
    Answer::Value(value.map(Into::into))
}
