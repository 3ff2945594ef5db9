//! Commands that read the store's revisions and its past.

use super::marks::revisions;
use super::session::Session;
use crate::scenario::words::{Bytes, Rev};
use crate::store::{Result, Store};
use crate::transcript::Answer;

impl Session<'_> {
    pub(super) async fn revision(&mut self, store: &dyn Store, since: &str) -> Result<Answer> {
        let since = self.marks.get(since)?;
        let revision = self.clients.call(revisions(store)?.revision()).await?;
        Ok(Answer::Revision(since, revision))
    }

    pub(super) async fn metadata(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        since: Option<&str>,
    ) -> Result<Answer> {
        let since = since.map(|mark| self.marks.get(mark)).transpose()?;
        let whole = self.clients.whole(&key.0);
        let metadata = self.clients.call(revisions(store)?.metadata(&whole)).await?;
        Ok(Answer::Metadata(since, metadata))
    }

    pub(super) async fn read_at(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        at: &Rev,
    ) -> Result<Answer> {
        let revision = self.marks.revision(at)?;
        let whole = self.clients.whole(&key.0);
        self.clients.call(revisions(store)?.read_at(&whole, revision)).await.map(Answer::Value)
    }

    pub(super) async fn list_at(
        &mut self,
        store: &dyn Store,
        prefix: &[u8],
        at: Option<&Rev>,
        limit: Option<usize>,
    ) -> Result<Answer> {
        let revision = at.map(|at| self.marks.revision(at)).transpose()?;
        let mut page =
            self.clients.call(revisions(store)?.list_at(prefix, revision, limit)).await?;
        page.keys = page.keys.iter().map(|key| self.clients.own(key)).collect();
        Ok(if limit.is_some() { Answer::Page(page) } else { Answer::Keys(page.keys) })
    }

    pub(super) async fn compact(&mut self, store: &dyn Store, at: &Rev) -> Result<Answer> {
        let revision = self.marks.revision(at)?;
        self.clients.call(revisions(store)?.compact(revision)).await.map(|()| Answer::Done)
    }
}
