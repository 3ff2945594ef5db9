//! Watches that are written to in the moment in which they are open.

use futures_util::StreamExt;

use super::{Field, counted};
use crate::store::{ErrorKind, Result, WatchEvent};
use crate::transcript::Answer;

impl Field {
    /// Counts the watches that got the write which came right after they were open.
    pub(super) async fn watch(&self) -> Result<Answer> {
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            rounds.push(self.watch_one(round).await?);
        }
        Ok(counted(rounds))
    }

    async fn watch_one(&self, round: usize) -> Result<Option<String>> {
        let (watcher, writer) = (self.client(round), self.client(round + 1));
        let key = self.numbered(round);
        let mut stream = self.call(watcher.watch(&key)).await?;
        self.call(writer.update(&key, b"v")).await?;
        let first =
            async { stream.next().await.unwrap_or_else(|| Err(ErrorKind::Canceled.into())) };
        match self.call(first).await {
            Ok(batch) if matches!(batch.as_slice(), [WatchEvent::Put { value, .. }] if value == b"v") => {
                Ok(None)
            }
            Ok(_) => Ok(Some("another event came first".into())),
            Err(error) if error.kind == ErrorKind::DeadlineExceeded => {
                Ok(Some("the write after the watch was open was not delivered".into()))
            }
            Err(error) => Err(error),
        }
    }
}
