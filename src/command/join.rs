//! `join`: waits for a `fill` in the background to end.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::{Verb, command};
use crate::effect::Effect;
use crate::session::Session;
use crate::session::panics::caught;
use crate::store::{ErrorKind, Function, Result, Store, StoreError};
use crate::transcript::Answer;

command! {
    /// Waits for a `fill` in the background to end.
    Join = "join", "join FILL", "waits for a fill in the background" {
        /// The fill.
        fill: String = word("fill"),
    }
}

impl Join {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Not("it goes with fills, which are not drawn");
}

#[async_trait(?Send)]
impl Verb for Join {
    fn label(&self) -> String {
        format!("join {}", self.fill)
    }

    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn uses(&self) -> Vec<Name> {
        vec![Named::Fill.called(&self.fill)]
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        Vec::new()
    }

    async fn run(&self, session: &mut Session<'_>, _: Arc<dyn Store>) -> Result<Answer> {
        let name = &self.fill;
        let Some(running) = session.fills.remove(name) else {
            let message = format_args!("no fill called '{name}' is under way");
            return Err(StoreError::own(ErrorKind::Other, message));
        };
        match running.await {
            Ok(written) => written.map(|_| Answer::Done),
            Err(error) if error.is_panic() => Ok(Answer::Panic(caught(error.into_panic()))),
            Err(error) => Err(StoreError::own(ErrorKind::Other, error)),
        }
    }
}
