//! Revisions and history of an etcd.

use async_trait::async_trait;
use etcd_client::{CompactionOptions, GetOptions, WatchOptions};

use super::store::EtcdStore;
use crate::store::{ErrorKind, KeyMetadata, Page, Result, Revisions, StoreError, WatchStream};

#[async_trait]
impl Revisions for EtcdStore {
    async fn revision(&self) -> Result<i64> {
        let mut kv = self.kv_client()?;
        // Any range reports the revision; one that can hold no more than one key costs least.
        let options = GetOptions::new().with_count_only();
        let answer = self.answer(kv.get(self.base(), Some(options))).await?;
        let header = answer
            .header()
            .ok_or_else(|| StoreError::new(ErrorKind::Other, "an answer without a header"))?;
        match header.revision() {
            0 => Err(StoreError::new(ErrorKind::Other, "a header whose revision is 0")),
            revision => Ok(revision),
        }
    }

    async fn metadata(&self, key: &[u8]) -> Result<Option<KeyMetadata>> {
        let mut kv = self.kv_client()?;
        let answer = self.answer(kv.get(key, None)).await?;
        // No key has it: the first write of an etcd has revision 2.
        if answer.kvs().first().is_some_and(|kv| kv.mod_revision() == 0) {
            return Err(StoreError::new(ErrorKind::Other, "a key whose mod_revision is 0"));
        }
        Ok(answer.kvs().first().map(|kv| KeyMetadata {
            create_revision: kv.create_revision(),
            mod_revision: kv.mod_revision(),
            version: kv.version(),
            lease: Some(kv.lease()).filter(|lease| *lease != 0),
        }))
    }

    async fn read_at(&self, key: &[u8], revision: i64) -> Result<Option<Vec<u8>>> {
        let mut kv = self.kv_client()?;
        let options = GetOptions::new().with_revision(revision);
        let mut answer = self.answer(kv.get(key, Some(options))).await?;
        Ok(answer.take_kvs().into_iter().next().map(|kv| kv.into_key_value().1))
    }

    async fn list_at(
        &self,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        let mut kv = self.kv_client()?;
        let number = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        let options = GetOptions::new().with_prefix().with_keys_only();
        // In both 0 means none.
        let options =
            options.with_revision(revision.unwrap_or(0)).with_limit(limit.map_or(0, number));
        let mut answer = self.answer(kv.get(prefix, Some(options))).await?;
        let count = usize::try_from(answer.count()).unwrap_or(0);
        let keys = answer.take_kvs().into_iter().map(|kv| kv.into_key_value().0).collect();
        Ok(Page { keys, more: answer.more(), count })
    }

    async fn watch_from(&self, prefix: &[u8], revision: i64) -> Result<WatchStream> {
        self.open_watch(prefix, WatchOptions::new().with_prefix().with_start_revision(revision))
            .await
    }

    async fn compact(&self, revision: i64) -> Result<()> {
        let mut kv = self.kv_client()?;
        // Otherwise etcd answers before the history is gone, and how much of it a watch still finds is left to luck.
        let physical = CompactionOptions::new().with_physical();
        self.answer(kv.compact(revision, Some(physical))).await?;
        Ok(())
    }
}
