//! `unwatch`: ends a watch.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Command, Verb, command};
use crate::effect::{Effect, Subject, WatchChange};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Ends a watch.
    Unwatch = "unwatch", "unwatch WATCH", "ends a watch" {
        /// The watch.
        watch: String = word("watch"),
    }
}

impl Unwatch {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn =
        Drawn::Often(2, &[], |choices| Some(Command::Unwatch(Self { watch: choices.watch()? })));
}

#[async_trait(?Send)]
impl Verb for Unwatch {
    fn label(&self) -> String {
        format!("unwatch {}", self.watch)
    }

    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::watch(Some(&self.watch)))
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Watch.called(&self.watch)]
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![Effect::Watched(WatchChange::Closed(Subject::watch(Some(&self.watch))))]
    }

    async fn run(&self, session: &mut Session<'_>, _: Arc<dyn Store>) -> Result<Answer> {
        session.watches.close(&self.watch).await?;
        Ok(Answer::Done)
    }
}
