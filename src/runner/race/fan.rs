//! Many watches of one prefix, each of which must get every event.

use futures_util::StreamExt;
use futures_util::future::try_join_all;

use super::{Field, counted};
use crate::store::{ErrorKind, Result, WatchStream};
use crate::transcript::Answer;

/// How many keys are written while all watches are open.
pub(super) const WRITES: usize = 50;

impl Field {
    /// Counts the watches that got every write, in the order of the writes.
    pub(super) async fn fan(&self) -> Result<Answer> {
        let opened = (0..self.rounds).map(|round| self.call(self.client(round).watch(&self.key)));
        let watches = try_join_all(opened).await?;
        for write in 0..WRITES {
            self.call(self.client(write).update(&self.numbered(write), b"v")).await?;
        }
        let read = watches.into_iter().map(|watch| self.read_all(watch));
        Ok(counted(try_join_all(read).await?))
    }

    async fn read_all(&self, mut watch: WatchStream) -> Result<Option<String>> {
        let mut keys = Vec::new();
        while keys.len() < WRITES {
            let next =
                async { watch.next().await.unwrap_or_else(|| Err(ErrorKind::Canceled.into())) };
            match self.call(next).await {
                Ok(batch) => keys.extend(batch.iter().map(|event| event.key().to_vec())),
                Err(error) if error.kind == ErrorKind::DeadlineExceeded => {
                    return Ok(Some(format!("a watch got {} of {WRITES} events", keys.len())));
                }
                Err(error) => return Err(error),
            }
        }
        let is_whole = keys.iter().enumerate().all(|(write, key)| *key == self.numbered(write));
        Ok((!is_whole)
            .then(|| "a watch got other events than the writes, or in another order".into()))
    }
}
