//! The revisions that a script remembers.

use std::collections::BTreeMap;

use super::clients::Clients;
use crate::scenario::words::Rev;
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

pub(super) fn revisions(store: &dyn Store) -> Result<&dyn Revisions> {
    store
        .revisions()
        .ok_or_else(|| StoreError::new(ErrorKind::Unsupported, "this store has no revisions"))
}
