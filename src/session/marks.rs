//! The revisions that a script remembers.

use std::collections::BTreeMap;

use crate::store::{ErrorKind, Result, StoreError};
use crate::transcript::Mark;
use crate::words::Rev;

/// The revisions that a script remembers.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    marks: BTreeMap<String, i64>,
}

impl Marks {
    /// Remembers a revision.
    pub fn set(&mut self, name: &str, revision: i64) {
        self.marks.insert(name.into(), revision);
    }

    pub fn get(&self, name: &str) -> Result<Mark> {
        let revision = self.marks.get(name).copied().ok_or_else(|| {
            StoreError::own(
                ErrorKind::Other,
                format_args!("the revision '{name}' was not remembered: 'mark {name}' failed"),
            )
        })?;
        Ok(Mark { name: name.into(), revision })
    }

    pub fn revision(&self, rev: &Rev) -> Result<i64> {
        Ok(self.get(&rev.mark)?.revision + rev.offset)
    }
}
