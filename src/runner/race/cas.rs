//! Compare-and-swap of one key: in each round all clients start from the same value.

use futures_util::future::try_join_all;

use super::{Field, counted};
use crate::store::{Compare, Comparison, ErrorKind, Op, Operand, Result, Store, Txn};
use crate::transcript::Answer;

impl Field {
    /// Counts the rounds that exactly one client won, and whose value is the winner's.
    pub(super) async fn cas(&self) -> Result<Answer> {
        self.call(self.clients[0].update(&self.key, b"0")).await?;
        let mut rounds = Vec::new();
        for round in 0..self.rounds {
            rounds.push(self.cas_round(round).await?);
        }
        Ok(counted(rounds))
    }

    async fn cas_round(&self, round: usize) -> Result<Option<String>> {
        let before = self.call(self.clients[0].read(&self.key)).await?.unwrap_or_default();
        let swaps = self.clients.iter().enumerate();
        let swaps =
            swaps.map(|(client, store)| self.swap(store.as_ref(), &before, value(round, client)));
        let won = try_join_all(swaps).await?;
        let winners: Vec<_> = (0..won.len()).filter(|client| won[*client]).collect();
        let [winner] = winners.as_slice() else {
            return Ok(Some(format!("{} clients won one round", winners.len())));
        };
        let after = self.call(self.clients[0].read(&self.key)).await?;
        let is_winners = after == Some(value(round, *winner));
        Ok((!is_winners).then(|| "the value is not the winner's".into()))
    }

    async fn swap(&self, store: &dyn Store, before: &[u8], after: Vec<u8>) -> Result<bool> {
        let transactions = store.transactions().ok_or(ErrorKind::Unsupported)?;
        let operand = Operand::Value(before.to_vec());
        let compare = Compare { key: self.key.clone(), comparison: Comparison::Equal, operand };
        let put = Op::Put { key: self.key.clone(), value: after, lease: None };
        let txn = Txn { compare: vec![compare], then: vec![put], otherwise: Vec::new() };
        self.call(transactions.txn(txn)).await.map(|answer| answer.succeeded)
    }
}

fn value(round: usize, client: usize) -> Vec<u8> {
    format!("{}-{client}", round + 1).into_bytes()
}
