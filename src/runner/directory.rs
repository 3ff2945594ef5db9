//! Commands of stores that have directories.

use super::session::Session;
use crate::scenario::words::Bytes;
use crate::store::{Directories, ErrorKind, Result, Store, StoreError};
use crate::transcript::Answer;

fn directories(store: &dyn Store) -> Result<&dyn Directories> {
    store
        .directories()
        .ok_or_else(|| StoreError::new(ErrorKind::Unsupported, "this store has no directories"))
}

impl Session<'_> {
    pub(super) async fn mkdir(&mut self, store: &dyn Store, directory: &Bytes) -> Result<Answer> {
        let whole = self.clients.whole(&directory.0);
        self.clients.call(directories(store)?.mkdir(&whole)).await.map(|()| Answer::Done)
    }

    pub(super) async fn create(
        &mut self,
        store: &dyn Store,
        key: &Bytes,
        value: &Bytes,
    ) -> Result<Answer> {
        let whole = self.touch(&key.0);
        self.clients.call(directories(store)?.create(&whole, &value.0)).await?;
        self.ties.untie(&key.0);
        Ok(Answer::Done)
    }
}
