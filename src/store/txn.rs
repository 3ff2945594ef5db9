//! Transactions: compare, then, else, all at one revision.

use std::fmt::{self, Display, Formatter};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::text::{self, Argument, quote};
use super::{KeyMetadata, LeaseId, Result};
use crate::named::named;

/// Transactions over several keys.
#[async_trait]
pub trait Transactions: Send + Sync {
    /// Runs the operations of one branch, all or none, at one revision.
    ///
    /// [`ErrorKind::DuplicateKey`](super::ErrorKind::DuplicateKey) where a branch, taken or not, puts a key twice, or puts
    /// one that it also deletes, by name or by prefix and in either order; two deletions of a key are not an error.
    /// [`ErrorKind::TooManyOps`](super::ErrorKind::TooManyOps) if it is too long, and the error of the operation that
    /// cannot be done; nothing is then applied.
    async fn txn(&self, txn: Txn) -> Result<TxnAnswer>;
}

/// What is to be done if all comparisons hold, and what if not.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Txn {
    /// The comparisons; none at all hold.
    pub compare: Vec<Compare>,
    /// What is done if all hold.
    pub then: Vec<Op>,
    /// What is done if one does not.
    pub otherwise: Vec<Op>,
}

/// One comparison of what the store knows of a key with a given operand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compare {
    /// The key.
    #[serde(with = "crate::wire")]
    pub key: Vec<u8>,
    /// How the key's side, which stands first, must relate to the operand.
    pub comparison: Comparison,
    /// What is compared, and with what.
    pub operand: Operand,
}

impl Compare {
    /// Whether it holds for what the store has of the key: its metadata and value, `None` if the key is missing.
    ///
    /// A missing key has no value, not even one that differs, and all its numbers are zero.
    pub fn holds(&self, record: Option<(KeyMetadata, &[u8])>) -> bool {
        let number = |of: fn(KeyMetadata) -> i64| record.map_or(0, |(metadata, _)| of(metadata));
        let (of, operand) = match &self.operand {
            Operand::Value(wanted) => {
                return record.is_some_and(|(_, value)| self.comparison.holds(&value, &&**wanted));
            }
            Operand::Version(version) => (number(|of| of.version), version),
            Operand::CreateRevision(revision) => (number(|of| of.create_revision), revision),
            Operand::ModRevision(revision) => (number(|of| of.mod_revision), revision),
            Operand::Lease(lease) => (number(|of| of.lease.unwrap_or(0)), lease),
        };
        self.comparison.holds(&of, operand)
    }
}

named! {
    /// How two sides relate.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
    #[serde(rename_all = "snake_case")]
    pub enum Comparison {
        /// They are the same.
        Equal = "=",
        /// They differ.
        NotEqual = "!=",
        /// The key's is the greater.
        Greater = ">",
        /// The key's is the lesser.
        Less = "<",
    }
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operand {
    /// The value.
    Value(#[serde(with = "crate::wire")] Vec<u8>),
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Op {
    /// Writes a key.
    Put {
        /// The key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
        /// The value.
        #[serde(with = "crate::wire")]
        value: Vec<u8>,
        /// The lease to attach it to.
        lease: Option<LeaseId>,
    },
    /// Deletes a key.
    Delete {
        /// The key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
    },
    /// Deletes every key that starts with a prefix.
    DeletePrefix {
        /// The prefix.
        #[serde(with = "crate::wire")]
        prefix: Vec<u8>,
    },
    /// Reads a key, as the operations before this one left it.
    Read {
        /// The key.
        #[serde(with = "crate::wire")]
        key: Vec<u8>,
    },
    /// Lists the keys that start with a prefix, as the operations before this one left them.
    List {
        /// The prefix.
        #[serde(with = "crate::wire")]
        prefix: Vec<u8>,
    },
}

/// What a transaction did.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TxnAnswer {
    /// Whether all comparisons held.
    pub succeeded: bool,
    /// What each operation of the branch answered, in their order.
    pub answers: Vec<OpAnswer>,
}

impl TxnAnswer {
    /// Whether all comparisons held, and what each operation of the branch answered.
    pub fn new(succeeded: bool, answers: Vec<OpAnswer>) -> Self {
        Self { succeeded, answers }
    }
}

/// What one operation of a transaction answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OpAnswer {
    /// The key was written.
    Put,
    /// So many keys were deleted.
    Deleted(usize),
    /// The value of a key.
    Value(#[serde(with = "crate::wire")] Option<Vec<u8>>),
    /// Keys.
    Keys(#[serde(with = "crate::wire")] Vec<Vec<u8>>),
}

impl Argument for Txn {
    fn text(&self) -> Option<String> {
        Some(self.to_string().trim_start().to_owned()).filter(|text| !text.is_empty())
    }

    fn keys_mut(&mut self) -> Vec<&mut Vec<u8>> {
        let compared = self.compare.iter_mut().map(|compare| &mut compare.key);
        let ops = self.then.iter_mut().chain(&mut self.otherwise).map(|op| match op {
            Op::Put { key, .. }
            | Op::Delete { key }
            | Op::DeletePrefix { prefix: key }
            | Op::Read { key }
            | Op::List { prefix: key } => key,
        });
        compared.chain(ops).collect()
    }
}

/// The parts of a transaction, each after a blank.
impl Display for Txn {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        part(f, "if", &self.compare)?;
        part(f, "then", &self.then)?;
        part(f, "else", &self.otherwise)
    }
}

fn part(f: &mut Formatter, name: &str, lines: &[impl Display]) -> fmt::Result {
    if !lines.is_empty() {
        write!(f, " {name}")?;
    }
    lines.iter().try_for_each(|line| write!(f, " {}", quote(line.to_string().as_bytes())))
}

impl Display for Compare {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        let (target, operand) = match &self.operand {
            Operand::Value(value) => ("value", word(value)),
            Operand::Version(version) => ("version", version.to_string()),
            Operand::CreateRevision(revision) => ("create", revision.to_string()),
            Operand::ModRevision(revision) => ("mod", revision.to_string()),
            Operand::Lease(lease) => ("lease", lease.to_string()),
        };
        write!(f, "{target} {} {} {operand}", word(&self.key), self.comparison)
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        match self {
            Self::Put { key, value, lease: None } => write!(f, "put {} {}", word(key), word(value)),
            Self::Put { key, value, lease: Some(lease) } => {
                write!(f, "put {} {} {lease}", word(key), word(value))
            }
            Self::Delete { key } => write!(f, "delete {}", word(key)),
            Self::DeletePrefix { prefix } => write!(f, "delete_prefix {}", word(prefix)),
            Self::Read { key } => write!(f, "read {}", word(key)),
            Self::List { prefix } => write!(f, "list {}", word(prefix)),
        }
    }
}

/// Bytes as a word of a transaction, where two single quotes are none.
fn word(bytes: &[u8]) -> String {
    match bytes {
        b"" => "''".into(),
        bytes => String::from_utf8_lossy(bytes).into_owned(),
    }
}

impl Display for TxnAnswer {
    fn fmt(&self, f: &mut Formatter) -> fmt::Result {
        f.write_str(if self.succeeded { "then" } else { "else" })?;
        self.answers.iter().try_for_each(|answer| match answer {
            OpAnswer::Put => f.write_str(" put"),
            OpAnswer::Deleted(count) => write!(f, " deleted {count}"),
            OpAnswer::Value(found) => write!(f, " {}", text::value(found)),
            OpAnswer::Keys(found) => write!(f, " {}", text::keys(found)),
        })
    }
}
