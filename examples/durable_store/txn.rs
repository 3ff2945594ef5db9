//! Transactions: checked whole, then done whole.

use std::collections::BTreeSet;

use kvspec::store::{ErrorKind, Op, OpAnswer, Result, Txn, TxnAnswer};

use crate::change::{Change, MAX_VALUE, fitting, named};

/// How many operations a branch may have.
const MAX_OPS: usize = 128;

impl Change<'_> {
    /// Runs a transaction; an error of it leaves nothing of this change.
    pub fn txn(&mut self, txn: &Txn) -> Result<TxnAnswer> {
        check(&txn.then)?;
        check(&txn.otherwise)?;
        let mut succeeded = true;
        for compare in &txn.compare {
            let record = self.get(&compare.key)?;
            succeeded &= compare.holds(record.as_ref().map(|found| (found.meta, &*found.value)));
        }
        let ops = if succeeded { &txn.then } else { &txn.otherwise };
        let answers = ops.iter().map(|op| self.apply(op)).collect::<Result<_>>()?;
        Ok(TxnAnswer::new(succeeded, answers))
    }

    fn apply(&mut self, op: &Op) -> Result<OpAnswer> {
        Ok(match op {
            Op::Put { key, value, lease } => {
                self.put(key, value, *lease).map(|()| OpAnswer::Put)?
            }
            Op::Delete { key } => OpAnswer::Deleted(self.delete(vec![key.clone()])?),
            Op::DeletePrefix { prefix } => OpAnswer::Deleted(self.delete(self.list(prefix)?)?),
            Op::Read { key } => OpAnswer::Value(self.get(key)?.map(|record| record.value)),
            Op::List { prefix } => OpAnswer::Keys(self.list(prefix)?),
        })
    }
}

/// Refuses a branch that is too long, writes something too large, names nothing, or writes a key twice.
fn check(ops: &[Op]) -> Result<()> {
    if ops.len() > MAX_OPS {
        return Err(ErrorKind::TooManyOps.into());
    }
    let (mut put, mut size) = (BTreeSet::new(), 0);
    for op in ops {
        match op {
            Op::Put { key, value, .. } => {
                size += key.len() + value.len();
                fitting(key, value)?;
                if !put.insert(key) {
                    return Err(ErrorKind::DuplicateKey.into());
                }
            }
            Op::Delete { key } | Op::Read { key } => named(key)?,
            Op::DeletePrefix { .. } | Op::List { .. } => {}
        }
    }
    if size > MAX_VALUE {
        return Err(ErrorKind::TooLarge.into());
    }
    let deletes_a_put = |op: &Op| match op {
        Op::Delete { key } => put.contains(key),
        Op::DeletePrefix { prefix } => put.iter().any(|key| key.starts_with(prefix)),
        Op::Put { .. } | Op::Read { .. } | Op::List { .. } => false,
    };
    if ops.iter().any(deletes_a_put) { Err(ErrorKind::DuplicateKey.into()) } else { Ok(()) }
}
