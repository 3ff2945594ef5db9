//! Stores that are wrong about keys and values.

use super::fault::*;
use super::lists::matches;

mutants! {
    fn all(next, client);

    "update-does-nothing", K1, "A write is acknowledged and not done."
        Update { .. } => next.read(b"any").await.map(drop);

    "write-behind", K1, "A write is acknowledged first and done 10 ms later."
        Update { key, value } => {
            next.read(b"any").await?;
            let write = |next: Arc<MemoryStore>| async move { next.update(&key, &value).await };
            later(next, Duration::from_millis(10), write);
            Ok(())
        };

    "read-cache", K1, "A client that has read a key once never asks again."
        [cache: Mutex<BTreeMap<(usize, Vec<u8>), Option<Vec<u8>>>>]
        Read { key } => {
            let fresh = next.read(&key).await?;
            Ok(cache.lock().unwrap().entry((client, key)).or_insert(fresh).clone())
        };

    "delete-does-nothing", K2, "A deletion is acknowledged and not done."
        Delete { key } => next.read(&key).await.map(drop);

    "delete-takes-prefix", K2, "Deleting a key deletes every key that begins with it."
        Delete { key } => delete_all(next, next.list(&key).await?).await;

    "delete-takes-pattern", K2, "A star or percent sign in a deleted key is a wildcard."
        Delete { key } => {
            let mut keys = next.list(b"").await?;
            keys.retain(|other| *other == key || matches(&key, other, b"*%", b"?"));
            delete_all(next, keys).await?;
            next.delete(&key).await
        };

    "first-write-wins", K3, "A key that exists is never overwritten."
        Update { key, value } => match next.read(&key).await? {
            Some(_) => Ok(()),
            None => next.update(&key, &value).await,
        };

    "update-appends", K3, "A write is put behind the value that is there."
        Update { key, value } => {
            let before = next.read(&key).await?.unwrap_or_default();
            next.update(&key, &[before, value].concat()).await
        };

    "same-value-is-no-write", K3, "Writing the value that is there does nothing."
        Update { key, value } => match next.read(&key).await? {
            Some(before) if before == value => Ok(()),
            _ => next.update(&key, &value).await,
        };

    "empty-value-deletes", K4, "Writing an empty value deletes the key."
        Update { key, value } if value.is_empty() => next.delete(&key).await;

    "empty-value-reads-missing", K4, "An empty value reads as a missing key."
        Read { key } => Ok(next.read(&key).await?.filter(|value| !value.is_empty()));

    "missing-reads-empty", K5, "A missing key reads as an empty value."
        Read { key } => Ok(Some(next.read(&key).await?.unwrap_or_default()));

    "missing-read-fails", K5, "Reading a missing key is an error."
        Read { key } => next.read(&key).await?.map(Some).ok_or(ErrorKind::KeyNotFound.into());

    "delete-missing-fails", K6, "Deleting a missing key is an error."
        Delete { key } => match next.read(&key).await? {
            None => Err(ErrorKind::KeyNotFound.into()),
            Some(_) => next.delete(&key).await,
        };

    "delete-missing-is-told", K6, "Deleting a missing key changes the store."
        Delete { key } => {
            if next.read(&key).await?.is_none() {
                next.update(&key, b"").await?;
            }
            next.delete(&key).await
        };

    "empty-key-taken", K7, "The empty key is accepted."
        Update { key, .. } if key.is_empty() => Ok(());
        Delete { key } if key.is_empty() => Ok(());

    "values-are-text", K8, "Bytes of a value that are not UTF-8 are replaced."
        Update { key, value } => next.update(&key, &as_text(&value)).await;

    "values-end-at-nul", K8, "A value ends at its first NUL."
        Update { key, value } => next.update(&key, &to_nul(&value)).await;

    "values-are-trimmed", K8, "Blanks around a value are cut off."
        Update { key, value } => next.update(&key, value.trim_ascii()).await;

    "keys-are-text", K8, "Bytes of a key that are not UTF-8 are replaced."
        any(call) => rekeyed(next, call, as_text).await;

    "keys-end-at-nul", K8, "A key ends at its first NUL."
        any(call) => rekeyed(next, call, to_nul).await;

    "keys-are-urls", K8, "A percent sign in a key begins an escape."
        any(call) => {
            let decoded = |key: &[u8]| String::from_utf8_lossy(key).replace("%20", " ").into_bytes();
            rekeyed(next, call, decoded).await
        };

    "keys-fold-case", K9, "Capitals and small letters make the same key."
        any(call) => rekeyed(next, call, <[u8]>::to_ascii_lowercase).await;

    "keys-drop-last-blank", K9, "A blank at the end of a key is dropped."
        any(call) => rekeyed(next, call, |key| key.strip_suffix(b" ").unwrap_or(key).to_vec()).await;

    "keys-are-paths", K9, "A key is cleaned as a path is."
        any(call) => rekeyed(next, call, clean).await;

    "keys-drop-last-slash", K9, "A slash at the end of a key is dropped."
        any(call) => rekeyed(next, call, |key| key.strip_suffix(b"/").unwrap_or(key).to_vec()).await;

    "recreate-finds-old-value", K10, "A key written again after its deletion has its first value."
        [first: Keys<Vec<u8>>]
        Update { key, value } => {
            let is_new = next.metadata(&key).await?.is_none();
            let first = first.lock().unwrap().entry(key.clone()).or_insert(value.clone()).clone();
            next.update(&key, if is_new { &first } else { &value }).await
        };
}

/// Deletes keys one by one.
pub(super) async fn delete_all(next: &MemoryStore, keys: Vec<Vec<u8>>) -> Result<()> {
    for key in keys {
        next.delete(&key).await?;
    }
    Ok(())
}

/// Makes a call with another key, if it is one that reads, writes or deletes a key.
pub(super) async fn rekeyed(
    next: &MemoryStore,
    mut call: Call,
    change: fn(&[u8]) -> Vec<u8>,
) -> Result<Reply> {
    if let Call::Update { key, .. }
    | Call::UpdateWithTtl { key, .. }
    | Call::UpdateWithLease { key, .. }
    | Call::Delete { key }
    | Call::Read { key } = &mut call
    {
        *key = change(key);
    }
    call.perform(next).await
}

fn as_text(bytes: &[u8]) -> Vec<u8> {
    String::from_utf8_lossy(bytes).into_owned().into_bytes()
}

fn to_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
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
