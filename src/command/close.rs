//! `close`: closes the client.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::draw::Drawn;
use super::{Command, Verb, command};
use crate::effect::Effect;
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Closes the client.
    Close = "close", "close", "closes the client; afterwards every call answers `error: closed`" {}
}

impl Close {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(6, &[], |choices| {
        // The first client is the one that reads the watches at the end.
        choices.client().map(|_| Command::Close(Self {}))
    });
}

#[async_trait(?Send)]
impl Verb for Close {
    fn label(&self) -> String {
        "close".into()
    }

    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![Effect::Closed]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        session.clients.call_later(Duration::ZERO, client.close()).await?;
        Ok(Answer::Done)
    }
}
