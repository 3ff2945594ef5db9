//! Transactions of the memory store: checked whole, then applied whole.

use std::collections::BTreeSet;

use super::keyspace::{Keyspace, MAX_REQUEST, named};
use crate::store::{ErrorKind, Op, OpAnswer, Operand, Result, Txn, TxnAnswer, WatchEvent};

/// How many operations a branch may have; etcd's default.
const MAX_OPS: usize = 128;

impl Keyspace {
    /// Runs a transaction; where it fails, nothing was changed.
    pub fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer> {
        // In etcd's order, which shows where a transaction is wrong in several ways.
        let branches = [&txn.then, &txn.otherwise];
        if branches.iter().any(|ops| ops.len() > MAX_OPS) || txn.compare.len() > MAX_OPS {
            return Err(ErrorKind::TooManyOps.into());
        }
        branches.into_iter().try_for_each(|ops| all_named(ops))?;
        branches.into_iter().try_for_each(|ops| no_duplicates(ops))?;
        if size(txn) > MAX_REQUEST {
            return Err(ErrorKind::TooLarge.into());
        }
        let succeeded = txn.compare.iter().all(|compare| {
            let record = self.record(&compare.key);
            compare.holds(record.map(|record| (record.metadata(), &*record.value)))
        });
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

/// Refuses a branch with an operation that names no key.
fn all_named(ops: &[Op]) -> Result<()> {
    ops.iter().try_for_each(|op| match op {
        Op::Put { key, .. } | Op::Delete { key } | Op::Read { key } => named(key),
        Op::DeletePrefix { .. } | Op::List { .. } => Ok(()),
    })
}

/// Refuses a branch that writes a key twice, or writes and deletes it.
fn no_duplicates(ops: &[Op]) -> Result<()> {
    let mut put = BTreeSet::new();
    for op in ops {
        if let Op::Put { key, .. } = op
            && !put.insert(key)
        {
            return Err(ErrorKind::DuplicateKey.into());
        }
    }
    let covered = |op: &Op| match op {
        Op::Delete { key } => put.contains(key),
        Op::DeletePrefix { prefix } => put.iter().any(|key| key.starts_with(prefix)),
        _ => false,
    };
    if ops.iter().any(covered) { Err(ErrorKind::DuplicateKey.into()) } else { Ok(()) }
}

/// How large the request is: its keys and values, those of the branch that is not taken included.
fn size(txn: &Txn) -> usize {
    let ops = txn.then.iter().chain(&txn.otherwise).map(|op| match op {
        Op::Put { key, value, .. } => key.len() + value.len(),
        Op::Delete { key } | Op::Read { key } => key.len(),
        Op::DeletePrefix { prefix } | Op::List { prefix } => prefix.len(),
    });
    let compares = txn.compare.iter().map(|compare| match &compare.operand {
        Operand::Value(value) => compare.key.len() + value.len(),
        Operand::Version(_)
        | Operand::CreateRevision(_)
        | Operand::ModRevision(_)
        | Operand::Lease(_) => compare.key.len(),
    });
    ops.chain(compares).sum()
}
