//! Stores that take transactions which are to be refused for their form: for a key, a length or a size.

use super::fault::*;
use super::transactions::{branch, in_pieces};
use crate::store::Op;

mutants! {
    fn all(next, client);

    "txn-put-and-delete-taken", X2, "A transaction may write a key and delete it."
        Txn { txn } => match next.txn(txn.clone()).await {
            answer if refuses(&answer, ErrorKind::DuplicateKey) && !puts_twice(&txn) => {
                in_pieces(next, txn).await
            }
            answer => answer,
        };

    "txn-untaken-duplicate", X2, "A key written twice is refused in the branch that is taken only."
        Txn { txn } => without_untaken(next, txn, ErrorKind::DuplicateKey).await;

    "txn-untaken-too-long", X3, "The operations of the branch that is not taken are not counted."
        Txn { txn } => without_untaken(next, txn, ErrorKind::TooManyOps).await;

    "txn-untaken-too-large", E2, "The branch that is not taken may be of any size."
        Txn { txn } => without_untaken(next, txn, ErrorKind::TooLarge).await;

    "txn-any-size", E2, "A transaction may be of any size, if no single value of it is too large."
        Txn { txn } => match next.txn(txn.clone()).await {
            answer if refuses(&answer, ErrorKind::TooLarge) && !has_large_value(&txn) => {
                in_pieces(next, txn).await
            }
            answer => answer,
        };
}

/// Whether a branch writes a key twice.
fn puts_twice(txn: &Txn) -> bool {
    [&txn.then, &txn.otherwise].into_iter().any(|ops| {
        let mut keys = BTreeSet::new();
        ops.iter().any(|op| matches!(op, Op::Put { key, .. } if !keys.insert(key)))
    })
}

fn has_large_value(txn: &Txn) -> bool {
    let is_large = |op: &Op| matches!(op, Op::Put { value, .. } if value.len() > 1024 * 1024);
    txn.then.iter().chain(&txn.otherwise).any(is_large)
}

/// Does not look for an error of this kind in the branch that is not taken.
async fn without_untaken(next: &MemoryStore, mut txn: Txn, kind: ErrorKind) -> Result<TxnAnswer> {
    let answer = next.txn(txn.clone()).await;
    if !refuses(&answer, kind) {
        return answer;
    }
    let untaken = if branch(next, &txn).await? { &mut txn.otherwise } else { &mut txn.then };
    untaken.clear();
    next.txn(txn).await
}
