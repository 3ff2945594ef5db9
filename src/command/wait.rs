//! `wait`: lets time pass.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::args::LONGEST_WAIT;
use super::draw::Drawn;
use super::{Command, Verb, command};
use crate::effect::{Effect, Passing};
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;
use crate::words::Span;

command! {
    /// Lets time pass.
    Wait = "wait", "wait SPAN", "lets time pass; no answer should depend on how much" {
        /// How long.
        span: Span = word("span"),
    }
}

impl Wait {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(11, &[], |choices| {
        let millis = [1000, 500, 1500][choices.below(3)];
        Some(Command::Wait(Self { span: Span(Duration::from_millis(millis)) }))
    });
}

#[async_trait(?Send)]
impl Verb for Wait {
    fn label(&self) -> String {
        "wait".into()
    }

    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn max_wait(&self) -> Duration {
        self.span.0.min(LONGEST_WAIT)
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![Effect::Passed(Passing::Waited(self.span.0))]
    }

    async fn run(&self, _: &mut Session<'_>, _: Arc<dyn Store>) -> Result<Answer> {
        tokio::time::sleep(self.span.0).await;
        Ok(Answer::Done)
    }
}
