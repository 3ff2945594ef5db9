//! Stores that are wrong about prefixes and lists.

use tokio::time::Instant;

use super::fault::*;
use crate::store::Op;

mutants! {
    fn all(next, client);

    "list-bare-names", P1, "A list gives the last parts of the keys only."
        List { prefix } => Ok(next.list(&prefix).await?.iter().map(|key| name(key).to_vec()).collect());

    "list-one-level", P1, "A list stops at the next slash."
        List { prefix } => kept(next, &prefix, |key| !key[prefix.len()..].contains(&b'/')).await;

    "list-strict-children", P1, "A list leaves out the key that equals the prefix."
        List { prefix } => kept(next, &prefix, |key| key != prefix).await;

    "list-hides-names", P1, "Names that begin with an underscore are not listed."
        List { prefix } => kept(next, &prefix, |key| !name(key).starts_with(b"_")).await;

    "list-hides-dots", P1, "Names that begin with a dot are not listed."
        List { prefix } => kept(next, &prefix, |key| !name(key).starts_with(b".")).await;

    "list-whole-segments", P1, "A prefix matches whole path segments only."
        List { prefix } => kept(next, &prefix, |key| is_whole_segment(&prefix, key)).await;

    "list-trims-slash", P1, "A slash at the end of a prefix is dropped."
        List { prefix } => next.list(prefix.strip_suffix(b"/").unwrap_or(&prefix)).await;

    "list-nothing-fails", P1, "A list of no keys is an error."
        List { prefix } => match next.list(&prefix).await? {
            none if none.is_empty() => Err(ErrorKind::KeyNotFound.into()),
            keys => Ok(keys),
        };

    "list-like", P2, "Underscore and percent sign in a prefix are wildcards, as in SQL."
        List { prefix } => kept(next, b"", |key| matches(&prefix, key, b"%", b"_")).await;

    "list-glob", P2, "Star, question mark and bracket in a prefix are a pattern."
        // A bracket opens a class that nothing closes: such a pattern matches nothing.
        List { prefix } if prefix.contains(&b'[') => next.list(b"").await.map(|_| Vec::new());
        List { prefix } => kept(next, b"", |key| matches(&prefix, key, b"*", b"?")).await;

    "list-last-byte-overflows", P2,
    "The end of a range is the last byte plus one, which wraps at 0xff."
        List { prefix } => next.list(&overflowing(&prefix)).await;

    "list-at-last-byte-overflows", P2,
    "In a list at a revision the end of a range is the last byte plus one, which wraps at 0xff."
        ListAt { prefix, revision, limit } =>
            next.list_at(&overflowing(&prefix), revision, limit).await;

    "txn-list-last-byte-overflows", P2,
    "In the list of a transaction the end of a range is the last byte plus one, which wraps at 0xff."
        Txn { txn } => next.txn(with_ops(txn, |op| match op {
            Op::List { prefix } => Op::List { prefix: overflowing(&prefix) },
            op => op,
        })).await;

    "delete-prefix-last-byte-overflows", P2,
    "In a deletion of a prefix the end of the range is the last byte plus one, which wraps at 0xff."
        Txn { txn } => next.txn(with_ops(txn, |op| match op {
            Op::DeletePrefix { prefix } => Op::DeletePrefix { prefix: overflowing(&prefix) },
            op => op,
        })).await;

    "list-unordered", P3, "A list comes in no order."
        List { prefix } => sorted(next, &prefix, |key| {
            let hash = key.iter().fold(7u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(*byte));
            hash.to_be_bytes().to_vec()
        }).await;

    "list-alphabetical", P3, "A list is sorted without regard to case."
        List { prefix } => sorted(next, &prefix, <[u8]>::to_ascii_lowercase).await;

    "list-first-thousand", P4, "A list gives the first thousand keys only."
        List { prefix } => Ok(next.list(&prefix).await?.into_iter().take(1000).collect());

    "list-repeats", P4, "A long list has one key twice."
        List { prefix } => {
            let mut keys = next.list(&prefix).await?;
            keys.extend(keys.get(100..).and_then(<[_]>::last).cloned());
            Ok(keys)
        };

    "limit-ignored", P5, "A list ignores its limit."
        ListAt { prefix, revision, .. } => next.list_at(&prefix, revision, None).await;

    "limit-counts-page", P5, "A list that is cut off counts only what it gives."
        ListAt { prefix, revision, limit } => {
            let page = next.list_at(&prefix, revision, limit).await?;
            Ok(Page { count: page.keys.len(), ..page })
        };

    "limit-says-no-more", P5, "A list that is cut off says that nothing follows."
        ListAt { prefix, revision, limit } => {
            Ok(Page { more: false, ..next.list_at(&prefix, revision, limit).await? })
        };

    "list-keeps-expired", T3, "A list contains expired keys until they are read."
        [ends: Keys<Instant>]
        UpdateWithTtl { key, value, ttl } => {
            let granted = next.update_with_ttl(&key, &value, ttl).await?;
            ends.lock().unwrap().insert(key, Instant::now() + granted);
            Ok(granted)
        };
        List { prefix } => {
            let mut keys = BTreeSet::from_iter(next.list(&prefix).await?);
            // Ten seconds later even this store has swept up.
            let is_over = |end: &Instant| {
                *end <= Instant::now() && end.elapsed() <= Duration::from_secs(10)
            };
            let ends = ends.lock().unwrap();
            let over = ends.iter().filter(|(key, end)| key.starts_with(&prefix) && is_over(end));
            keys.extend(over.map(|(key, _)| key.clone()));
            Ok(keys.into_iter().collect())
        };
}

/// Whether text begins with what a pattern describes, where some bytes match any bytes and some any one.
pub(super) fn matches(pattern: &[u8], text: &[u8], any: &[u8], one: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, _) => true,
        (Some((first, rest)), _) if any.contains(first) => {
            (0..=text.len()).any(|skipped| matches(rest, &text[skipped..], any, one))
        }
        (Some((first, rest)), Some((head, tail))) if one.contains(first) || first == head => {
            matches(rest, tail, any, one)
        }
        _ => false,
    }
}

/// Whether a key that begins with a prefix goes on with a new path segment there.
pub(super) fn is_whole_segment(prefix: &[u8], key: &[u8]) -> bool {
    prefix.ends_with(b"/") || key.len() == prefix.len() || key[prefix.len()] == b'/'
}

fn name(key: &[u8]) -> &[u8] {
    key.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

/// A list without the keys that are not wanted.
pub(super) async fn kept(
    next: &MemoryStore,
    prefix: &[u8],
    is_kept: impl Fn(&[u8]) -> bool,
) -> Result<Vec<Vec<u8>>> {
    Ok(next.list(prefix).await?.into_iter().filter(|key| is_kept(key)).collect())
}

/// A list sorted by what is made of each key.
async fn sorted(
    next: &MemoryStore,
    prefix: &[u8],
    by: fn(&[u8]) -> Vec<u8>,
) -> Result<Vec<Vec<u8>>> {
    let mut keys = next.list(prefix).await?;
    keys.sort_by_key(|key| by(key));
    Ok(keys)
}

/// A prefix that nothing begins with in place of one that ends in 0xff: the range of the latter is empty.
fn overflowing(prefix: &[u8]) -> Vec<u8> {
    let end: &[u8] = if prefix.ends_with(b"\xff") { b"\0no such key" } else { b"" };
    [prefix, end].concat()
}

/// A transaction with other operations.
pub(super) fn with_ops(txn: Txn, change: impl Fn(Op) -> Op) -> Txn {
    let changed = |ops: Vec<Op>| ops.into_iter().map(&change).collect();
    Txn { then: changed(txn.then), otherwise: changed(txn.otherwise), ..txn }
}
