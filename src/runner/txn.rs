//! The `txn` command: a script's transaction made into the store's.

use super::session::Session;
use crate::scenario::txn::{CompareScript, OpScript, OperandScript, TxnScript};
use crate::scenario::words::quote;
use crate::store::{Compare, ErrorKind, Op, OpAnswer, Operand, Result, Store, StoreError, Txn};
use crate::transcript::Answer;

impl Session<'_> {
    pub(super) async fn txn(&mut self, store: &dyn Store, words: &[String]) -> Result<Answer> {
        let script = TxnScript::parse(words)
            .map_err(|reason| StoreError::new(ErrorKind::InvalidArgument, reason))?;
        let compare =
            script.compare.iter().map(|compare| self.compare(compare)).collect::<Result<_>>()?;
        let (then, then_words) = self.ops(&script.then);
        let (otherwise, otherwise_words) = self.ops(&script.otherwise);
        let transactions = store.transactions().ok_or_else(|| {
            StoreError::new(ErrorKind::Unsupported, "this store has no transactions")
        })?;
        let answer = self.clients.call(transactions.txn(Txn { compare, then, otherwise })).await?;
        let branch = if answer.succeeded { &script.then } else { &script.otherwise };
        self.note(branch);
        let words = if answer.succeeded { then_words } else { otherwise_words };
        let answers = answer.answers.into_iter().map(|answer| self.own_keys(answer));
        Ok(Answer::Txn(answer.succeeded, words.into_iter().zip(answers).collect()))
    }

    fn compare(&self, compare: &CompareScript) -> Result<Compare> {
        let operand = match &compare.operand {
            OperandScript::Value(value) => Operand::Value(value.0.clone()),
            OperandScript::Version(version) => Operand::Version(*version),
            OperandScript::Create(rev) => Operand::CreateRevision(self.marks.revision(rev)?),
            OperandScript::Mod(rev) => Operand::ModRevision(self.marks.revision(rev)?),
            OperandScript::Lease(name) => Operand::Lease(self.lease_id(name)),
        };
        Ok(Compare {
            key: self.clients.whole(&compare.key.0),
            comparison: compare.comparison,
            operand,
        })
    }

    /// The operations of a branch, and the words by which each is told.
    fn ops(&mut self, scripts: &[OpScript]) -> (Vec<Op>, Vec<String>) {
        let mut ops = Vec::new();
        let mut words = Vec::new();
        for script in scripts {
            for (op, said) in self.op(script) {
                ops.push(op);
                words.push(said);
            }
        }
        (ops, words)
    }

    fn op(&mut self, script: &OpScript) -> Vec<(Op, String)> {
        let put = |session: &mut Self, key: &[u8], value: &[u8], lease: Option<&String>| {
            let lease = lease.map(|name| session.lease_id(name));
            Op::Put { key: session.touch(key), value: value.into(), lease }
        };
        match script {
            OpScript::Put(key, value, lease) => {
                vec![(
                    put(self, &key.0, &value.0, lease.as_ref()),
                    format!("put {}", quote(&key.0)),
                )]
            }
            OpScript::Fill(key, count) => super::fill::keys(&key.0, Some(*count), None)
                .iter()
                .map(|key| (put(self, key, b"v", None), format!("put {}", quote(key))))
                .collect(),
            OpScript::Delete(key) => {
                vec![(
                    Op::Delete { key: self.clients.whole(&key.0) },
                    format!("delete {}", quote(&key.0)),
                )]
            }
            OpScript::DeletePrefix(prefix) => {
                let op = Op::DeletePrefix { prefix: self.clients.whole(&prefix.0) };
                vec![(op, format!("delete_prefix {}", quote(&prefix.0)))]
            }
            OpScript::Read(key) => {
                vec![(
                    Op::Read { key: self.clients.whole(&key.0) },
                    format!("read {}", quote(&key.0)),
                )]
            }
            OpScript::List(prefix) => {
                vec![(
                    Op::List { prefix: self.clients.whole(&prefix.0) },
                    format!("list {}", quote(&prefix.0)),
                )]
            }
        }
    }

    /// Notes what the branch that was taken did to the keys' times to live.
    fn note(&mut self, branch: &[OpScript]) {
        for op in branch {
            match op {
                OpScript::Put(key, _, Some(lease)) => self.ties.tie_to_lease(&key.0, lease),
                OpScript::Put(key, _, None) | OpScript::Delete(key) => self.ties.untie(&key.0),
                _ => {}
            }
        }
    }

    fn own_keys(&self, answer: OpAnswer) -> OpAnswer {
        match answer {
            OpAnswer::Keys(keys) => {
                OpAnswer::Keys(keys.iter().map(|key| self.clients.own(key)).collect())
            }
            other => other,
        }
    }
}
