//! Commands that write many keys, at once or in the background.

use std::sync::Arc;

use super::fill::{Fill, keys};
use super::session::Session;
use crate::scenario::command::Command;
use crate::store::{ErrorKind, Result, Store, StoreError};
use crate::transcript::Answer;

impl Session<'_> {
    pub(super) async fn fill(
        &mut self,
        store: Arc<dyn Store>,
        command: &Command,
    ) -> Result<Answer> {
        let Command::Fill { key, count, distinct, size, writers, ttl, lease, name } = command
        else {
            unreachable!("only a fill is dispatched here")
        };
        let own = keys(&key.0, *count, *distinct);
        let fill = Fill {
            store,
            keys: own.iter().map(|key| self.touch(key)).collect(),
            size: size.map(|size| size.0),
            writers: *writers,
            ttl: ttl.map(|ttl| ttl.0),
            lease: lease.as_deref().map(|lease| self.lease_id(lease)),
            deadline: self.clients.deadline,
        };
        if let Some(name) = name {
            own.iter().for_each(|key| self.ties.untie(key));
            self.fills.insert(name.clone(), tokio::spawn(fill.run()));
            return Ok(Answer::Done);
        }
        let holds = fill.run().await?;
        for key in &own {
            match lease {
                Some(lease) => self.ties.tie_to_lease(key, lease),
                None => self.ties.untie(key),
            }
        }
        holds.iter().for_each(|(number, hold)| self.ties.hold_own(&own[*number], *hold));
        let granted = holds.iter().map(|(_, hold)| hold.granted).min();
        let asked = ttl.map(|ttl| ttl.0);
        Ok(asked
            .zip(granted)
            .map_or(Answer::Done, |(asked, granted)| Answer::Granted { asked, granted }))
    }

    pub(super) async fn join(&mut self, name: &str) -> Result<Answer> {
        let Some(running) = self.fills.remove(name) else {
            return Err(StoreError::new(
                ErrorKind::Other,
                format!("no fill called '{name}' is under way"),
            ));
        };
        match running.await {
            Ok(written) => written.map(|_| Answer::Done),
            Err(error) if error.is_panic() => {
                Ok(Answer::Panic(super::panic_message(error.into_panic())))
            }
            Err(error) => Err(StoreError::new(ErrorKind::Other, error.to_string())),
        }
    }
}
