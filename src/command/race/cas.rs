//! Compare-and-swap of one key: in each round all clients start from the same value.

use futures_util::future::try_join_all;

use super::Field;
use crate::history::RaceReply;
use crate::store::{Call, Compare, Comparison, Op, Operand, Result, Txn};

impl Field {
    /// Has all clients swap the value in each round, and reads it before and after.
    pub(super) async fn cas(&self) -> Result<()> {
        let update = Call::Update { key: self.key.clone(), value: b"0".to_vec() };
        self.record(0, None, update).await?;
        for round in 0..self.rounds {
            let read = || Call::Read { key: self.key.clone() };
            let before = match self.record(0, Some(round), read()).await? {
                RaceReply::Value(value) => value.unwrap_or_default(),
                _ => Vec::new(),
            };
            let swaps = (0..self.clients.len()).map(|client| {
                self.record(client, Some(round), self.swap(&before, value(round, client)))
            });
            try_join_all(swaps).await?;
            self.record(0, Some(round), read()).await?;
        }
        Ok(())
    }

    fn swap(&self, before: &[u8], after: Vec<u8>) -> Call {
        let operand = Operand::Value(before.to_vec());
        let compare = Compare { key: self.key.clone(), comparison: Comparison::Equal, operand };
        let put = Op::Put { key: self.key.clone(), value: after, lease: None };
        Call::Txn { txn: Txn { compare: vec![compare], then: vec![put], ..Txn::default() } }
    }
}

fn value(round: usize, client: usize) -> Vec<u8> {
    format!("{}-{client}", round + 1).into_bytes()
}
