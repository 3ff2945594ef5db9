//! Stores that are wrong about keys and values.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use super::{Fault, Mutant, Site, mutant};
use crate::store::{ErrorKind, LeaseId, Result, Revisions, Store};

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<UpdateDoesNothing>(
            "update-does-nothing",
            "K1",
            "A write is acknowledged and not done.",
        ),
        mutant::<WriteBehind>(
            "write-behind",
            "K1",
            "A write is acknowledged first and done 10 ms later.",
        ),
        mutant::<ReadCache>(
            "read-cache",
            "K1",
            "A client that has read a key once never asks again.",
        ),
        mutant::<DeleteDoesNothing>(
            "delete-does-nothing",
            "K2",
            "A deletion is acknowledged and not done.",
        ),
        mutant::<DeletePrefix>(
            "delete-takes-prefix",
            "K2",
            "Deleting a key deletes every key that begins with it.",
        ),
        mutant::<DeletePattern>(
            "delete-takes-pattern",
            "K2",
            "A star or percent sign in a deleted key is a wildcard.",
        ),
        mutant::<FirstWriteWins>(
            "first-write-wins",
            "K3",
            "A key that exists is never overwritten.",
        ),
        mutant::<Appends>("update-appends", "K3", "A write is put behind the value that is there."),
        mutant::<SameValueSkipped>(
            "same-value-is-no-write",
            "K3",
            "Writing the value that is there does nothing.",
        ),
        mutant::<EmptyDeletes>(
            "empty-value-deletes",
            "K4",
            "Writing an empty value deletes the key.",
        ),
        mutant::<EmptyMissing>(
            "empty-value-reads-missing",
            "K4",
            "An empty value reads as a missing key.",
        ),
        mutant::<MissingEmpty>(
            "missing-reads-empty",
            "K5",
            "A missing key reads as an empty value.",
        ),
        mutant::<MissingFails>("missing-read-fails", "K5", "Reading a missing key is an error."),
        mutant::<DeleteMissingFails>(
            "delete-missing-fails",
            "K6",
            "Deleting a missing key is an error.",
        ),
        mutant::<DeleteMissingTold>(
            "delete-missing-is-told",
            "K6",
            "Deleting a missing key changes the store.",
        ),
        mutant::<EmptyKeyTaken>("empty-key-taken", "K7", "The empty key is accepted."),
        mutant::<ValuesAsText>(
            "values-are-text",
            "K8",
            "Bytes of a value that are not UTF-8 are replaced.",
        ),
        mutant::<ValuesEndAtNul>("values-end-at-nul", "K8", "A value ends at its first NUL."),
        mutant::<ValuesTrimmed>("values-are-trimmed", "K8", "Blanks around a value are cut off."),
        mutant::<KeysAsText>(
            "keys-are-text",
            "K8",
            "Bytes of a key that are not UTF-8 are replaced.",
        ),
        mutant::<KeysEndAtNul>("keys-end-at-nul", "K8", "A key ends at its first NUL."),
        mutant::<KeysDecoded>("keys-are-urls", "K8", "A percent sign in a key begins an escape."),
        mutant::<KeysFolded>(
            "keys-fold-case",
            "K9",
            "Capitals and small letters make the same key.",
        ),
        mutant::<KeysTrimmed>(
            "keys-drop-last-blank",
            "K9",
            "A blank at the end of a key is dropped.",
        ),
        mutant::<KeysCleaned>("keys-are-paths", "K9", "A key is cleaned as a path is."),
        mutant::<SlashDropped>(
            "keys-drop-last-slash",
            "K9",
            "A slash at the end of a key is dropped.",
        ),
        mutant::<OldValueBack>(
            "recreate-finds-old-value",
            "K10",
            "A key written again after its deletion has its first value.",
        ),
    ]
}

#[derive(Default)]
struct UpdateDoesNothing;

#[async_trait]
impl Fault for UpdateDoesNothing {
    async fn update(&self, at: &Site, _: &[u8], _: &[u8]) -> Result<()> {
        at.store.read(b"any").await.map(drop)
    }
}

#[derive(Default)]
struct WriteBehind;

#[async_trait]
impl Fault for WriteBehind {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.read(b"any").await?;
        let (store, key, value) = (at.store.clone(), key.to_vec(), value.to_vec());
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(10)).await;
            store.update(&key, &value).await
        });
        Ok(())
    }
}

#[derive(Default)]
struct ReadCache(Mutex<BTreeMap<Cached, Option<Vec<u8>>>>);

/// A client and a key.
type Cached = (usize, Vec<u8>);

#[async_trait]
impl Fault for ReadCache {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let fresh = at.store.read(key).await?;
        let mut cache = self.0.lock().unwrap();
        Ok(cache.entry((at.client, key.to_vec())).or_insert(fresh).clone())
    }
}

#[derive(Default)]
struct DeleteDoesNothing;

#[async_trait]
impl Fault for DeleteDoesNothing {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        at.store.read(key).await.map(drop)
    }
}

#[derive(Default)]
struct DeletePrefix;

#[async_trait]
impl Fault for DeletePrefix {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        for key in at.store.list(key).await? {
            at.store.delete(&key).await?;
        }
        Ok(())
    }
}

#[derive(Default)]
struct DeletePattern;

#[async_trait]
impl Fault for DeletePattern {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        for other in at.store.list(b"").await? {
            if other == key || super::lists::matches(key, &other, b"*%", b"?") {
                at.store.delete(&other).await?;
            }
        }
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct FirstWriteWins;

#[async_trait]
impl Fault for FirstWriteWins {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match at.store.read(key).await? {
            Some(_) => Ok(()),
            None => at.store.update(key, value).await,
        }
    }
}

#[derive(Default)]
struct Appends;

#[async_trait]
impl Fault for Appends {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let before = at.store.read(key).await?.unwrap_or_default();
        at.store.update(key, &[&before, value].concat()).await
    }
}

#[derive(Default)]
struct SameValueSkipped;

#[async_trait]
impl Fault for SameValueSkipped {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match at.store.read(key).await? {
            Some(before) if before == value => Ok(()),
            _ => at.store.update(key, value).await,
        }
    }
}

#[derive(Default)]
struct EmptyDeletes;

#[async_trait]
impl Fault for EmptyDeletes {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        if value.is_empty() {
            at.store.delete(key).await
        } else {
            at.store.update(key, value).await
        }
    }
}

#[derive(Default)]
struct EmptyMissing;

#[async_trait]
impl Fault for EmptyMissing {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(at.store.read(key).await?.filter(|value| !value.is_empty()))
    }
}

#[derive(Default)]
struct MissingEmpty;

#[async_trait]
impl Fault for MissingEmpty {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        Ok(Some(at.store.read(key).await?.unwrap_or_default()))
    }
}

#[derive(Default)]
struct MissingFails;

#[async_trait]
impl Fault for MissingFails {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let value = at.store.read(key).await?;
        value.map(Some).ok_or_else(|| ErrorKind::KeyNotFound.into())
    }
}

#[derive(Default)]
struct DeleteMissingFails;

#[async_trait]
impl Fault for DeleteMissingFails {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        match at.store.read(key).await? {
            None => Err(ErrorKind::KeyNotFound.into()),
            Some(_) => at.store.delete(key).await,
        }
    }
}

#[derive(Default)]
struct DeleteMissingTold;

#[async_trait]
impl Fault for DeleteMissingTold {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        if at.store.read(key).await?.is_none() {
            at.store.update(key, b"").await?;
        }
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct EmptyKeyTaken;

#[async_trait]
impl Fault for EmptyKeyTaken {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        if key.is_empty() { Ok(()) } else { at.store.update(key, value).await }
    }
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        if key.is_empty() { Ok(()) } else { at.store.delete(key).await }
    }
}

/// Faults that change every value on its way in.
macro_rules! changed_values {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        #[async_trait]
        impl Fault for $name {
            async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
                let change: fn(&[u8]) -> Vec<u8> = $change;
                at.store.update(key, &change(value)).await
            }
        }
    )*};
}

changed_values! {
    ValuesAsText => |value| String::from_utf8_lossy(value).into_owned().into_bytes();
    ValuesEndAtNul => |value| value.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    ValuesTrimmed => |value| value.trim_ascii().to_vec();
}

/// Faults that change every key on its way in.
macro_rules! changed_keys {
    ($($name:ident => $change:expr;)*) => {$(
        #[derive(Default)]
        struct $name;

        impl $name {
            fn change(key: &[u8]) -> Vec<u8> {
                let change: fn(&[u8]) -> Vec<u8> = $change;
                change(key)
            }
        }

        #[async_trait]
        impl Fault for $name {
            async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
                at.store.update(&Self::change(key), value).await
            }
            async fn update_with_ttl(&self, at: &Site, key: &[u8], value: &[u8], ttl: Duration) -> Result<Duration> {
                at.store.update_with_ttl(&Self::change(key), value, ttl).await
            }
            async fn update_with_lease(&self, at: &Site, key: &[u8], value: &[u8], lease: LeaseId) -> Result<()> {
                crate::store::Leases::update_with_lease(at.store.as_ref(), &Self::change(key), value, lease).await
            }
            async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
                at.store.delete(&Self::change(key)).await
            }
            async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
                at.store.read(&Self::change(key)).await
            }
        }
    )*};
}

pub(super) use changed_keys;

changed_keys! {
    KeysAsText => |key| String::from_utf8_lossy(key).into_owned().into_bytes();
    KeysEndAtNul => |key| key.split(|byte| *byte == 0).next().unwrap_or_default().to_vec();
    KeysDecoded => |key| String::from_utf8_lossy(key).replace("%20", " ").into_bytes();
    KeysFolded => |key| key.to_ascii_lowercase();
    KeysTrimmed => |key| key.strip_suffix(b" ").unwrap_or(key).to_vec();
    SlashDropped => |key| key.strip_suffix(b"/").unwrap_or(key).to_vec();
    KeysCleaned => clean;
}

/// What a path library makes of a key.
fn clean(key: &[u8]) -> Vec<u8> {
    let mut parts: Vec<&[u8]> = Vec::new();
    for part in key.split(|byte| *byte == b'/') {
        match part {
            b"" | b"." => {}
            b".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    [b"/", parts.join(&b'/').as_slice()].concat()
}

#[derive(Default)]
struct OldValueBack(Mutex<BTreeMap<Vec<u8>, Vec<u8>>>);

#[async_trait]
impl Fault for OldValueBack {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let is_new = at.store.metadata(key).await?.is_none();
        let first =
            self.0.lock().unwrap().entry(key.into()).or_insert_with(|| value.into()).clone();
        at.store.update(key, if is_new { &first } else { value }).await
    }
}
