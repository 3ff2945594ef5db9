//! `watch`: opens a watch, from now or a revision on, and returns once the store says that it is open.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::label;
use super::{Command, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Subject, WATCH, WatchChange};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::{Bytes, Rev};

command! {
    /// Opens a watch, from now or a revision on, and returns once the store says that it is open.
    Watch = "watch", "watch PREFIX [as=NAME] [from=REV]", "opens a watch, from now on or from a revision on; returns once it is established" {
        /// The prefix.
        prefix: Bytes = word("prefix"),
        /// The name by which later commands call the watch.
        name: Option<String> = named("as"),
        /// The first revision whose events are wanted.
        from: Option<Rev> = named("from"),
    }
}

impl Watch {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(10, &[], |choices| {
        let prefix = choices.prefix();
        let again = choices.in_hundred(8).then(|| choices.watch()).flatten();
        let name = again.unwrap_or_else(|| choices.new_name('w'));
        let often = if choices.scene().compacted().is_some() { 60 } else { 35 };
        let from = choices.in_hundred(often) && choices.has(Need::Revisions);
        let from = from.then(|| choices.rev(1)).flatten();
        Some(Command::Watch(Self { prefix, name: Some(name), from }))
    });
}

#[async_trait(?Send)]
impl Verb for Watch {
    fn label(&self) -> String {
        label("watch", &self.prefix.0)
    }

    fn functions(&self) -> Vec<Function> {
        vec![if self.from.is_some() { Function::WatchFrom } else { Function::Watch }]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::watch(self.name.as_deref()))
    }

    fn makes(&self) -> Option<Name> {
        Some(Named::Watch.called(self.name()))
    }

    fn uses(&self) -> Vec<Name> {
        self.from.iter().map(|from| Named::Mark.called(&from.mark)).collect()
    }

    fn revisions(&self) -> Vec<Rev> {
        self.from.iter().cloned().collect()
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let watch = Subject::watch(self.name.as_deref());
        let is_from_revision = self.from.is_some();
        vec![Effect::Watched(WatchChange::Opened {
            watch,
            prefix: &self.prefix.0,
            is_from_revision,
        })]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let from = self.from.as_ref().map(|from| session.marks.revision(from)).transpose()?;
        let Session { clients, watches, .. } = session;
        let name = self.name().to_string();
        watches.open(clients, client.as_ref(), name, &self.prefix.0, from).await?;
        Ok(Answer::Done)
    }
}

impl Watch {
    fn name(&self) -> &str {
        self.name.as_deref().unwrap_or(WATCH)
    }
}
