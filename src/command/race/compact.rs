//! Watches that no one reads while the history that they are to deliver is compacted.

use super::Field;
use super::record::RaceFeed;
use crate::history::RaceReply;
use crate::store::{Call, ErrorKind, Result};

/// How many keys are written in a round.
pub(super) const WRITES: usize = 20;

impl Field {
    /// Compacts below a watch in each round, up to the first that gets too little: each further one would wait out the
    /// deadline too.
    pub(super) async fn compact(&self) -> Result<()> {
        for round in 0..self.rounds {
            self.compact_one(round).await?;
        }
        Ok(())
    }

    /// Writes below a watch, in part before and in part after it is read for the first time, and compacts up to there.
    async fn compact_one(&self, round: usize) -> Result<()> {
        let keys: Vec<_> = (0..WRITES).map(|write| self.numbered(round * WRITES + write)).collect();
        let (early, late) = keys.split_at(round % WRITES);
        let call = Call::Watch { prefix: self.key.clone() };
        let mut watch = self.open_watch(self.client(round), Some(round), call, true).await?;
        self.write_each(round, early).await?;
        let came = self.read_to(&mut watch, early.len().min(1)).await?;
        self.write_each(round, late).await?;
        let other = self.client(round + 1);
        let now = self.record(other, Some(round), Call::Revision {}).await?;
        let RaceReply::Revision(revision) = now else { return Ok(()) };
        self.record(other, Some(round), Call::Compact { revision }).await?;
        let read = match came {
            Some(came) => self.read_to(&mut watch, WRITES - came.min(WRITES)).await.map(drop),
            None => Ok(()),
        };
        watch.end().await;
        read
    }

    async fn write_each(&self, round: usize, keys: &[Vec<u8>]) -> Result<()> {
        for (write, key) in keys.iter().enumerate() {
            let call = Call::Update { key: key.clone(), value: b"v".to_vec() };
            self.record(self.client(write), Some(round), call).await?;
        }
        Ok(())
    }

    /// Reads until so many events came, and gives their number; `None` where the watch said that it was compacted.
    async fn read_to(&self, watch: &mut RaceFeed, count: usize) -> Result<Option<usize>> {
        let mut came = 0;
        while came < count {
            match self.read(watch).await {
                Ok(batch) => came += batch.events.len(),
                Err(error) if error.kind == ErrorKind::Compacted => return Ok(None),
                Err(error) => return Err(error),
            }
        }
        Ok(Some(came))
    }
}
