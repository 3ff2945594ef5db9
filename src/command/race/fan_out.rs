//! Many watches of one prefix, each of which must get every event.

use futures_util::future::try_join_all;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::Field;
use super::record::RaceFeed;
use crate::store::{Call, ErrorKind, Result};

/// How many keys are written while all watches are open.
pub(super) const WRITES: usize = 50;

/// How many watches are opened at once.
const OPENERS: usize = 16;

impl Field {
    /// Opens all watches, writes, and reads each until it got as many events.
    pub(super) async fn fan_out(&self) -> Result<()> {
        let call = || Call::Watch { prefix: self.key.clone() };
        let opened = (0..self.rounds)
            .map(|round| self.open_watch(self.client(round), Some(round), call(), self.is_unread));
        // Not all at once: each has its deadline, and a store may open one after the other.
        let watches: Vec<_> = stream::iter(opened).buffered(OPENERS).try_collect().await?;
        for write in 0..WRITES {
            let call = Call::Update { key: self.numbered(write), value: b"v".to_vec() };
            self.record(self.client(write), Some(write), call).await?;
        }
        try_join_all(watches.into_iter().map(|watch| self.read_all(watch))).await.map(drop)
    }

    async fn read_all(&self, mut watch: RaceFeed) -> Result<()> {
        let mut came = 0;
        while came < WRITES {
            match self.read(&mut watch).await {
                Ok(batch) => came += batch.events.len(),
                Err(error) if error.kind == ErrorKind::DeadlineExceeded => break,
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}
