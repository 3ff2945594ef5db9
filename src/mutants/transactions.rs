//! Stores that are wrong about transactions.

use tokio::task::yield_now;

use super::fault::*;
use super::history::bump;
use super::lists::with_ops;
use crate::store::{Compare, Comparison, Op, OpAnswer, Operand};

mutants! {
    fn all(next, client);

    "txn-one-by-one", X1, "The operations of a transaction are done one after the other."
        Txn { txn } => {
            refuse(next, &txn).await?;
            in_pieces(next, txn).await
        };

    "txn-reads-one-by-one", X1, "The reads of a transaction are done one after the other."
        Txn { txn } => {
            let is_read = txn.then.iter().all(|op| matches!(op, Op::Read { .. }));
            if !is_read || txn.then.is_empty() || !txn.compare.is_empty() {
                return next.txn(txn).await;
            }
            Ok(TxnAnswer { succeeded: true, answers: each(next, txn.then).await? })
        };

    "txn-duplicate-taken", X2,
    "A key written twice in a transaction is written once, with the last value."
        Txn { txn } => match next.txn(txn.clone()).await {
            answer if refuses(&answer, ErrorKind::DuplicateKey) => {
                Ok(TxnAnswer { succeeded: true, answers: each(next, txn.then).await? })
            }
            answer => answer,
        };

    "txn-double-delete-refused", X2, "Deleting a key twice in a transaction is refused."
        Txn { txn } => {
            let deletes = txn.then.iter().filter(|op| matches!(op, Op::Delete { .. }));
            let deletes: Vec<_> = deletes.collect();
            if (1..deletes.len()).any(|index| deletes[..index].contains(&deletes[index])) {
                return Err(ErrorKind::DuplicateKey.into());
            }
            next.txn(txn).await
        };

    "txn-unlimited", X3, "A transaction may have any number of operations."
        Txn { txn } => match next.txn(txn.clone()).await {
            answer if refuses(&answer, ErrorKind::TooManyOps) => {
                Ok(TxnAnswer { succeeded: true, answers: each(next, txn.then).await? })
            }
            answer => answer,
        };

    "txn-limit-64", X3, "A transaction may have 64 operations."
        Txn { txn } if txn.then.len() > 64 => Err(ErrorKind::TooManyOps.into());

    "txn-partial", X4, "The operations of a transaction before the one that fails stay in effect."
        Txn { txn } => {
            let answer = next.txn(txn.clone()).await;
            if refuses(&answer, ErrorKind::LeaseNotFound) {
                each(next, txn.then).await?;
            }
            answer
        };

    "txn-unknown-lease-taken", X4, "An unknown lease in a transaction is ignored."
        Txn { txn } => match next.txn(txn.clone()).await {
            answer if refuses(&answer, ErrorKind::LeaseNotFound) => {
                next.txn(with_ops(txn, detached)).await
            }
            answer => answer,
        };

    "txn-missing-differs", X5, "The value of a missing key differs from every value."
        Txn { txn } => with_missing(next, txn, |compare| {
            if let (Operand::Value(_), Comparison::NotEqual) = (&compare.operand, compare.comparison) {
                (compare.comparison, compare.operand) = HOLDS;
            }
        }).await;

    "txn-missing-is-empty", X5, "The value of a missing key equals the empty one."
        Txn { txn } => with_missing(next, txn, |compare| {
            let is_empty = compare.operand == Operand::Value(Vec::new());
            if is_empty && compare.comparison == Comparison::Equal {
                (compare.comparison, compare.operand) = HOLDS;
            }
        }).await;

    "txn-missing-has-no-version", X5, "No comparison holds for a missing key."
        Txn { txn } => with_missing(next, txn, |compare| {
            compare.operand = Operand::Value(Vec::new());
        }).await;

    "txn-reads-snapshot", X6, "Reads of a transaction see the state before it."
        Txn { mut txn } => {
            let kinds: Vec<bool> = txn.then.iter().map(is_read).collect();
            let before = txn.then.extract_if(.., |op| is_read(op)).collect();
            let mut early = next.txn(then(before)).await?.answers.into_iter();
            let answer = next.txn(txn).await?;
            if !answer.succeeded {
                return Ok(answer);
            }
            let mut late = answer.answers.into_iter();
            let take = |is_read| if is_read { early.next() } else { late.next() };
            Ok(TxnAnswer { succeeded: true, answers: kinds.into_iter().filter_map(take).collect() })
        };

    "txn-reads-then-writes", X7, "Comparisons are made first, and the writes a moment later."
        Txn { txn } => {
            let succeeded = branch(next, &txn).await?;
            yield_now().await;
            let answer = next.txn(then(if succeeded { txn.then } else { txn.otherwise })).await?;
            Ok(TxnAnswer { succeeded, ..answer })
        };

    "txn-any-comparison", X8, "One comparison that holds is enough."
        Txn { mut txn } => {
            for compare in txn.compare.clone() {
                if branch(next, &Txn { compare: vec![compare], ..Txn::default() }).await? {
                    txn.compare.clear();
                }
            }
            next.txn(txn).await
        };

    "txn-no-else", X8, "The second branch is never done."
        Txn { txn } => next.txn(Txn { otherwise: Vec::new(), ..txn }).await;

    "txn-both-branches", X8, "The second branch is done after the first."
        Txn { txn } => {
            let otherwise = txn.otherwise.clone();
            let answer = next.txn(txn).await?;
            if answer.succeeded {
                next.txn(then(otherwise)).await?;
            }
            Ok(answer)
        };

    "txn-never-compares", X8, "The first branch is done whatever the comparisons say."
        Txn { txn } => next.txn(Txn { compare: Vec::new(), ..txn }).await;

    "txn-greater-or-equal", X8, "Greater is taken as greater or equal."
        Txn { mut txn } => {
            for compare in &mut txn.compare {
                if let (Operand::Version(version), Comparison::Greater) =
                    (&mut compare.operand, compare.comparison)
                {
                    *version -= 1;
                }
            }
            next.txn(txn).await
        };

    "txn-read-only-moves", R2, "A transaction that writes nothing moves the revision."
        Txn { txn } => {
            let answer = next.txn(txn).await?;
            let is_read = |answer: &OpAnswer| {
                matches!(answer, OpAnswer::Value(_) | OpAnswer::Keys(_) | OpAnswer::Deleted(0))
            };
            if answer.answers.iter().all(is_read) {
                bump(next).await?;
            }
            Ok(answer)
        };

    "txn-lease-ignored", L1, "Leases of a transaction's writes are ignored."
        Txn { txn } => next.txn(with_ops(txn, detached)).await;

    "txn-refused-attaches", X4, "A transaction that is refused has attached keys already."
        Txn { txn } => {
            let answer = next.txn(txn.clone()).await;
            for op in txn.then.into_iter().filter(|_| answer.is_err()) {
                if let Op::Put { key, lease: Some(lease), .. } = op
                    && let Some(value) = next.read(&key).await?
                {
                    let _ = next.update_with_lease(&key, &value, lease).await;
                }
            }
            answer
        };
}

fn then(then: Vec<Op>) -> Txn {
    Txn { then, ..Txn::default() }
}

fn is_read(op: &Op) -> bool {
    matches!(op, Op::Read { .. } | Op::List { .. })
}

/// Has a write attach to no lease.
fn detached(op: Op) -> Op {
    match op {
        Op::Put { key, value, .. } => Op::Put { key, value, lease: None },
        op => op,
    }
}

/// Asks which branch would be done, and does none.
pub(super) async fn branch(next: &MemoryStore, txn: &Txn) -> Result<bool> {
    let probe = Txn { compare: txn.compare.clone(), ..Txn::default() };
    next.txn(probe).await.map(|answer| answer.succeeded)
}

/// Does operations each in a transaction of its own, until one fails.
async fn each(next: &MemoryStore, ops: Vec<Op>) -> Result<Vec<OpAnswer>> {
    let mut answers = Vec::new();
    for op in ops {
        yield_now().await;
        answers.extend(next.txn(then(vec![op])).await?.answers);
    }
    Ok(answers)
}

/// Does the branch that holds, each operation by itself.
pub(super) async fn in_pieces(next: &MemoryStore, txn: Txn) -> Result<TxnAnswer> {
    let succeeded = branch(next, &txn).await?;
    let answers = each(next, if succeeded { txn.then } else { txn.otherwise }).await?;
    Ok(TxnAnswer { succeeded, answers })
}

/// Refuses what the store below would refuse, and changes nothing.
async fn refuse(next: &MemoryStore, txn: &Txn) -> Result<()> {
    // A branch that is never taken is checked for its form all the same.
    let operand = Operand::Version(0);
    let never = Compare { key: b"/never".to_vec(), comparison: Comparison::Greater, operand };
    for ops in [&txn.then, &txn.otherwise] {
        next.txn(Txn { compare: vec![never.clone()], ..then(ops.clone()) }).await?;
    }
    Ok(())
}

/// Changes comparisons of missing keys, which `change` makes into what the store below is asked instead.
async fn with_missing(
    next: &MemoryStore,
    mut txn: Txn,
    change: fn(&mut Compare),
) -> Result<TxnAnswer> {
    for compare in &mut txn.compare {
        if next.read(&compare.key).await?.is_none() {
            change(compare);
        }
    }
    next.txn(txn).await
}

/// A comparison that holds for a missing key.
const HOLDS: (Comparison, Operand) = (Comparison::Equal, Operand::Version(0));
