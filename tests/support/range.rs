//! Ranges of keys, as etcd answers them, out of what a store says of each key.

use etcd_client::proto::{PbKeyValue, PbRangeRequest, PbRangeResponse, PbResponseHeader};
use kvspec::store::{ErrorKind, Result, StoreError};
use tonic::Status;

use super::faults::Unlike;
use super::served::Shared;

/// The end of the range of all keys that begin with `prefix`.
pub fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last < 0xff {
            end.push(last + 1);
            return end;
        }
    }
    vec![0]
}

/// The prefix that a range stands for: kvspec asks for no other.
pub fn prefix_of(key: &[u8], end: &[u8]) -> std::result::Result<bool, Status> {
    match end {
        [] => Ok(false),
        end if end == end_of(key) || key == [0] && end == [0] => Ok(true),
        _ => Err(Status::unimplemented("ranges other than a key or a prefix")),
    }
}

impl Shared {
    pub async fn header(&self) -> Option<PbResponseHeader> {
        if self.faults.has(Unlike::NoRevisions) {
            return None;
        }
        let revision = self.store.revisions()?.revision().await.unwrap_or(0);
        Some(PbResponseHeader { cluster_id: 1, member_id: 1, revision, raft_term: 1 })
    }

    pub async fn range(
        &self,
        request: &PbRangeRequest,
    ) -> std::result::Result<PbRangeResponse, Status> {
        let is_prefix = prefix_of(&request.key, &request.range_end)?;
        let answer = self.found(request, is_prefix).await.map_err(status)?;
        Ok(PbRangeResponse { header: self.header().await, ..answer })
    }

    async fn found(&self, request: &PbRangeRequest, is_prefix: bool) -> Result<PbRangeResponse> {
        let revisions = self.store.revisions().ok_or(ErrorKind::Unsupported)?;
        let at = (request.revision > 0).then_some(request.revision);
        let (keys, more, count) = if is_prefix {
            let prefix = if request.key == [0] { b"".as_slice() } else { &request.key };
            let limit = usize::try_from(request.limit).ok().filter(|limit| *limit > 0);
            match (at, limit) {
                // The store is quicker at this.
                (None, None) => {
                    let mut keys = self.store.list(prefix).await?;
                    if self.faults.has(Unlike::OutsideKeys) {
                        keys.push(b"~of-another-client".to_vec());
                    }
                    let count = keys.len();
                    (keys, false, count)
                }
                _ => {
                    let page = revisions.list_at(prefix, at, limit).await?;
                    (page.keys, page.more, page.count)
                }
            }
        } else {
            let value = match at {
                Some(at) => revisions.read_at(&request.key, at).await?,
                None => self.store.read(&request.key).await?,
            };
            let keys: Vec<_> = value.map(|_| request.key.clone()).into_iter().collect();
            let count = keys.len();
            (keys, false, count)
        };
        let mut kvs = Vec::new();
        if !request.count_only {
            for key in keys {
                kvs.push(self.pair(key, at, request.keys_only).await?);
            }
        }
        let count = i64::try_from(count).unwrap_or(0);
        Ok(PbRangeResponse { header: None, kvs, more, count })
    }

    async fn pair(&self, key: Vec<u8>, at: Option<i64>, keys_only: bool) -> Result<PbKeyValue> {
        let revisions = self.store.revisions().ok_or(ErrorKind::Unsupported)?;
        let value = match (keys_only, at) {
            (true, _) => Vec::new(),
            (false, Some(at)) => revisions.read_at(&key, at).await?.unwrap_or_default(),
            (false, None) => self.store.read(&key).await?.unwrap_or_default(),
        };
        let mut pair = PbKeyValue { key, value, ..PbKeyValue::default() };
        let metadata = revisions.metadata(&pair.key).await?;
        if let Some(metadata) = metadata.filter(|_| !self.faults.has(Unlike::NoRevisions)) {
            pair.create_revision = metadata.create_revision;
            pair.mod_revision = metadata.mod_revision;
            pair.version = metadata.version;
            pair.lease = metadata.lease.unwrap_or(0);
        }
        Ok(pair)
    }
}

/// A store's error as etcd words it.
pub fn status(error: StoreError) -> Status {
    match error.kind {
        ErrorKind::LeaseNotFound => Status::not_found("etcdserver: requested lease not found"),
        ErrorKind::LeaseExists => Status::failed_precondition("etcdserver: lease already exists"),
        ErrorKind::TtlTooLarge => Status::out_of_range("etcdserver: too large lease TTL"),
        ErrorKind::EmptyKey => Status::invalid_argument("etcdserver: key is not provided"),
        ErrorKind::TooLarge => Status::invalid_argument("etcdserver: request is too large"),
        ErrorKind::Compacted => {
            Status::out_of_range("etcdserver: mvcc: required revision has been compacted")
        }
        ErrorKind::FutureRevision => {
            Status::out_of_range("etcdserver: mvcc: required revision is a future revision")
        }
        ErrorKind::DuplicateKey => {
            Status::invalid_argument("etcdserver: duplicate key given in txn request")
        }
        ErrorKind::TooManyOps => {
            Status::invalid_argument("etcdserver: too many operations in txn request")
        }
        _ => Status::unknown(error.to_string()),
    }
}
