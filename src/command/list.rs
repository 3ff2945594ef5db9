//! `list`: prints the keys with a prefix, now or at a revision, in the order of the answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;

use super::draw::Drawn;
use super::names::{Name, Named};
use super::shared::{everything, label};
use super::{Command, Topic, Verb, command};
use crate::capability::Need;
use crate::effect::{Effect, Found, Sight};
use crate::session::Session;
use crate::session::extensions::revisions;
use crate::store::{Function, Result, Store};
use crate::transcript::{Answer, KeyCount};
use crate::words::{Bytes, Rev};

command! {
    /// Prints the keys with a prefix, now or at a revision, in the order of the answer.
    List = "list", "list PREFIX [count=true | limit=N] [at=REV]", "the keys in the order of the answer, or `(no keys)`; with `count`, how many and whether they ascend" {
        /// The prefix.
        prefix: Bytes = word("prefix"),
        /// The revision to list at.
        at: Option<Rev> = named("at"),
        /// How many keys at most.
        limit: Option<usize> = named("limit"),
        /// Whether to print a count instead of the keys.
        count: bool = flag("count"),
    }
}

impl List {
    /// How it is drawn for a random program.
    pub(super) const DRAWN: Drawn = Drawn::Often(14, &[], |choices| {
        let prefix = choices.prefix();
        let at = choices.past();
        let limit =
            (choices.in_hundred(15) && choices.has(Need::Revisions)).then(|| 1 + choices.below(3));
        let count = choices.in_hundred(8) && at.is_none() && limit.is_none();
        Some(Command::List(Self { prefix, at, limit, count }))
    });
}

#[async_trait(?Send)]
impl Verb for List {
    fn label(&self) -> String {
        label("list", &self.prefix.0)
    }

    fn functions(&self) -> Vec<Function> {
        match (&self.at, &self.limit) {
            (None, None) => vec![Function::List],
            (Some(_), None) => vec![Function::ListAt],
            (None, Some(_)) => vec![Function::ListLimit],
            (Some(_), Some(_)) => vec![Function::ListAt, Function::ListLimit],
        }
    }

    fn uses(&self) -> Vec<Name> {
        self.at.iter().map(|at| Named::Mark.called(&at.mark)).collect()
    }

    fn check(&self) -> std::result::Result<(), String> {
        match self.count && self.limit.is_some() {
            true => Err("list takes count= or limit=, not both".into()),
            false => Ok(()),
        }
    }

    fn revisions(&self) -> Vec<Rev> {
        self.at.iter().cloned().collect()
    }

    fn topic(&self) -> Topic {
        Topic::Keys
    }

    fn effects<'a>(&'a self, answer: Option<&'a Answer>) -> Vec<Effect<'a>> {
        if self.at.is_some() {
            return vec![everything()];
        }
        let found = match (answer, self.limit) {
            (Some(Answer::Keys(keys)), None) => Found::Keys(keys),
            _ => Found::Unknown,
        };
        vec![Effect::Saw(Sight::Prefix((&self.prefix.0).into()), found)]
    }

    async fn run(&self, session: &mut Session<'_>, client: Arc<dyn Store>) -> Result<Answer> {
        let prefix = session.clients.whole(&self.prefix.0);
        if self.at.is_some() || self.limit.is_some() {
            return self.run_at(session, client.as_ref(), &prefix).await;
        }
        let mut keys = session.clients.call(client.list(&prefix)).await?;
        session.watches.hide_fences(&mut keys);
        let keys: Vec<_> = keys.iter().map(|key| session.clients.own(key)).collect();
        Ok(if self.count { Answer::KeyCount(counted(keys)) } else { Answer::Keys(keys) })
    }
}

impl List {
    async fn run_at(
        &self,
        session: &mut Session<'_>,
        client: &dyn Store,
        prefix: &[u8],
    ) -> Result<Answer> {
        let revision = self.at.as_ref().map(|at| session.marks.revision(at)).transpose()?;
        let listed = revisions(client)?.list_at(prefix, revision, self.limit);
        let mut page = session.clients.call(listed).await?;
        let seen = page.keys.len();
        match revision {
            Some(_) => session.watches.hide_past_fences(&mut page.keys),
            None => session.watches.hide_fences(&mut page.keys),
        }
        page.count = page.count.saturating_sub(seen - page.keys.len());
        page.keys = page.keys.iter().map(|key| session.clients.own(key)).collect();
        Ok(if self.limit.is_some() { Answer::Page(page) } else { Answer::Keys(page.keys) })
    }
}

fn counted(keys: Vec<Vec<u8>>) -> KeyCount {
    let ascending = keys.windows(2).all(|pair| pair[0] <= pair[1]);
    let all = keys.len();
    let distinct = keys.into_iter().collect::<BTreeSet<_>>().len();
    KeyCount { keys: all, repeated: all - distinct, ascending }
}
