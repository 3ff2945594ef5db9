//! `next`: waits for one more event, with no further write to push it out.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::saw_watch;
use super::{Command, Topic, Verb, command};
use crate::effect::{Effect, Passing, Subject};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Waits for one more event, with no further write to push it out.
    Next = "next", "next WATCH", "waits for one event, with no further write that could push it out" {
        /// The watch.
        watch: String = word("watch"),
    }
}

impl Next {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(10, &[], |choices| {
        // Without an event to come it would wait for its whole deadline.
        let watch = choices.newest(&choices.scene().pending)?;
        Some(Command::Next(Self { watch }))
    });
}

#[async_trait(?Send)]
impl Verb for Next {
    fn label(&self) -> String {
        format!("next {}", self.watch)
    }

    fn functions(&self) -> Vec<Function> {
        vec![Function::Watch]
    }

    fn subject(&self) -> Option<Subject<'_>> {
        Some(Subject::watch(Some(&self.watch)))
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Watch.called(&self.watch)]
    }

    fn topic(&self) -> Topic {
        Topic::Events
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![saw_watch(&self.watch, answer), Effect::Passed(Passing::AwaitedEvent(&self.watch))]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let Session { clients, watches, ttls, polls, .. } = session;
        let is_seen = |key: &[u8]| watches.sees(clients, &self.watch, key);
        let max_wait = ttls.until_first_end(polls.lag, is_seen);
        watches.next(clients, client.as_ref(), &self.watch, max_wait).await
    }
}
