//! Commands that read the store's revisions and its past.

use std::collections::BTreeMap;

use super::clients::Clients;
use super::perform::Session;
use crate::scenario::words::{Bytes, Rev};
use crate::store::{ErrorKind, Result, Revisions, Store, StoreError};
use crate::transcript::{Answer, Mark};

/// The revisions that a script remembers.
#[derive(Debug, Default)]
pub(super) struct Marks {
    marks: BTreeMap<String, i64>,
}

impl Marks {
    /// Remembers the present revision.
    pub async fn set(
        &mut self,
        clients: &mut Clients<'_>,
        store: &dyn Store,
        name: &str,
    ) -> Result<Answer> {
        let revision = clients.call(revisions(store)?.revision()).await?;
        self.marks.insert(name.into(), revision);
        Ok(Answer::Done)
    }

    pub fn get(&self, name: &str) -> Result<Mark> {
        let revision = self.marks.get(name).copied().ok_or_else(|| {
            StoreError::new(
                ErrorKind::Other,
                format!("the revision '{name}' could not be remembered"),
            )
        })?;
        Ok(Mark { name: name.into(), revision })
    }

    pub fn revision(&self, rev: &Rev) -> Result<i64> {
        Ok(self.get(&rev.mark)?.revision + rev.offset)
    }
}

fn revisions(store: &dyn Store) -> Result<&dyn Revisions> {
    store
        .revisions()
        .ok_or_else(|| StoreError::new(ErrorKind::Unsupported, "this store has no revisions"))
}

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
