//! Two keys that every transaction writes alike: no transaction may read them apart.

use futures_util::future::{try_join, try_join_all};

use super::Field;
use crate::store::{Call, ErrorKind, Op, Result, Txn};

impl Field {
    /// One client writes, all others read.
    pub(super) async fn atomic_read(&self) -> Result<()> {
        if self.clients.len() < 2 {
            return Err(ErrorKind::Unsupported.into());
        }
        self.write_both(0).await?;
        let writes = async {
            for round in 1..=self.rounds {
                tokio::task::yield_now().await;
                self.write_both(round).await?;
            }
            Ok(())
        };
        let reads = (1..self.clients.len()).map(|client| self.read_often(client));
        try_join(try_join_all(reads), writes).await.map(drop)
    }

    async fn write_both(&self, round: usize) -> Result<()> {
        let put = |key| Op::Put { key, value: round.to_string().into_bytes(), lease: None };
        let then = vec![put(self.numbered(0)), put(self.numbered(1))];
        self.record(0, Some(round), txn(then)).await.map(drop)
    }

    async fn read_often(&self, client: usize) -> Result<()> {
        for round in 0..self.rounds {
            tokio::task::yield_now().await;
            let then = vec![Op::Read { key: self.numbered(0) }, Op::Read { key: self.numbered(1) }];
            self.record(client, Some(round), txn(then)).await?;
        }
        Ok(())
    }
}

fn txn(then: Vec<Op>) -> Call {
    Call::Txn { txn: Txn { then, ..Txn::default() } }
}
