//! Transactions of an etcd.

use async_trait::async_trait;
use etcd_client::{
    Compare as Condition, CompareOp, DeleteOptions, GetOptions, PutOptions, TxnOp, TxnOpResponse,
};

use super::store::EtcdStore;
use crate::store::{
    Compare, Comparison, ErrorKind, Op, OpAnswer, Operand, Result, StoreError, Transactions, Txn,
    TxnAnswer,
};

#[async_trait]
impl Transactions for EtcdStore {
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer> {
        let mut kv = self.kv_client()?;
        let ops = |ops: &[Op]| ops.iter().map(operation).collect::<Result<Vec<_>>>();
        let request = etcd_client::Txn::new()
            .when(txn.compare.iter().map(condition).collect::<Vec<_>>())
            .and_then(ops(&txn.then)?)
            .or_else(ops(&txn.otherwise)?);
        let answer = self.answer(kv.txn(request)).await?;
        let succeeded = answer.succeeded();
        let branch = if succeeded { &txn.then } else { &txn.otherwise };
        let answers = answer.op_responses();
        if answers.len() != branch.len() {
            let message =
                format!("{} operations were answered with {} answers", branch.len(), answers.len());
            return Err(StoreError::new(ErrorKind::Other, message));
        }
        let answers = branch
            .iter()
            .zip(answers)
            .map(|(op, answer)| told(op, answer))
            .collect::<Result<_>>()?;
        Ok(TxnAnswer { succeeded, answers })
    }
}

fn condition(compare: &Compare) -> Condition {
    let key = compare.key.as_slice();
    let op = match compare.comparison {
        Comparison::Equal => CompareOp::Equal,
        Comparison::NotEqual => CompareOp::NotEqual,
        Comparison::Greater => CompareOp::Greater,
        Comparison::Less => CompareOp::Less,
    };
    match &compare.operand {
        Operand::Value(value) => Condition::value(key, op, value.as_slice()),
        Operand::Version(version) => Condition::version(key, op, *version),
        Operand::CreateRevision(revision) => Condition::create_revision(key, op, *revision),
        Operand::ModRevision(revision) => Condition::mod_revision(key, op, *revision),
        Operand::Lease(lease) => Condition::lease(key, op, *lease),
    }
}

fn operation(op: &Op) -> Result<TxnOp> {
    Ok(match op {
        // As in a plain put, 0 would be taken for "no lease".
        Op::Put { lease: Some(0), .. } => {
            return Err(StoreError::new(ErrorKind::LeaseNotFound, "0 is the name of no lease"));
        }
        Op::Put { key, value, lease } => {
            let options = lease.map(|lease| PutOptions::new().with_lease(lease));
            TxnOp::put(key.as_slice(), value.as_slice(), options)
        }
        Op::Delete { key } => TxnOp::delete(key.as_slice(), None),
        Op::DeletePrefix { prefix } => {
            TxnOp::delete(prefix.as_slice(), Some(DeleteOptions::new().with_prefix()))
        }
        Op::Read { key } => TxnOp::get(key.as_slice(), None),
        Op::List { prefix } => {
            TxnOp::get(prefix.as_slice(), Some(GetOptions::new().with_prefix().with_keys_only()))
        }
    })
}

fn told(op: &Op, answer: TxnOpResponse) -> Result<OpAnswer> {
    Ok(match (op, answer) {
        (Op::Put { .. }, TxnOpResponse::Put(_)) => OpAnswer::Put,
        (Op::Delete { .. } | Op::DeletePrefix { .. }, TxnOpResponse::Delete(answer)) => {
            OpAnswer::Deleted(usize::try_from(answer.deleted()).unwrap_or(0))
        }
        (Op::Read { .. }, TxnOpResponse::Get(mut answer)) => {
            OpAnswer::Value(answer.take_kvs().into_iter().next().map(|kv| kv.into_key_value().1))
        }
        (Op::List { .. }, TxnOpResponse::Get(mut answer)) => {
            OpAnswer::Keys(answer.take_kvs().into_iter().map(|kv| kv.into_key_value().0).collect())
        }
        _ => {
            return Err(StoreError::new(
                ErrorKind::Other,
                "an operation was answered as another kind of one",
            ));
        }
    })
}
