//! `mkdir`: makes a directory.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::shared::label;
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Keys, Lifetime, StateChange, Subject, Written};
use crate::session::Session;
use crate::session::extensions::directories;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Bytes;

command! {
    /// Makes a directory.
    Mkdir = "mkdir", "mkdir DIRECTORY", "makes a directory" {
        /// The directory.
        directory: Bytes = word("directory"),
    }
}

impl Mkdir {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(8, &[Need::Directories], |choices| {
        Some(Command::Mkdir(Self { directory: choices.key() }))
    });
}

#[async_trait(?Send)]
impl Verb for Mkdir {
    fn label(&self) -> String {
        label("mkdir", &self.directory.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Mkdir]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::key(&self.directory.0))
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let keys = Keys::One((&self.directory.0).into());
        vec![Effect::Changed(StateChange::Wrote(keys, Written::Directory, Lifetime::Permanent))]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let directory = session.clients.whole(&self.directory.0);
        session.clients.call(directories(client.as_ref())?.mkdir(&directory)).await?;
        Ok(Answer::Done)
    }
}
