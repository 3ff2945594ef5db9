//! Transactions: compare, then, else, all at one revision.

use async_trait::async_trait;

use super::{LeaseId, Result};

/// Transactions over several keys.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs the operations of one branch, all or none, at one revision.
    ///
    /// [`ErrorKind::DuplicateKey`](super::ErrorKind::DuplicateKey) where a branch writes a key twice,
    /// [`ErrorKind::TooManyOps`](super::ErrorKind::TooManyOps) where it is too long, and the error of the operation that
    /// cannot be done; nothing is then applied.
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer>;
}

/// What is to be done if all comparisons hold, and what if not.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Txn {
    /// The comparisons; none at all hold.
    pub compare: Vec<Compare>,
    /// What is done if all hold.
    pub then: Vec<Op>,
    /// What is done if one does not.
    pub otherwise: Vec<Op>,
}

/// One comparison of what the store knows of a key with a given operand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Compare {
    /// The key.
    pub key: Vec<u8>,
    /// How the key's side, which stands first, must relate to the operand.
    pub comparison: Comparison,
    /// What is compared, and with what.
    pub operand: Operand,
}

/// How two sides relate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// They are the same.
    Equal,
    /// They differ.
    NotEqual,
    /// The key's is the greater.
    Greater,
    /// The key's is the lesser.
    Less,
}

impl Comparison {
    /// Whether the two sides relate so.
    pub fn holds<T: Ord>(self, key: &T, operand: &T) -> bool {
        match self {
            Self::Equal => key == operand,
            Self::NotEqual => key != operand,
            Self::Greater => key > operand,
            Self::Less => key < operand,
        }
    }
}

/// What is compared. The numbers of a missing key are all zero; its value compares with nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operand {
    /// The value.
    Value(Vec<u8>),
    /// The number of writes in the key's present life.
    Version(i64),
    /// The revision that began it.
    CreateRevision(i64),
    /// The revision of its last write.
    ModRevision(i64),
    /// The lease that it is attached to.
    Lease(LeaseId),
}

/// One operation of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// Writes a key.
    Put {
        /// The key.
        key: Vec<u8>,
        /// The value.
        value: Vec<u8>,
        /// The lease to attach it to.
        lease: Option<LeaseId>,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        key: Vec<u8>,
    },
    /// Deletes every key that starts with a prefix.
    DeletePrefix {
        /// The prefix.
        prefix: Vec<u8>,
    },
    /// Reads a key, as the operations before this one left it.
    Read {
        /// The key.
        key: Vec<u8>,
    },
    /// Lists the keys that start with a prefix, as the operations before this one left them.
    List {
        /// The prefix.
        prefix: Vec<u8>,
    },
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TxnAnswer {
    /// Whether all comparisons held.
    pub succeeded: bool,
    /// What each operation of the branch answered, in their order.
    pub answers: Vec<OpAnswer>,
}

/// What one operation of a transaction answered.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "report", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "report", serde(rename_all = "snake_case"))]
pub enum OpAnswer {
    /// The key was written.
    Put,
    /// So many keys were deleted.
    Deleted(usize),
    /// The value of a key.
    Value(#[cfg_attr(feature = "report", serde(with = "crate::wire"))] Option<Vec<u8>>),
    /// Keys.
    Keys(#[cfg_attr(feature = "report", serde(with = "crate::wire"))] Vec<Vec<u8>>),
}
