//! Watches that are written to in the moment in which they are open.

use super::Field;
use crate::store::{Call, Result};

impl Field {
    /// Opens a watch in each round, and writes to it at once, up to the first that gets nothing: each further one would
    /// wait out the deadline too.
    pub(super) async fn watch(&self) -> Result<()> {
        for round in 0..self.rounds {
            let (key, value) = (self.numbered(round), b"v".to_vec());
            let call = Call::Watch { prefix: key.clone() };
            let mut watch =
                self.open_watch(self.client(round), Some(round), call, self.is_unread).await?;
            let call = Call::Update { key, value };
            self.record(self.client(round + 1), Some(round), call).await?;
            let first = self.read(&mut watch).await;
            watch.end().await;
            first?;
        }
        Ok(())
    }
}
