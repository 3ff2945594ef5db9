//! `reopen`: ends the store and opens it again on the data that it left.

use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::{Verb, command};
use crate::backend::Ending;
use crate::effect::Effect;
use crate::session::Session;
use crate::store::{Function, Result, Store};
use crate::transcript::Answer;

command! {
    /// Ends the store and opens it again on the data that it left.
    Reopen = "reopen", "reopen [crash=true | power_loss=true]", "ends the store and opens it again on its data: the clients are closed first, or only dropped; watches end, and clients are opened anew when they are next named" {
        /// Whether the store's process ends at once.
        crash: bool = flag("crash"),
        /// Whether what the store wrote to files and did not sync is lost too.
        power_loss: bool = flag("power_loss"),
    }
}

impl Reopen {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Not(
        "it takes a server of its own a time, and seconds; the scenarios of durability ask for it",
    );
}

#[async_trait(?Send)]
impl Verb for Reopen {
    fn label(&self) -> String {
        "reopen".into()
    }

    fn functions(&self) -> Vec<Function> {
        Vec::new()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self.crash && self.power_loss {
            true => Err(
                "crash= and power_loss= exclude each other: a loss of power ends the process too"
                    .into(),
            ),
            false => Ok(()),
        }
    }

    fn ending(&self) -> Option<Ending> {
        Some(match self {
            Self { power_loss: true, .. } => Ending::PowerLoss,
            Self { crash: true, .. } => Ending::Crash,
            Self { .. } => Ending::Clean,
        })
    }

    fn effects<'a>(&'a self, _: Option<&'a Answer>) -> Vec<Effect<'a>> {
        vec![Effect::Reopened]
    }

    async fn run(&self, _: &mut Session<'_>, _: Arc<dyn Store>) -> Result<Answer> {
        unreachable!("the store is reopened without a client")
    }
}
