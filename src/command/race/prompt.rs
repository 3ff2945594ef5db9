//! Events that must come soon after their writes.

use super::Field;
use crate::session::clients;
use crate::store::{Call, Result, StoreError, WatchEvent};

impl Field {
    /// Writes, and reads each event before the next write, until enough came late. If one does not come in time the
    /// store is read, which shows whether it or this machine is slow with everything.
    pub(super) async fn prompt(&self) -> Result<()> {
        let call = Call::Watch { prefix: self.key.clone() };
        let mut watch = self.open_watch(0, None, call, self.is_unread).await?;
        for round in 0..self.rounds {
            let key = self.numbered(round);
            let call = Call::Update { key: key.clone(), value: b"v".to_vec() };
            self.record(self.client(1), Some(round), call).await?;
            let is_meant = |event: &WatchEvent| event.key() == self.own(&key);
            let soon = async {
                while !self.read_late(&mut watch).await?.events.iter().any(is_meant) {}
                Ok::<_, StoreError>(())
            };
            if let Some(came) = clients::within(self.bounds.event_lag, soon).await {
                came?;
                continue;
            }
            self.record(self.client(1), Some(round), Call::Read { key: key.clone() }).await?;
            while !self.read(&mut watch).await?.events.iter().any(is_meant) {}
            if self.judged().race().trouble.is_some() {
                break;
            }
        }
        watch.end().await;
        Ok(())
    }
}
