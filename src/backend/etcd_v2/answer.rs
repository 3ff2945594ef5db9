//! The JSON that v2 answers.

use serde::Deserialize;

/// What was done, and to what.
#[derive(Debug, Deserialize)]
pub(crate) struct Answer {
    /// The name of what was done: `set`, `create`, `delete`, `expire` and so on.
    pub action: String,
    /// The node it was done to, as it is now.
    pub node: Node,
}

/// A key with its value, or a directory with what is in it.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(crate) struct Node {
    pub key: String,
    pub value: Option<String>,
    pub dir: bool,
    pub ttl: Option<u64>,
    pub nodes: Vec<Node>,
    pub modified_index: u64,
}

impl Node {
    /// The index of the last write to this node, or to one below it, whose key begins with `prefix`; 0 if there is none.
    pub fn latest(&self, prefix: &[u8]) -> u64 {
        let is_meant = !self.dir && self.key.as_bytes().starts_with(prefix);
        let own = if is_meant { self.modified_index } else { 0 };
        self.nodes.iter().map(|node| node.latest(prefix)).fold(own, u64::max)
    }

    /// The keys of this node and of all below it that begin with `prefix`.
    pub fn keys(self, prefix: &[u8], keys: &mut Vec<Vec<u8>>) {
        if !self.dir && self.key.as_bytes().starts_with(prefix) {
            keys.push(self.key.into_bytes());
        }
        self.nodes.into_iter().for_each(|node| node.keys(prefix, keys));
    }
}

/// An error as v2 reports it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Refusal {
    /// One of v2's own codes; 0 where another part of the server refused.
    #[serde(default)]
    pub error_code: u32,
    pub message: String,
    #[serde(default)]
    pub cause: String,
}
