//! Stores that are wrong about prefixes and lists.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;
use tokio::time::Instant;

use super::{Fault, Mutant, Site, mutant};
use crate::store::{ErrorKind, Page, Result, Revisions, Store};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<BareNames>(
            "list-bare-names",
            "P1",
            "A list gives the last parts of the keys only.",
        ),
        mutant::<OneLevel>("list-one-level", "P1", "A list stops at the next slash."),
        mutant::<StrictChildren>(
            "list-strict-children",
            "P1",
            "A list leaves out the key that equals the prefix.",
        ),
        mutant::<HidesUnderscore>(
            "list-hides-names",
            "P1",
            "Names that begin with an underscore are not listed.",
        ),
        mutant::<HidesDots>("list-hides-dots", "P1", "Names that begin with a dot are not listed."),
        mutant::<WholeSegments>(
            "list-whole-segments",
            "P1",
            "A prefix matches whole path segments only.",
        ),
        mutant::<TrimsSlash>(
            "list-trims-slash",
            "P1",
            "A slash at the end of a prefix is dropped.",
        ),
        mutant::<EmptyFails>("list-nothing-fails", "P1", "A list of no keys is an error."),
        mutant::<Like>(
            "list-like",
            "P2",
            "Underscore and percent sign in a prefix are wildcards, as in SQL.",
        ),
        mutant::<Glob>(
            "list-glob",
            "P2",
            "Star, question mark and bracket in a prefix are a pattern.",
        ),
        mutant::<LastByteUp>(
            "list-last-byte-overflows",
            "P2",
            "The end of a range is the last byte plus one, which wraps at 0xff.",
        ),
        mutant::<Unordered>("list-unordered", "P3", "A list comes in no order."),
        mutant::<Alphabetical>(
            "list-alphabetical",
            "P3",
            "A list is sorted without regard to case.",
        ),
        mutant::<Paged>("list-first-thousand", "P4", "A list gives the first thousand keys only."),
        mutant::<Repeats>("list-repeats", "P4", "A long list has one key twice."),
        mutant::<LimitIgnored>("limit-ignored", "P5", "A list ignores its limit."),
        mutant::<CountOfPage>(
            "limit-counts-page",
            "P5",
            "A list that is cut off counts only what it gives.",
        ),
        mutant::<NoMore>(
            "limit-says-no-more",
            "P5",
            "A list that is cut off says that nothing follows.",
        ),
        mutant::<ListsExpired>(
            "list-keeps-expired",
            "T3",
            "A list has keys whose time is over until they are read.",
        ),
    ]
}

/// Whether text begins with what a pattern describes, where some bytes stand for any bytes and some for any one.
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

/// Faults that change a list on its way out; the prefix is at hand.
macro_rules! changed_lists {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
                let change: fn(&[u8], Vec<Vec<u8>>) -> Result<Vec<Vec<u8>>> = $change;
                change(prefix, at.store.list(prefix).await?)
            }
        }
    )*};
}

changed_lists! {
    BareNames => |_, keys| Ok(keys.iter().map(|key| name(key).to_vec()).collect());
    OneLevel => |prefix, keys| kept(keys, |key| !key[prefix.len()..].contains(&b'/'));
    StrictChildren => |prefix, keys| kept(keys, |key| key != prefix);
    HidesUnderscore => |_, keys| kept(keys, |key| !name(key).starts_with(b"_"));
    HidesDots => |_, keys| kept(keys, |key| !name(key).starts_with(b"."));
    WholeSegments => |prefix, keys| kept(keys, |key| {
        prefix.ends_with(b"/") || key.len() == prefix.len() || key[prefix.len()] == b'/'
    });
    EmptyFails => |_, keys| if keys.is_empty() { Err(ErrorKind::KeyNotFound.into()) } else { Ok(keys) };
    LastByteUp => |prefix, keys| kept(keys, |_| !prefix.ends_with(b"\xff"));
    Unordered => |_, mut keys| {
        keys.sort_by_key(|key| key.iter().fold(7u32, |hash, byte| hash.wrapping_mul(31) ^ u32::from(*byte)));
        Ok(keys)
    };
    Alphabetical => |_, mut keys| {
        keys.sort_by_key(|key| key.to_ascii_lowercase());
        Ok(keys)
    };
    Paged => |_, mut keys| {
        keys.truncate(1000);
        Ok(keys)
    };
    Repeats => |_, mut keys| {
        if let [.., last] = keys.as_slice() && keys.len() > 100 {
            keys.push(last.clone());
        }
        Ok(keys)
    };
}

fn name(key: &[u8]) -> &[u8] {
    key.rsplit(|byte| *byte == b'/').next().unwrap_or_default()
}

fn kept(keys: Vec<Vec<u8>>, is_kept: impl Fn(&[u8]) -> bool) -> Result<Vec<Vec<u8>>> {
    Ok(keys.into_iter().filter(|key| is_kept(key)).collect())
}

#[derive(Default)]
struct TrimsSlash;

#[async_trait]
impl Fault for TrimsSlash {
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        at.store.list(prefix.strip_suffix(b"/").unwrap_or(prefix)).await
    }
}

#[derive(Default)]
struct Like;

#[async_trait]
impl Fault for Like {
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        kept(at.store.list(b"").await?, |key| matches(prefix, key, b"%", b"_"))
    }
}

#[derive(Default)]
struct Glob;

#[async_trait]
impl Fault for Glob {
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        // A bracket opens a class that nothing closes: such a pattern matches nothing.
        let is_broken = prefix.contains(&b'[');
        kept(at.store.list(b"").await?, |key| !is_broken && matches(prefix, key, b"*", b"?"))
    }
}

#[derive(Default)]
struct LimitIgnored;

#[async_trait]
impl Fault for LimitIgnored {
    async fn list_at(
        &self,
        at: &Site,
        prefix: &[u8],
        revision: Option<i64>,
        _: Option<usize>,
    ) -> Result<Page> {
        at.store.list_at(prefix, revision, None).await
    }
}

#[derive(Default)]
struct CountOfPage;

#[async_trait]
impl Fault for CountOfPage {
    async fn list_at(
        &self,
        at: &Site,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        let page = at.store.list_at(prefix, revision, limit).await?;
        Ok(Page { count: page.keys.len(), ..page })
    }
}

#[derive(Default)]
struct NoMore;

#[async_trait]
impl Fault for NoMore {
    async fn list_at(
        &self,
        at: &Site,
        prefix: &[u8],
        revision: Option<i64>,
        limit: Option<usize>,
    ) -> Result<Page> {
        let page = at.store.list_at(prefix, revision, limit).await?;
        Ok(Page { more: false, ..page })
    }
}

#[derive(Default)]
struct ListsExpired(Mutex<BTreeMap<Vec<u8>, Instant>>);

#[async_trait]
impl Fault for ListsExpired {
    async fn update_with_ttl(
        &self,
        at: &Site,
        key: &[u8],
        value: &[u8],
        ttl: Duration,
    ) -> Result<Duration> {
        let granted = at.store.update_with_ttl(key, value, ttl).await?;
        self.0.lock().unwrap().insert(key.into(), Instant::now() + granted);
        Ok(granted)
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let mut keys = at.store.list(prefix).await?;
        let timed = self.0.lock().unwrap();
        // Ten seconds later even this store has swept up.
        let swept = |end: &Instant| end.elapsed() > Duration::from_secs(10);
        let over = timed.iter().filter(|(_, end)| **end <= Instant::now() && !swept(end));
        keys.extend(over.map(|(key, _)| key.clone()).filter(|key| key.starts_with(prefix)));
        keys.sort();
        keys.dedup();
        Ok(keys)
    }
}
