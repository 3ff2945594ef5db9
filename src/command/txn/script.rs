//! The little language of a transaction: `txn if "version k = 0" then "put k v" else "read k"`.

use crate::store::Comparison;
use crate::words::{Bytes, Rev, Size};

/// A transaction as a script writes it, with leases and revisions by the names that the script gave them.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TxnScript {
    /// What must hold.
    pub compare: Vec<CompareScript>,
    /// What is done if it does.
    pub then: Vec<OpScript>,
    /// What is done if it does not.
    pub otherwise: Vec<OpScript>,
}

/// `value k = v`, `version k > 0`, `create k = m`, `mod k = m+1`, `lease k = a`.
#[derive(Debug, Clone, PartialEq)]
pub struct CompareScript {
    /// The key.
    pub key: Bytes,
    /// How the two sides must relate.
    pub comparison: Comparison,
    /// What is compared, and with what.
    pub operand: OperandScript,
}

/// What is compared, and with what.
#[derive(Debug, Clone, PartialEq)]
pub enum OperandScript {
    /// The value.
    Value(Bytes),
    /// The number of writes.
    Version(i64),
    /// The revision of the first write.
    Create(Rev),
    /// The revision of the last write.
    Mod(Rev),
    /// The lease, by its name.
    Lease(String),
}

/// `put k v [a]`, `delete k`, `delete_prefix k`, `read k`, `list k`, `fill k 129`, `fill k 3 600KiB`.
#[derive(Debug, Clone, PartialEq)]
pub enum OpScript {
    /// Writes a key, attached to a lease if one is named.
    Put(Bytes, Bytes, Option<String>),
    /// Deletes a key.
    Delete(Bytes),
    /// Deletes every key with a prefix.
    DeletePrefix(Bytes),
    /// Reads a key.
    Read(Bytes),
    /// Lists the keys with a prefix.
    List(Bytes),
    /// Writes so many keys that begin alike, each with a value of that size if one is given.
    Fill(Bytes, usize, Option<Size>),
}

impl TxnScript {
    /// Reads the words of a `txn` command.
    pub fn parse(words: &[String]) -> Result<Self, String> {
        let mut script = Self::default();
        let mut part = "";
        for word in words {
            match (word.as_str(), part) {
                ("if" | "then" | "else", _) => part = word,
                (text, "if") => script.compare.push(compare(text)?),
                (text, "then") => script.then.push(op(text)?),
                (text, "else") => script.otherwise.push(op(text)?),
                (text, _) => return Err(format!("'{text}' stands before any of if, then, else")),
            }
        }
        if script.then.is_empty() && script.otherwise.is_empty() {
            return Err("a transaction needs an operation after then or else".into());
        }
        Ok(script)
    }

    /// The names of the leases that it writes or compares with.
    pub fn leases(&self) -> impl Iterator<Item = &str> {
        let written = self.then.iter().chain(&self.otherwise).filter_map(|op| match op {
            OpScript::Put(_, _, lease) => lease.as_deref(),
            _ => None,
        });
        let compared = self.compare.iter().filter_map(|compare| match &compare.operand {
            OperandScript::Lease(name) => Some(name.as_str()),
            _ => None,
        });
        written.chain(compared)
    }

    /// The revisions that it compares with.
    pub fn revisions(&self) -> impl Iterator<Item = &Rev> {
        self.compare.iter().filter_map(|compare| match &compare.operand {
            OperandScript::Create(rev) | OperandScript::Mod(rev) => Some(rev),
            _ => None,
        })
    }
}

fn compare(text: &str) -> Result<CompareScript, String> {
    let wrong = || {
        format!(
            "invalid comparison '{text}': expected value|version|create|mod|lease KEY =|!=|>|< OPERAND"
        )
    };
    let words: Vec<_> = text.split_whitespace().collect();
    let [target, key, comparison, operand] = words.as_slice() else { return Err(wrong()) };
    let comparison = match *comparison {
        "=" => Comparison::Equal,
        "!=" => Comparison::NotEqual,
        ">" => Comparison::Greater,
        "<" => Comparison::Less,
        _ => return Err(wrong()),
    };
    let operand = match *target {
        "value" => OperandScript::Value(bytes(operand)),
        "version" => OperandScript::Version(operand.parse().map_err(|_| wrong())?),
        "create" => OperandScript::Create(operand.parse()?),
        "mod" => OperandScript::Mod(operand.parse()?),
        "lease" => OperandScript::Lease((*operand).into()),
        _ => return Err(wrong()),
    };
    Ok(CompareScript { key: bytes(key), comparison, operand })
}

fn op(text: &str) -> Result<OpScript, String> {
    let words: Vec<_> = text.split_whitespace().collect();
    Ok(match words.as_slice() {
        ["put", key, value] => OpScript::Put(bytes(key), bytes(value), None),
        ["put", key, value, lease] => {
            OpScript::Put(bytes(key), bytes(value), Some((*lease).into()))
        }
        ["delete", key] => OpScript::Delete(bytes(key)),
        ["delete_prefix", prefix] => OpScript::DeletePrefix(bytes(prefix)),
        ["read", key] => OpScript::Read(bytes(key)),
        ["list", prefix] => OpScript::List(bytes(prefix)),
        ["fill", key, count] if count.parse::<usize>().is_ok() => {
            OpScript::Fill(bytes(key), count.parse().unwrap_or_default(), None)
        }
        ["fill", key, count, size] if count.parse::<usize>().is_ok() => {
            OpScript::Fill(bytes(key), count.parse().unwrap_or_default(), Some(size.parse()?))
        }
        _ => {
            return Err(format!(
                "invalid operation '{text}': expected put KEY VALUE [LEASE], delete KEY, delete_prefix PREFIX, read KEY, \
                 list PREFIX or fill KEY COUNT [SIZE]"
            ));
        }
    })
}

/// A word as bytes; two single quotes are none.
fn bytes(word: &str) -> Bytes {
    let word = if word == "''" { "" } else { word };
    word.parse().unwrap_or_else(|never: std::convert::Infallible| match never {})
}
