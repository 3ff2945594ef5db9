//! `events`: prints all events since the last call, and what is wrong with the revisions they came with.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{everything, mark, saw_watch};
use super::{Command, Topic, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Subject};
use crate::session::{Session, watches};
use crate::store::{Function, Result, Store};
use crate::transcript::{self, Answer, Event};

command! {
    /// Prints all events since the last call, and what is wrong with the revisions they came with.
    Events = "events", "events WATCH [count=true | since=MARK]", "every event since the last call, or `(no events)`; with `since`, each with its revision; with `count`, how many puts, deletes and keys" {
        /// The watch.
        watch: String = word("watch"),
        /// Whether to print how many puts and deletes there were, instead of each.
        count: bool = flag("count"),
        /// The mark that revisions are reported from.
        since: Option<String> = named("since"),
    }
}

impl Events {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(12, &[], |choices| {
        let watch = choices.watch()?;
        let count = choices.in_hundred(12);
        let since = choices.in_hundred(40) && !count && choices.has(Need::Revisions);
        let since = since.then(|| choices.exact_mark()).flatten().map(|mark| mark.name);
        Some(Command::Events(Self { watch, count, since }))
    });
}

#[async_trait(?Send)]
impl Verb for Events {
    fn label(&self) -> String {
        format!("events {}", self.watch)
    }

    fn functions(&self) -> Vec<Function> {
        // The fence is a write.
        let mut functions = vec![Function::Watch, Function::Update];
        functions.extend(self.since.as_ref().map(|_| Function::EventRevisions));
        functions
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::watch(Some(&self.watch)))
    }

    fn uses(&self) -> Vec<Name> {
        let since = self.since.iter().map(|since| Named::Mark.called(since));
        [Named::Watch.called(&self.watch)].into_iter().chain(since).collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self.count && self.since.is_some() {
            true => Err("events takes count= or since=, not both".into()),
            false => Ok(()),
        }
    }

    fn topic(&self) -> Topic {
        Topic::Events
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        let since = self.since.iter().map(|_| everything());
        [saw_watch(&self.watch, answer)].into_iter().chain(since).collect()
    }

    /// A fence write that the watch receives after all that came before it shows that there are no more.
    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let since = mark(session, self.since.as_ref())?;
        let (clients, client) = (&mut session.clients, client.as_ref());
        let (events, meta) = session.watches.events(clients, client, &self.watch).await;
        Ok(if self.count {
            Answer::EventCount(watches::count(&events, meta))
        } else {
            let events = events.into_iter().map(Event::from).collect();
            Answer::Events(transcript::Events { events, since, ..meta })
        })
    }
}
