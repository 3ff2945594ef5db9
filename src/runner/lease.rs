//! Commands that grant, renew, ask for and end leases, and that wait for the end of times to live.

use std::time::Duration;

use tokio::time::Instant;

use super::clients::random;
use super::expiry::{self, Held, Hold};
use super::session::Session;
use crate::scenario::words::Bytes;
use crate::store::{ErrorKind, LeaseId, Leases, Result, Store, StoreError};
use crate::transcript::{Answer, Left};

/// How far the store's clock and the runner's may be apart when the store says what is left of a lease.
const CLOCKS: Duration = Duration::from_millis(20);

/// Stores may round what is left down to whole seconds.
const ROUNDING: Duration = Duration::from_secs(1);

pub(super) fn leases(store: &dyn Store) -> Result<&dyn Leases> {
    store
        .leases()
        .ok_or_else(|| StoreError::new(ErrorKind::Unsupported, "this store has no leases"))
}

impl Session<'_> {
    /// The id of a lease of the script, or one that no store granted.
    pub(super) fn lease_id(&self, name: &str) -> LeaseId {
        match name {
            "zero" => 0,
            "negative" => -5,
            name => self.ties.leases.get(name).map_or(i64::MAX - 5, |held| held.id),
        }
    }

    pub(super) async fn lease(
        &mut self,
        store: &dyn Store,
        name: &str,
        asked: Duration,
        id: Option<&str>,
    ) -> Result<Answer> {
        let leases = leases(store)?;
        let before = Instant::now();
        let lease = match id.map(|id| self.chosen_id(id)) {
            Some(id) => self.clients.call(leases.lease_with_id(id, asked)).await?,
            None => self.clients.call(leases.lease(asked)).await?,
        };
        self.traces.leases.push(lease.id);
        self.ties.lease(name, lease, before);
        let is_chosen = id.is_none_or(|id| self.chosen_id(id) == lease.id);
        if !is_chosen {
            return Err(StoreError::new(
                ErrorKind::Other,
                "another id was granted than the one asked for",
            ));
        }
        Ok(Answer::Granted { asked, granted: lease.ttl })
    }

    /// The number behind an id that the script calls by a name: positive, and nobody else's.
    fn chosen_id(&mut self, name: &str) -> LeaseId {
        let drawn = || LeaseId::try_from(random() >> 2).unwrap_or(1).max(1);
        *self.ids.entry(name.into()).or_insert_with(drawn)
    }

    pub(super) async fn keep_alive(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let before = Instant::now();
        let id = self.lease_id(name);
        let renewed = self.clients.call(leases(store)?.keep_alive(id)).await?;
        let Some(held) = self.ties.leases.get_mut(name) else { return Ok(Answer::Done) };
        let granted = held.hold.granted;
        held.hold = Hold { granted, before, after: Instant::now() };
        Ok(Answer::Renewed { granted, renewed })
    }

    pub(super) async fn time_to_live(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let id = self.lease_id(name);
        let asked = Instant::now();
        let mut said = self.clients.call(leases(store)?.time_to_live(id)).await?;
        said.keys = said.keys.iter().map(|key| self.clients.own(key)).collect();
        let Some(Held { hold, .. }) = self.ties.leases.get(name).copied() else {
            return Ok(Answer::Keys(said.keys));
        };
        let least = hold.granted.saturating_sub(hold.before.elapsed() + ROUNDING + CLOCKS);
        let most =
            (hold.granted + CLOCKS).saturating_sub(asked.saturating_duration_since(hold.after));
        Ok(Answer::Left(Left { granted: hold.granted, least, most, said }))
    }

    pub(super) async fn revoke(&mut self, store: &dyn Store, name: &str) -> Result<Answer> {
        let id = self.lease_id(name);
        self.clients.call(leases(store)?.revoke(id)).await.map(|()| Answer::Done)
    }

    pub(super) async fn expire(
        &mut self,
        store: &dyn Store,
        keys: &[Bytes],
        lease: Option<&str>,
    ) -> Result<Answer> {
        let Some(name) = lease else {
            let keys = own(keys);
            let ended =
                expiry::expire_keys(&mut self.clients, store, &self.ties, &self.pace, &keys)
                    .await?;
            return Ok(ended.map_or_else(Answer::NoTtl, Answer::Expired));
        };
        let Some(held) = self.ties.leases.get(name).copied() else {
            return Ok(Answer::NoTtl(name.into()));
        };
        expiry::expire_lease(&mut self.clients, store, &self.pace, name, held)
            .await
            .map(Answer::Expired)
    }

    pub(super) async fn survive(&mut self, store: &dyn Store, keys: &[Bytes]) -> Result<Answer> {
        let keys = own(keys);
        let lived =
            expiry::survive(&mut self.clients, store, &self.ties, &self.pace, &keys).await?;
        Ok(lived.map_or_else(Answer::NoTtl, Answer::Survived))
    }
}

fn own(keys: &[Bytes]) -> Vec<Vec<u8>> {
    keys.iter().map(|key| key.0.clone()).collect()
}
