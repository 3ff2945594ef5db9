//! A script's transaction made into the store's.

use super::script::{CompareScript, OpScript, OperandScript, TxnScript};
use crate::session::Session;
use crate::session::extensions::transactions;
use crate::session::fill;
use crate::store::{Compare, ErrorKind, Op, OpAnswer, Operand, Result, Store, StoreError, Txn};
use crate::transcript::Answer;
use crate::words::quote_value;

/// Runs a transaction.
pub(super) async fn run(
    words: &[String],
    session: &mut Session<'_>,
    store: &dyn Store,
) -> Result<Answer> {
    let script = TxnScript::parse(words)
        .map_err(|reason| StoreError::own(ErrorKind::InvalidArgument, reason))?;
    let compare =
        script.compare.iter().map(|compare| compared(session, compare)).collect::<Result<_>>()?;
    let (then, then_words) = ops(session, &script.then);
    let (otherwise, otherwise_words) = ops(session, &script.otherwise);
    let transactions = transactions(store)?;
    let answer = session.clients.call(transactions.txn(Txn { compare, then, otherwise })).await?;
    let words = if answer.succeeded { then_words } else { otherwise_words };
    let answers = answer.answers.into_iter().map(|answer| own_keys(session, answer).into());
    Ok(Answer::Txn(answer.succeeded, words.into_iter().zip(answers).collect()))
}

fn compared(session: &Session<'_>, compare: &CompareScript) -> Result<Compare> {
    let operand = match &compare.operand {
        OperandScript::Value(value) => Operand::Value(value.0.clone()),
        OperandScript::Version(version) => Operand::Version(*version),
        OperandScript::Create(rev) => Operand::CreateRevision(session.marks.revision(rev)?),
        OperandScript::Mod(rev) => Operand::ModRevision(session.marks.revision(rev)?),
        OperandScript::Lease(name) => Operand::Lease(session.lease_id(name)),
    };
    Ok(Compare {
        key: session.clients.whole(&compare.key.0),
        comparison: compare.comparison,
        operand,
    })
}

/// The operations of a branch, and the words by which each is reported.
fn ops(session: &Session<'_>, scripts: &[OpScript]) -> (Vec<Op>, Vec<String>) {
    let mut ops = Vec::new();
    let mut words = Vec::new();
    for script in scripts {
        for (op, said) in op(session, script) {
            ops.push(op);
            words.push(said);
        }
    }
    (ops, words)
}

fn op(session: &Session<'_>, script: &OpScript) -> Vec<(Op, String)> {
    let put = |key: &[u8], value: &[u8], lease: Option<&String>| {
        let lease = lease.map(|name| session.lease_id(name));
        Op::Put { key: session.clients.whole(key), value: value.into(), lease }
    };
    match script {
        OpScript::Put(key, value, lease) => {
            vec![(put(&key.0, &value.0, lease.as_ref()), format!("put {}", quote_value(&key.0)))]
        }
        OpScript::Fill(key, count, size) => {
            let value = size.map_or_else(|| b"v".to_vec(), |size| vec![b'.'; size.0]);
            fill::keys(&key.0, Some(*count), None)
                .iter()
                .map(|key| (put(key, &value, None), format!("put {}", quote_value(key))))
                .collect()
        }
        OpScript::Delete(key) => {
            vec![(
                Op::Delete { key: session.clients.whole(&key.0) },
                format!("delete {}", quote_value(&key.0)),
            )]
        }
        OpScript::DeletePrefix(prefix) => {
            let op = Op::DeletePrefix { prefix: session.clients.whole(&prefix.0) };
            vec![(op, format!("delete_prefix {}", quote_value(&prefix.0)))]
        }
        OpScript::Read(key) => {
            vec![(
                Op::Read { key: session.clients.whole(&key.0) },
                format!("read {}", quote_value(&key.0)),
            )]
        }
        OpScript::List(prefix) => {
            vec![(
                Op::List { prefix: session.clients.whole(&prefix.0) },
                format!("list {}", quote_value(&prefix.0)),
            )]
        }
    }
}

fn own_keys(session: &Session<'_>, answer: OpAnswer) -> OpAnswer {
    match answer {
        OpAnswer::Keys(keys) => {
            OpAnswer::Keys(keys.iter().map(|key| session.clients.own(key)).collect())
        }
        other => other,
    }
}
