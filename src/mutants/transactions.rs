//! Stores that are wrong about transactions.

use async_trait::async_trait;

use super::{Fault, Mutant, Site, mutant};
use crate::store::{
    Compare, Comparison, ErrorKind, Op, OpAnswer, Operand, Result, Store, Transactions, Txn,
    TxnAnswer,
};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<OneByOne>(
            "txn-one-by-one",
            "X1",
            "The operations of a transaction are done one after the other.",
        ),
        mutant::<ReadsOneByOne>(
            "txn-reads-one-by-one",
            "X1",
            "The reads of a transaction are done one after the other.",
        ),
        mutant::<DuplicateTaken>(
            "txn-duplicate-taken",
            "X2",
            "A key written twice in a transaction is written once, with the last value.",
        ),
        mutant::<DoubleDeleteRefused>(
            "txn-double-delete-refused",
            "X2",
            "Deleting a key twice in a transaction is refused.",
        ),
        mutant::<Unlimited>(
            "txn-unlimited",
            "X3",
            "A transaction may have any number of operations.",
        ),
        mutant::<SixtyFour>("txn-limit-64", "X3", "A transaction may have 64 operations."),
        mutant::<Partial>(
            "txn-partial",
            "X4",
            "What a transaction did before the operation that fails stays done.",
        ),
        mutant::<UnknownLeaseTaken>(
            "txn-unknown-lease-taken",
            "X4",
            "An unknown lease in a transaction is ignored.",
        ),
        mutant::<MissingDiffers>(
            "txn-missing-differs",
            "X5",
            "The value of a missing key differs from every value.",
        ),
        mutant::<MissingEmpty>(
            "txn-missing-is-empty",
            "X5",
            "The value of a missing key equals the empty one.",
        ),
        mutant::<MissingNoVersion>(
            "txn-missing-has-no-version",
            "X5",
            "No comparison holds for a missing key.",
        ),
        mutant::<Snapshot>(
            "txn-reads-snapshot",
            "X6",
            "Reads of a transaction see the state before it.",
        ),
        mutant::<ReadThenWrite>(
            "txn-reads-then-writes",
            "X7",
            "Comparisons are made first, and the writes a moment later.",
        ),
        mutant::<Any>("txn-any-comparison", "X8", "One comparison that holds is enough."),
        mutant::<NoElse>("txn-no-else", "X8", "The second branch is never done."),
        mutant::<Both>("txn-both-branches", "X8", "The second branch is done after the first."),
        mutant::<AlwaysThen>(
            "txn-never-compares",
            "X8",
            "The first branch is done whatever the comparisons say.",
        ),
        mutant::<GreaterOrEqual>(
            "txn-greater-or-equal",
            "X8",
            "Greater is taken as greater or equal.",
        ),
        mutant::<ReadOnlyMoves>(
            "txn-read-only-moves",
            "R2",
            "A transaction that writes nothing moves the revision.",
        ),
        mutant::<LeaseIgnored>(
            "txn-lease-ignored",
            "L1",
            "Leases of a transaction's writes are ignored.",
        ),
        mutant::<FailedAttaches>(
            "txn-refused-attaches",
            "X4",
            "A transaction that is refused has attached keys already.",
        ),
    ]
}

fn then(then: Vec<Op>) -> Txn {
    Txn { then, ..Txn::default() }
}

/// Asks which branch would be done, and does none.
async fn branch(at: &Site, txn: &Txn) -> Result<bool> {
    let probe = Txn { compare: txn.compare.clone(), ..Txn::default() };
    at.store.txn(probe).await.map(|answer| answer.succeeded)
}

/// Does operations each in a transaction of its own, until one fails.
async fn each(at: &Site, ops: Vec<Op>) -> Result<Vec<OpAnswer>> {
    let mut answers = Vec::new();
    for op in ops {
        tokio::task::yield_now().await;
        answers.extend(at.store.txn(then(vec![op])).await?.answers);
    }
    Ok(answers)
}

/// Refuses what the store below would refuse, and changes nothing.
async fn refuse(at: &Site, txn: &Txn) -> Result<()> {
    // A branch that is never taken is checked for its form all the same.
    let never = Compare {
        key: b"/never".to_vec(),
        comparison: Comparison::Greater,
        operand: Operand::Version(0),
    };
    for ops in [&txn.then, &txn.otherwise] {
        at.store
            .txn(Txn { compare: vec![never.clone()], then: ops.clone(), otherwise: Vec::new() })
            .await?;
    }
    Ok(())
}

#[derive(Default)]
struct OneByOne;

#[async_trait]
impl Fault for OneByOne {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        refuse(at, &txn).await?;
        let succeeded = branch(at, &txn).await?;
        let answers = each(at, if succeeded { txn.then } else { txn.otherwise }).await?;
        Ok(TxnAnswer { succeeded, answers })
    }
}

#[derive(Default)]
struct ReadsOneByOne;

#[async_trait]
impl Fault for ReadsOneByOne {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let is_read = txn.then.iter().all(|op| matches!(op, Op::Read { .. }));
        if !is_read || txn.then.is_empty() || !txn.compare.is_empty() {
            return at.store.txn(txn).await;
        }
        Ok(TxnAnswer { succeeded: true, answers: each(at, txn.then).await? })
    }
}

#[derive(Default)]
struct DuplicateTaken;

#[async_trait]
impl Fault for DuplicateTaken {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        match at.store.txn(txn.clone()).await {
            Err(error) if error.kind == ErrorKind::DuplicateKey => {
                Ok(TxnAnswer { succeeded: true, answers: each(at, txn.then).await? })
            }
            answer => answer,
        }
    }
}

#[derive(Default)]
struct DoubleDeleteRefused;

#[async_trait]
impl Fault for DoubleDeleteRefused {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let deletes: Vec<_> =
            txn.then.iter().filter(|op| matches!(op, Op::Delete { .. })).collect();
        if (1..deletes.len()).any(|index| deletes[..index].contains(&deletes[index])) {
            return Err(ErrorKind::DuplicateKey.into());
        }
        at.store.txn(txn).await
    }
}

#[derive(Default)]
struct Unlimited;

#[async_trait]
impl Fault for Unlimited {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        match at.store.txn(txn.clone()).await {
            Err(error) if error.kind == ErrorKind::TooManyOps => {
                Ok(TxnAnswer { succeeded: true, answers: each(at, txn.then).await? })
            }
            answer => answer,
        }
    }
}

#[derive(Default)]
struct SixtyFour;

#[async_trait]
impl Fault for SixtyFour {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        if txn.then.len() > 64 {
            Err(ErrorKind::TooManyOps.into())
        } else {
            at.store.txn(txn).await
        }
    }
}

#[derive(Default)]
struct Partial;

#[async_trait]
impl Fault for Partial {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        match at.store.txn(txn.clone()).await {
            Err(error) if error.kind == ErrorKind::LeaseNotFound => {
                each(at, txn.then).await?;
                Err(error)
            }
            answer => answer,
        }
    }
}

/// Has the writes of a transaction attach to no lease.
async fn without_leases(at: &Site, mut txn: Txn) -> Result<TxnAnswer> {
    for op in txn.then.iter_mut().chain(&mut txn.otherwise) {
        if let Op::Put { lease, .. } = op {
            *lease = None;
        }
    }
    at.store.txn(txn).await
}

#[derive(Default)]
struct UnknownLeaseTaken;

#[async_trait]
impl Fault for UnknownLeaseTaken {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        match at.store.txn(txn.clone()).await {
            Err(error) if error.kind == ErrorKind::LeaseNotFound => without_leases(at, txn).await,
            answer => answer,
        }
    }
}

#[derive(Default)]
struct LeaseIgnored;

#[async_trait]
impl Fault for LeaseIgnored {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        without_leases(at, txn).await
    }
}

#[derive(Default)]
struct FailedAttaches;

#[async_trait]
impl Fault for FailedAttaches {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let answer = at.store.txn(txn.clone()).await;
        if answer.is_err() {
            for op in &txn.then {
                if let Op::Put { key, lease: Some(lease), .. } = op
                    && let Some(value) = at.store.read(key).await?
                {
                    let _ = crate::store::Leases::update_with_lease(
                        at.store.as_ref(),
                        key,
                        &value,
                        *lease,
                    )
                    .await;
                }
            }
        }
        answer
    }
}

/// Changes comparisons of missing keys, which `change` makes into what the store below is asked instead.
async fn with_missing(at: &Site, mut txn: Txn, change: fn(&mut Compare)) -> Result<TxnAnswer> {
    for compare in &mut txn.compare {
        if at.store.read(&compare.key).await?.is_none() {
            change(compare);
        }
    }
    at.store.txn(txn).await
}

/// A comparison that holds for a missing key.
const HOLDS: (Comparison, Operand) = (Comparison::Equal, Operand::Version(0));

#[derive(Default)]
struct MissingDiffers;

#[async_trait]
impl Fault for MissingDiffers {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        with_missing(at, txn, |compare| {
            if matches!(
                (&compare.operand, compare.comparison),
                (Operand::Value(_), Comparison::NotEqual)
            ) {
                (compare.comparison, compare.operand) = HOLDS;
            }
        })
        .await
    }
}

#[derive(Default)]
struct MissingEmpty;

#[async_trait]
impl Fault for MissingEmpty {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        with_missing(at, txn, |compare| {
            if compare.operand == Operand::Value(Vec::new())
                && compare.comparison == Comparison::Equal
            {
                (compare.comparison, compare.operand) = HOLDS;
            }
        })
        .await
    }
}

#[derive(Default)]
struct MissingNoVersion;

#[async_trait]
impl Fault for MissingNoVersion {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        with_missing(at, txn, |compare| compare.operand = Operand::Value(Vec::new())).await
    }
}

#[derive(Default)]
struct Snapshot;

#[async_trait]
impl Fault for Snapshot {
    async fn txn(&self, at: &Site, mut txn: Txn) -> Result<TxnAnswer> {
        let is_read = |op: &Op| matches!(op, Op::Read { .. } | Op::List { .. });
        let before: Vec<_> = txn.then.iter().filter(|op| is_read(op)).cloned().collect();
        let mut early = at.store.txn(then(before)).await?.answers.into_iter();
        let kinds: Vec<bool> = txn.then.iter().map(is_read).collect();
        txn.then.retain(|op| !is_read(op));
        let answer = at.store.txn(txn).await?;
        if !answer.succeeded {
            return Ok(answer);
        }
        let mut late = answer.answers.into_iter();
        let answers = kinds
            .into_iter()
            .filter_map(|read| if read { early.next() } else { late.next() })
            .collect();
        Ok(TxnAnswer { succeeded: true, answers })
    }
}

#[derive(Default)]
struct ReadThenWrite;

#[async_trait]
impl Fault for ReadThenWrite {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let succeeded = branch(at, &txn).await?;
        tokio::task::yield_now().await;
        let ops = if succeeded { txn.then } else { txn.otherwise };
        let answer = at.store.txn(then(ops)).await?;
        Ok(TxnAnswer { succeeded, ..answer })
    }
}

#[derive(Default)]
struct Any;

#[async_trait]
impl Fault for Any {
    async fn txn(&self, at: &Site, mut txn: Txn) -> Result<TxnAnswer> {
        for compare in txn.compare.clone() {
            if branch(at, &Txn { compare: vec![compare], ..Txn::default() }).await? {
                txn.compare.clear();
            }
        }
        at.store.txn(txn).await
    }
}

#[derive(Default)]
struct NoElse;

#[async_trait]
impl Fault for NoElse {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        at.store.txn(Txn { otherwise: Vec::new(), ..txn }).await
    }
}

#[derive(Default)]
struct Both;

#[async_trait]
impl Fault for Both {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let otherwise = txn.otherwise.clone();
        let answer = at.store.txn(txn).await?;
        if answer.succeeded {
            at.store.txn(then(otherwise)).await?;
        }
        Ok(answer)
    }
}

#[derive(Default)]
struct AlwaysThen;

#[async_trait]
impl Fault for AlwaysThen {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        at.store.txn(Txn { compare: Vec::new(), ..txn }).await
    }
}

#[derive(Default)]
struct GreaterOrEqual;

#[async_trait]
impl Fault for GreaterOrEqual {
    async fn txn(&self, at: &Site, mut txn: Txn) -> Result<TxnAnswer> {
        for compare in &mut txn.compare {
            if let (Operand::Version(version), Comparison::Greater) =
                (&mut compare.operand, compare.comparison)
            {
                *version -= 1;
            }
        }
        at.store.txn(txn).await
    }
}

#[derive(Default)]
struct ReadOnlyMoves;

#[async_trait]
impl Fault for ReadOnlyMoves {
    async fn txn(&self, at: &Site, txn: Txn) -> Result<TxnAnswer> {
        let answer = at.store.txn(txn).await?;
        let is_read = |answer: &OpAnswer| {
            matches!(answer, OpAnswer::Value(_) | OpAnswer::Keys(_) | OpAnswer::Deleted(0))
        };
        if answer.answers.iter().all(is_read) {
            at.store.update(b"/hidden", b"").await?;
        }
        Ok(answer)
    }
}
