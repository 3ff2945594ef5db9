//! Two keys that every transaction writes alike: no transaction may read them apart.

use futures_util::future::{try_join, try_join_all};

use super::{Field, counted};
use crate::store::{ErrorKind, Op, OpAnswer, Result, Store, Txn, TxnAnswer};
use crate::transcript::Answer;

impl Field {
    /// One client writes, all others read; counts the reads that saw both keys alike.
    pub(super) async fn flip(&self) -> Result<Answer> {
        self.write_both(0).await?;
        let [_, readers @ ..] = self.clients.as_slice() else {
            return Err(ErrorKind::Unsupported.into());
        };
        let writes = async {
            for round in 1..=self.rounds {
                tokio::task::yield_now().await;
                self.write_both(round).await?;
            }
            Ok(())
        };
        let reads = try_join_all(readers.iter().map(|reader| self.read_often(reader.as_ref())));
        let (reads, ()) = try_join(reads, writes).await?;
        Ok(counted(reads.into_iter().flatten().collect()))
    }

    async fn write_both(&self, round: usize) -> Result<()> {
        let put = |key| Op::Put { key, value: round.to_string().into_bytes(), lease: None };
        let then = vec![put(self.numbered(0)), put(self.numbered(1))];
        self.run_ops(self.clients[0].as_ref(), then).await.map(drop)
    }

    async fn read_often(&self, reader: &dyn Store) -> Result<Vec<Option<String>>> {
        let mut reads = Vec::new();
        for _ in 0..self.rounds {
            tokio::task::yield_now().await;
            let then = vec![Op::Read { key: self.numbered(0) }, Op::Read { key: self.numbered(1) }];
            let answer = self.run_ops(reader, then).await?;
            let is_alike = matches!(answer.answers.as_slice(), [OpAnswer::Value(a), OpAnswer::Value(b)] if a == b);
            reads.push(
                (!is_alike).then(|| "two keys that are written together were read apart".into()),
            );
        }
        Ok(reads)
    }

    async fn run_ops(&self, store: &dyn Store, then: Vec<Op>) -> Result<TxnAnswer> {
        let transactions = store.transactions().ok_or(ErrorKind::Unsupported)?;
        self.call(transactions.txn(Txn { then, ..Txn::default() })).await
    }
}
