//! The calls on keys: Range, Put, DeleteRange, Txn, Compact.

use etcd_client::proto::{
    PbCompactionRequest, PbCompactionResponse, PbCompare, PbDeleteRequest, PbDeleteResponse,
    PbKvService, PbPutRequest, PbPutResponse, PbRangeRequest, PbRangeResponse,
    PbRangeStreamResponse, PbResponseOp, PbTargetUnion, PbTxnOpRequest, PbTxnOpResponse,
    PbTxnRequest, PbTxnRequestOp, PbTxnResponse,
};
use futures_util::stream::BoxStream;
use kvspec::store::{Compare, Comparison, ErrorKind, Op, OpAnswer, Operand, Txn};
use tonic::{Request, Response, Status};

use super::faults::Unlike;
use super::range::{prefix_of, status};
use super::served::{Service, Shared};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl PbKvService for Service {
    type RangeStreamStream = BoxStream<'static, Result<PbRangeStreamResponse, Status>>;

    async fn range(&self, request: Request<PbRangeRequest>) -> Answer<PbRangeResponse> {
        self.0.faults.gate("Range").await?;
        let _turn = self.0.turn.lock().await;
        self.0.range(&request.into_inner()).await.map(Response::new)
    }

    async fn range_stream(&self, _: Request<PbRangeRequest>) -> Answer<Self::RangeStreamStream> {
        Err(Status::unimplemented("unknown method RangeStream"))
    }

    async fn put(&self, request: Request<PbPutRequest>) -> Answer<PbPutResponse> {
        self.0.faults.gate("Put").await?;
        let _turn = self.0.turn.lock().await;
        let request = request.into_inner();
        if self.0.is_lost(&request.key) {
            return Ok(Response::new(PbPutResponse {
                header: self.0.header().await,
                prev_kv: None,
            }));
        }
        match request.lease {
            0 => self.0.store.update(&request.key, &request.value).await,
            lease => {
                let leases = self.0.store.leases().expect("the store has leases");
                leases.update_with_lease(&request.key, &request.value, lease).await
            }
        }
        .map_err(status)?;
        Ok(Response::new(PbPutResponse { header: self.0.header().await, prev_kv: None }))
    }

    async fn delete_range(&self, request: Request<PbDeleteRequest>) -> Answer<PbDeleteResponse> {
        self.0.faults.gate("DeleteRange").await?;
        let _turn = self.0.turn.lock().await;
        let PbDeleteRequest { key, range_end, .. } = request.into_inner();
        let op = match prefix_of(&key, &range_end)? {
            true => Op::DeletePrefix { prefix: key },
            false => Op::Delete { key },
        };
        let mut txn = Txn::default();
        txn.then.push(op);
        let done = self.0.txn(txn).await?;
        let deleted = match done.answers.first() {
            Some(OpAnswer::Deleted(count)) => i64::try_from(*count).unwrap_or(0),
            _ => 0,
        };
        let header = self.0.header().await;
        Ok(Response::new(PbDeleteResponse { header, deleted, prev_kvs: Vec::new() }))
    }

    async fn txn(&self, request: Request<PbTxnRequest>) -> Answer<PbTxnResponse> {
        self.0.faults.gate("Txn").await?;
        let _turn = self.0.turn.lock().await;
        let request = request.into_inner();
        self.0.faults.allow(&request)?;
        let mut txn = Txn::default();
        txn.compare = request.compare.iter().map(comparison).collect::<Result<_, _>>()?;
        txn.then = request.success.iter().map(operation).collect::<Result<_, _>>()?;
        txn.otherwise = request.failure.iter().map(operation).collect::<Result<_, _>>()?;
        if self.0.faults.has(Unlike::BlindTxns) {
            txn.compare.clear();
        }
        let done = self.0.txn(txn).await?;
        let branch = if done.succeeded { &request.success } else { &request.failure };
        let mut responses = Vec::new();
        for (op, answer) in branch.iter().zip(done.answers) {
            responses.push(PbResponseOp { response: Some(self.0.told(op, answer).await?) });
        }
        let (header, succeeded) = (self.0.header().await, done.succeeded);
        Ok(Response::new(PbTxnResponse { header, succeeded, responses }))
    }

    async fn compact(&self, request: Request<PbCompactionRequest>) -> Answer<PbCompactionResponse> {
        self.0.faults.gate("Compact").await?;
        let _turn = self.0.turn.lock().await;
        let revisions = self.0.store.revisions().expect("the store has revisions");
        revisions.compact(request.into_inner().revision).await.map_err(status)?;
        Ok(Response::new(PbCompactionResponse { header: self.0.header().await }))
    }
}

impl Shared {
    async fn txn(&self, txn: Txn) -> Result<kvspec::store::TxnAnswer, Status> {
        let transactions = self.store.transactions().expect("the store has transactions");
        transactions.txn(txn).await.map_err(status)
    }

    /// Whether a put of this key is acknowledged and lost: one right after a put of another key.
    fn is_lost(&self, key: &[u8]) -> bool {
        let mut last = self.last_put.lock().expect("nothing panics meanwhile");
        let is_new = !last.1.contains(key);
        let is_other = last.0.as_deref() != Some(key);
        last.0 = Some(key.to_vec());
        last.1.insert(key.to_vec());
        self.faults.has(Unlike::LosesWrites) && is_other && !is_new
    }

    async fn told(&self, op: &PbTxnRequestOp, answer: OpAnswer) -> Result<PbTxnOpResponse, Status> {
        Ok(match (answer, &op.request) {
            (OpAnswer::Put, _) => {
                PbTxnOpResponse::ResponsePut(PbPutResponse { header: None, prev_kv: None })
            }
            (OpAnswer::Deleted(count), _) => {
                let deleted = i64::try_from(count).unwrap_or(0);
                let answer = PbDeleteResponse { header: None, deleted, prev_kvs: Vec::new() };
                PbTxnOpResponse::ResponseDeleteRange(answer)
            }
            (OpAnswer::Value(value), Some(PbTxnOpRequest::RequestRange(asked))) => {
                let mut answer = self.range(asked).await?;
                // What the transaction saw, whatever a later operation of it wrote.
                answer
                    .kvs
                    .iter_mut()
                    .zip(&value)
                    .for_each(|(kv, value)| kv.value.clone_from(value));
                match value {
                    Some(value) if answer.kvs.is_empty() => {
                        let key = asked.key.clone();
                        let kv =
                            etcd_client::proto::PbKeyValue { key, value, ..Default::default() };
                        answer.kvs.push(kv);
                    }
                    Some(_) => {}
                    None => answer.kvs.clear(),
                }
                PbTxnOpResponse::ResponseRange(answer)
            }
            (OpAnswer::Keys(keys), _) => {
                let kv = |key| etcd_client::proto::PbKeyValue { key, ..Default::default() };
                let count = i64::try_from(keys.len()).unwrap_or(0);
                let kvs = keys.into_iter().map(kv).collect();
                let answer = PbRangeResponse { header: None, kvs, more: false, count };
                PbTxnOpResponse::ResponseRange(answer)
            }
            (OpAnswer::Value(_), _) => {
                return Err(Status::internal("an answer without its request"));
            }
        })
    }
}

fn comparison(compare: &PbCompare) -> Result<Compare, Status> {
    let operand = match &compare.target_union {
        Some(PbTargetUnion::Version(version)) => Operand::Version(*version),
        Some(PbTargetUnion::CreateRevision(revision)) => Operand::CreateRevision(*revision),
        Some(PbTargetUnion::ModRevision(revision)) => Operand::ModRevision(*revision),
        Some(PbTargetUnion::Value(value)) => Operand::Value(value.clone()),
        Some(PbTargetUnion::Lease(lease)) => Operand::Lease(*lease),
        None => return Err(Status::invalid_argument("a comparison with nothing")),
    };
    let comparison = match compare.result {
        0 => Comparison::Equal,
        1 => Comparison::Greater,
        2 => Comparison::Less,
        _ => Comparison::NotEqual,
    };
    Ok(Compare { key: compare.key.clone(), comparison, operand })
}

fn operation(op: &PbTxnRequestOp) -> Result<Op, Status> {
    Ok(match &op.request {
        Some(PbTxnOpRequest::RequestPut(put)) => Op::Put {
            key: put.key.clone(),
            value: put.value.clone(),
            lease: Some(put.lease).filter(|lease| *lease != 0),
        },
        Some(PbTxnOpRequest::RequestDeleteRange(delete)) => {
            match prefix_of(&delete.key, &delete.range_end)? {
                true => Op::DeletePrefix { prefix: delete.key.clone() },
                false => Op::Delete { key: delete.key.clone() },
            }
        }
        Some(PbTxnOpRequest::RequestRange(range)) => match prefix_of(&range.key, &range.range_end)?
        {
            true => Op::List { prefix: range.key.clone() },
            false => Op::Read { key: range.key.clone() },
        },
        Some(_) | None => return Err(status(ErrorKind::Unsupported.into())),
    })
}
