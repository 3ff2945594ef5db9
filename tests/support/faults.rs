//! What a server of the tests does otherwise than etcd.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use etcd_client::proto::{PbTxnOpRequest, PbTxnRequest};
use tokio::sync::Semaphore;
use tonic::Status;

/// What a server does otherwise than etcd; by default nothing.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// The calls that it does not have, by their names in etcd's API: `DeleteRange`.
    pub unimplemented: Vec<String>,
    /// The calls that it has and refuses.
    pub refused: Vec<String>,
    /// How long it takes for each call, before it does anything.
    pub delay: Duration,
    /// The server that it forwards everything to; the delay alone is its own then.
    pub before: Option<SocketAddr>,
    /// Whether it serves one call at a time.
    pub lane: Option<Lane>,
    /// How long it pauses after each message of a watch.
    pub pace: Duration,
    /// What is wrong with its answers.
    pub wrong: Vec<Unlike>,
}

/// The one lane of a server that serves one call at a time.
#[derive(Debug, Clone)]
pub struct Lane(Arc<Semaphore>);

/// What is wrong with what a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unlike {
    /// Its events have no revisions: each says 0.
    NoEventRevisions,
    /// Its answers have no header, and its keys no revisions.
    NoRevisions,
    /// It takes the three transactions that Kubernetes makes, and no other.
    ThreeTxns,
    /// Its watches say nothing.
    SilentWatches,
    /// Leases never end by themselves.
    EndlessLeases,
    /// A put of an empty value is told as a deletion.
    EmptyIsDeleted,
    /// The last write is lost if the key before it was another one.
    LosesWrites,
    /// A list ends with a key that does not begin with the prefix.
    OutsideKeys,
    /// Each event is delivered twice.
    TwiceDelivered,
    /// Deletions are not delivered.
    NoDeleteEvents,
    /// Transactions always take the first branch.
    BlindTxns,
    /// A keep-alive is answered, and changes nothing.
    RenewsNothing,
}

const WRONG: [(&str, Unlike); 12] = [
    ("no-event-revisions", Unlike::NoEventRevisions),
    ("no-revisions", Unlike::NoRevisions),
    ("three-txns", Unlike::ThreeTxns),
    ("silent-watches", Unlike::SilentWatches),
    ("endless-leases", Unlike::EndlessLeases),
    ("empty-is-deleted", Unlike::EmptyIsDeleted),
    ("loses-writes", Unlike::LosesWrites),
    ("outside-keys", Unlike::OutsideKeys),
    ("twice-delivered", Unlike::TwiceDelivered),
    ("no-delete-events", Unlike::NoDeleteEvents),
    ("blind-txns", Unlike::BlindTxns),
    ("renews-nothing", Unlike::RenewsNothing),
];

/// The calls about leases.
pub const LEASES: [&str; 4] = ["LeaseGrant", "LeaseRevoke", "LeaseKeepAlive", "LeaseTimeToLive"];

impl Faults {
    /// Waits as long as the server takes for a call, and says whether it has it.
    pub async fn gate(&self, call: &str) -> Result<(), Status> {
        match &self.lane {
            None => tokio::time::sleep(self.delay).await,
            Some(Lane(lane)) => {
                let _turn = lane.acquire().await;
                tokio::time::sleep(self.delay).await;
            }
        }
        if self.unimplemented.iter().any(|one| one == call) {
            return Err(Status::unimplemented(format!("unknown method {call}")));
        }
        match self.refused.iter().any(|one| one == call) {
            true => Err(Status::failed_precondition(format!("{call} is refused here"))),
            false => Ok(()),
        }
    }

    pub fn has(&self, wrong: Unlike) -> bool {
        self.wrong.contains(&wrong)
    }

    /// Refuses a transaction of another form than those that Kubernetes makes.
    pub fn allow(&self, txn: &PbTxnRequest) -> Result<(), Status> {
        let puts = |ops: &[etcd_client::proto::PbTxnRequestOp]| match ops {
            [op] => matches!(op.request, Some(PbTxnOpRequest::RequestPut(_))),
            _ => false,
        };
        let deletes = |ops: &[etcd_client::proto::PbTxnRequestOp]| match ops {
            [op] => matches!(op.request, Some(PbTxnOpRequest::RequestDeleteRange(_))),
            _ => false,
        };
        let reads = |ops: &[etcd_client::proto::PbTxnRequestOp]| match ops {
            [] => true,
            [op] => matches!(op.request, Some(PbTxnOpRequest::RequestRange(_))),
            _ => false,
        };
        let compares = matches!(txn.compare.as_slice(), [one] if one.result == 0 && [0, 2].contains(&one.target));
        let is_known =
            compares && (puts(&txn.success) || deletes(&txn.success)) && reads(&txn.failure);
        match self.has(Unlike::ThreeTxns) && !is_known {
            true => Err(Status::unknown("unsupported transaction")),
            false => Ok(()),
        }
    }
}

impl FromStr for Faults {
    type Err = String;

    /// Reads words such as `no=DeleteRange`, `refuses=DeleteRange`, `delay=5`, `lane`, `pace=80`, `three-txns`,
    /// `before=127.0.0.1:2379`.
    fn from_str(text: &str) -> Result<Self, String> {
        let mut faults = Self::default();
        for word in text.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let millis = || value.parse().map(Duration::from_millis);
            let wrong = WRONG.iter().find(|(one, _)| *one == name);
            match (name, wrong) {
                ("no", _) if value == "leases" => {
                    faults.unimplemented.extend(LEASES.map(String::from));
                }
                ("no", _) => faults.unimplemented.push(value.into()),
                ("refuses", _) => faults.refused.push(value.into()),
                ("delay", _) => faults.delay = millis().map_err(|_| word)?,
                ("pace", _) => faults.pace = millis().map_err(|_| word)?,
                ("before", _) => faults.before = Some(value.parse().map_err(|_| word)?),
                ("lane", _) => faults.lane = Some(Lane(Arc::new(Semaphore::new(1)))),
                (_, Some((_, wrong))) => faults.wrong.push(*wrong),
                (_, None) => return Err(format!("unknown fault '{word}'")),
            }
        }
        Ok(faults)
    }
}
