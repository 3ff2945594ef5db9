//! The tables, and what one SQL transaction does to them.

use std::time::Duration;

use deadpool_postgres::Transaction;
use kvspec::store::{ErrorKind, Lease, LeaseId, Result};

use crate::database::broken;

/// The largest key and value together, and the shortest and longest TTL that the store grants.
pub const MAX_REQUEST: usize = 1536 * 1024;
const TTLS: (Duration, Duration) =
    (Duration::from_secs(1), Duration::from_secs(365 * 24 * 60 * 60));

/// `numbers` is one row, which every change locks: so changes are committed in the order of their revisions.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS numbers (
        revision bigint NOT NULL, compacted bigint NOT NULL, forgotten bigint NOT NULL,
        lease bigint NOT NULL);
    INSERT INTO numbers SELECT 1, 0, 0, 1000 WHERE NOT EXISTS (SELECT FROM numbers);
    CREATE TABLE IF NOT EXISTS living (
        key bytea PRIMARY KEY, value bytea NOT NULL, created bigint NOT NULL, modified bigint NOT NULL,
        version bigint NOT NULL, lease bigint NOT NULL);
    CREATE INDEX IF NOT EXISTS living_lease ON living (lease) WHERE lease <> 0;
    CREATE TABLE IF NOT EXISTS past (
        revision bigint, place int, key bytea NOT NULL, value bytea, PRIMARY KEY (revision, place));
    CREATE INDEX IF NOT EXISTS past_key ON past (key, revision);
    CREATE TABLE IF NOT EXISTS leases (
        id bigint PRIMARY KEY, ttl bigint NOT NULL, ends timestamptz NOT NULL);
    CREATE INDEX IF NOT EXISTS leases_end ON leases (ends);";

/// The end of a lease of `$2` milliseconds that begins now.
const ENDS: &str = "clock_timestamp() + $2::bigint * interval '1 millisecond'";

/// One change: everything that it does happens at one revision.
pub struct Change<'t> {
    txn: &'t Transaction<'t>,
    /// The revision before it.
    before: i64,
    /// How many keys it has written or deleted.
    places: i32,
}

/// Refuses an empty key.
pub fn named(key: &[u8]) -> Result<()> {
    if key.is_empty() { Err(ErrorKind::EmptyKey.into()) } else { Ok(()) }
}

impl<'t> Change<'t> {
    /// Locks the store for changes.
    pub async fn begin(txn: &'t Transaction<'t>) -> Result<Self> {
        let row = txn.query_one("SELECT revision FROM numbers FOR UPDATE", &[]).await;
        Ok(Self { txn, before: row.map_err(broken)?.get(0), places: 0 })
    }

    /// Counts the revision, if anything was changed, and wakes the watches.
    pub async fn finish(self) -> Result<()> {
        if self.places == 0 {
            return Ok(());
        }
        let count = "UPDATE numbers SET revision = revision + 1; NOTIFY commits";
        self.txn.batch_execute(count).await.map_err(broken)
    }

    /// Writes a key, attached to a lease or to none.
    pub async fn put(&mut self, key: &[u8], value: &[u8], lease: Option<LeaseId>) -> Result<()> {
        named(key)?;
        if key.len() + value.len() > MAX_REQUEST {
            return Err(ErrorKind::TooLarge.into());
        }
        if let Some(lease) = lease {
            self.find(lease).await?;
        }
        let (revision, lease) = (self.before + 1, lease.unwrap_or(0));
        let write = "INSERT INTO living VALUES ($1, $2, $3, $3, 1, $4) ON CONFLICT (key) DO UPDATE \
            SET value = $2, modified = $3, version = living.version + 1, lease = $4";
        let written = self.txn.execute(write, &[&key, &value, &revision, &lease]).await;
        written.map_err(broken)?;
        self.note(key, Some(value)).await
    }

    /// Deletes a key if it is there.
    pub async fn delete(&mut self, key: &[u8]) -> Result<()> {
        named(key)?;
        let deleted = self.txn.execute("DELETE FROM living WHERE key = $1", &[&key]).await;
        if deleted.map_err(broken)? == 0 { Ok(()) } else { self.note(key, None).await }
    }

    async fn note(&mut self, key: &[u8], value: Option<&[u8]>) -> Result<()> {
        let (revision, place) = (self.before + 1, self.places);
        let note = "INSERT INTO past VALUES ($1, $2, $3, $4)";
        self.txn.execute(note, &[&revision, &place, &key, &value]).await.map_err(broken)?;
        self.places += 1;
        Ok(())
    }

    /// Refuses a lease that is not there. One that expired is there until it is swept, as its keys are.
    async fn find(&self, lease: LeaseId) -> Result<()> {
        let find = "SELECT FROM leases WHERE id = $1 FOR UPDATE";
        let found = self.txn.query_opt(find, &[&lease]).await.map_err(broken)?;
        found.map(drop).ok_or_else(|| ErrorKind::LeaseNotFound.into())
    }

    /// Grants a lease under this ID, or under one that was never given.
    pub async fn grant(&mut self, id: Option<LeaseId>, ttl: Duration) -> Result<Lease> {
        if ttl > TTLS.1 {
            return Err(ErrorKind::TtlTooLarge.into());
        }
        let ttl = ttl.max(TTLS.0);
        let id = match id {
            Some(id) => id,
            None => self.next_id().await?,
        };
        let grant = format!("INSERT INTO leases VALUES ($1, $2, {ENDS}) ON CONFLICT DO NOTHING");
        let millis = ttl.as_millis() as i64;
        let granted = self.txn.execute(&grant, &[&id, &millis]).await.map_err(broken)?;
        if granted == 0 { Err(ErrorKind::LeaseExists.into()) } else { Ok(Lease::new(id, ttl)) }
    }

    async fn next_id(&self) -> Result<LeaseId> {
        loop {
            let next = "UPDATE numbers SET lease = lease + 1 RETURNING lease, \
                EXISTS (SELECT FROM leases WHERE id = numbers.lease)";
            let row = self.txn.query_one(next, &[]).await.map_err(broken)?;
            if !row.get::<_, bool>(1) {
                return Ok(row.get(0));
            }
        }
    }

    /// Ends a lease, and deletes its keys.
    pub async fn revoke(&mut self, lease: LeaseId) -> Result<()> {
        let ended = self.txn.execute("DELETE FROM leases WHERE id = $1", &[&lease]).await;
        if ended.map_err(broken)? == 0 {
            return Err(ErrorKind::LeaseNotFound.into());
        }
        let keys = "SELECT key FROM living WHERE lease = $1 ORDER BY key";
        for row in self.txn.query(keys, &[&lease]).await.map_err(broken)? {
            self.delete(row.get(0)).await?;
        }
        Ok(())
    }

    /// Ends the leases that expired.
    pub async fn sweep(&mut self) -> Result<()> {
        let expired =
            "SELECT id FROM leases WHERE ends <= clock_timestamp() ORDER BY ends FOR UPDATE";
        for row in self.txn.query(expired, &[]).await.map_err(broken)? {
            self.revoke(row.get(0)).await?;
        }
        Ok(())
    }

    /// Has what was before a revision forgotten: from now on nobody is given it.
    pub async fn compact(&mut self, revision: i64) -> Result<()> {
        if revision > self.before {
            return Err(ErrorKind::FutureRevision.into());
        }
        let compact = "UPDATE numbers SET compacted = $1 WHERE compacted < $1";
        let compacted = self.txn.execute(compact, &[&revision]).await.map_err(broken)?;
        if compacted == 0 { Err(ErrorKind::Compacted.into()) } else { Ok(()) }
    }

    /// Deletes what later versions up to a compacted revision have replaced; gives the revision to take next.
    pub async fn forget(&mut self, revision: i64) -> Result<i64> {
        let forget = "DELETE FROM past WHERE revision < $1 AND EXISTS (SELECT FROM past later \
            WHERE later.key = past.key AND later.revision > past.revision AND later.revision <= $1)";
        self.txn.execute(forget, &[&revision]).await.map_err(broken)?;
        let next = "UPDATE numbers SET forgotten = $1 RETURNING compacted";
        Ok(self.txn.query_one(next, &[&revision]).await.map_err(broken)?.get(0))
    }
}
