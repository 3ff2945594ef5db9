//! Transactions of the memory store: checked whole, then applied whole.

use std::collections::BTreeSet;

use super::history::Record;
use super::keyspace::{Keyspace, named};
use crate::store::{Compare, ErrorKind, Op, OpAnswer, Operand, Result, Txn, TxnAnswer, WatchEvent};

/// How many operations a branch may have; etcd's default.
const MAX_OPS: usize = 128;

impl Keyspace {
    /// Runs a transaction; where it fails, nothing was changed.
    pub fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer> {
        check(&txn.then)?;
        check(&txn.otherwise)?;
        let succeeded = txn.compare.iter().all(|compare| holds(compare, self.record(&compare.key)));
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        for op in ops {
            if let Op::Put { key, value, lease } = op {
                self.allow(key, value, *lease)?;
            }
        }
        let revision = self.revision() + 1;
        let mut events = Vec::new();
        let answers = ops.iter().map(|op| self.apply(op, revision, &mut events)).collect();
        self.commit(revision, events);
        Ok(TxnAnswer { succeeded, answers })
    }

    fn apply(&mut self, op: &Op, revision: i64, events: &mut Vec<WatchEvent>) -> OpAnswer {
        match op {
            Op::Put { key, value, lease } => {
                events.push(self.write(key, value, *lease, revision));
                OpAnswer::Put
            }
            Op::Delete { key } => self.erase_all(vec![key.clone()], revision, events),
            Op::DeletePrefix { prefix } => self.erase_all(self.list(prefix), revision, events),
            Op::Read { key } => {
                OpAnswer::Value(self.record(key).map(|record| record.value.clone()))
            }
            Op::List { prefix } => OpAnswer::Keys(self.list(prefix)),
        }
    }

    fn erase_all(
        &mut self,
        keys: Vec<Vec<u8>>,
        revision: i64,
        events: &mut Vec<WatchEvent>,
    ) -> OpAnswer {
        let deleted = self.erase(keys, revision);
        let count = deleted.len();
        events.extend(deleted);
        OpAnswer::Deleted(count)
    }
}

/// Refuses a branch that is too long, names nothing, or writes a key twice.
fn check(ops: &[Op]) -> Result<()> {
    if ops.len() > MAX_OPS {
        return Err(ErrorKind::TooManyOps.into());
    }
    let mut put = BTreeSet::new();
    for op in ops {
        match op {
            Op::Put { key, .. } => {
                named(key)?;
                if !put.insert(key) {
                    return Err(ErrorKind::DuplicateKey.into());
                }
            }
            Op::Delete { key } | Op::Read { key } => named(key)?,
            Op::DeletePrefix { .. } | Op::List { .. } => {}
        }
    }
    let covered = |op: &Op| match op {
        Op::Delete { key } => put.contains(key),
        Op::DeletePrefix { prefix } => put.iter().any(|key| key.starts_with(prefix)),
        _ => false,
    };
    if ops.iter().any(covered) { Err(ErrorKind::DuplicateKey.into()) } else { Ok(()) }
}

fn holds(compare: &Compare, record: Option<&Record>) -> bool {
    let number = |of: fn(&Record) -> i64| record.map_or(0, of);
    match &compare.operand {
        // A key that is missing has no value, not even one that differs.
        Operand::Value(value) => {
            record.is_some_and(|record| compare.comparison.holds(&record.value, value))
        }
        Operand::Version(version) => {
            compare.comparison.holds(&number(|record| record.version), version)
        }
        Operand::CreateRevision(revision) => {
            compare.comparison.holds(&number(|record| record.create_revision), revision)
        }
        Operand::ModRevision(revision) => {
            compare.comparison.holds(&number(|record| record.mod_revision), revision)
        }
        Operand::Lease(lease) => {
            compare.comparison.holds(&number(|record| record.lease.unwrap_or(0)), lease)
        }
    }
}
