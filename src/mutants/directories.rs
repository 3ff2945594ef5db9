//! Stores that are wrong about directories, over the memory store that has them.

use super::fault::*;
use super::keys::delete_all;
use super::watches::filtered;

pub(super) fn all() -> Vec<Mutant> {
    of_directories().into_iter().map(Mutant::with_directories).collect()
}

mutants! {
    fn of_directories(next, client);

    "mkdir-made-once", D1, "Making a directory that exists is an error."
        [made: Names]
        Mkdir { directory } => {
            next.mkdir(&directory).await?;
            let is_new = made.lock().unwrap().insert(directory);
            if is_new { Ok(()) } else { Err(ErrorKind::KeyExists.into()) }
        };

    "mkdir-empties", D1, "Making a directory deletes what is in it."
        Mkdir { directory } => {
            delete_inside(next, &directory).await?;
            next.mkdir(&directory).await
        };

    "mkdir-over-key", D2, "A directory is said to be made where a key of that name is."
        Mkdir { directory } => match next.mkdir(&directory).await {
            made if refuses(&made, ErrorKind::NotADirectory) => Ok(()),
            made => made,
        };

    "mkdir-replaces-key", D2, "Making a directory deletes the key of that name."
        Mkdir { directory } => {
            let made = next.mkdir(&directory).await;
            if refuses(&made, ErrorKind::NotADirectory) {
                next.delete(&directory).await?;
            }
            made
        };

    "mkdir-is-put", D3, "A directory is a key with an empty value."
        Mkdir { directory } => next.update(&directory, b"").await;

    "mkdir-is-listed", D3, "A list names directories too."
        [made: Names]
        Mkdir { directory } => {
            next.mkdir(&directory).await?;
            made.lock().unwrap().insert(directory);
            Ok(())
        };
        List { prefix } => {
            let mut keys = next.list(&prefix).await?;
            let made = made.lock().unwrap();
            keys.extend(made.iter().filter(|made| made.starts_with(&prefix)).cloned());
            keys.sort_unstable();
            Ok(keys)
        };

    "mkdir-reads-empty", D3, "A directory reads as an empty value."
        [made: Names]
        Mkdir { directory } => {
            next.mkdir(&directory).await?;
            made.lock().unwrap().insert(directory);
            Ok(())
        };
        Read { key } => {
            let value = next.read(&key).await?;
            Ok(value.or(made.lock().unwrap().contains(&key).then(Vec::new)))
        };

    "mkdir-is-told", D3, "Making a directory is an event."
        Mkdir { directory } => {
            // Told by a key that comes and goes before the directory is there.
            if next.update(&directory, b"").await.is_ok() {
                next.delete(&directory).await?;
            }
            next.mkdir(&directory).await
        };

    "delete-is-recursive", D4, "Deleting a directory deletes the keys in it."
        Delete { key } => {
            delete_inside(next, &key).await?;
            next.delete(&key).await
        };

    "delete-directory-silent", D4, "Deleting a directory does nothing, and says that it did."
        Delete { key } => match next.delete(&key).await {
            deleted if refuses(&deleted, ErrorKind::NotAFile) => Ok(()),
            deleted => deleted,
        };

    "update-over-directory", D4, "Writing to a directory deletes the keys in it."
        Update { key, value } => {
            let written = next.update(&key, &value).await;
            if refuses(&written, ErrorKind::NotAFile) {
                delete_inside(next, &key).await?;
            }
            written
        };

    "key-below-key", D5, "A write below a key is done elsewhere."
        Update { key, value } => match next.update(&key, &value).await {
            written if refuses(&written, ErrorKind::NotADirectory) => Ok(()),
            written => written,
        };

    "key-gives-way", D5, "A write below a key deletes that key."
        Update { key, value } => {
            let written = next.update(&key, &value).await;
            if refuses(&written, ErrorKind::NotADirectory) {
                delete_all(next, keys_above(next, &key).await?).await?;
            }
            written
        };

    "below-key-fails", D5, "Reading or deleting below a key is an error."
        Read { key } => match keys_above(next, &key).await?.is_empty() {
            true => next.read(&key).await,
            false => Err(ErrorKind::NotADirectory.into()),
        };
        Delete { key } => match keys_above(next, &key).await?.is_empty() {
            true => next.delete(&key).await,
            false => Err(ErrorKind::NotADirectory.into()),
        };

    "create-updates", D6, "Creating a key that exists replaces its value."
        Create { key, value } => next.update(&key, &value).await;

    "create-silent", D6, "Creating a key that exists does nothing, and says that it did."
        Create { key, value } => match next.create(&key, &value).await {
            created if refuses(&created, ErrorKind::KeyExists) => Ok(()),
            created => created,
        };

    "create-refused-is-told", D6, "Creating a key that exists is refused, and an event."
        Create { key, value } => {
            let created = next.create(&key, &value).await;
            if let (Err(_), Some(old)) = (&created, next.read(&key).await?) {
                next.update(&key, &old).await?;
            }
            created
        };

    "create-once-ever", D6, "A key that was created once is never created again."
        [created: Names]
        Create { key, .. } if !created.lock().unwrap().insert(key.clone()) =>
            Err(ErrorKind::KeyExists.into());

    "create-is-no-event", D7, "Creating a key causes no event."
        [created: Arc<Names>]
        Create { key, value } => {
            created.lock().unwrap().insert(key.clone());
            next.create(&key, &value).await
        };
        Watch { prefix } => {
            let created = created.clone();
            Ok(filtered(next.watch(&prefix).await?, move |event| {
                !created.lock().unwrap().contains(event.key())
            }))
        };

    "create-is-unlisted", D7, "A key that was created is not listed."
        [created: Names]
        Create { key, value } => {
            created.lock().unwrap().insert(key.clone());
            next.create(&key, &value).await
        };
        List { prefix } => {
            let mut keys = next.list(&prefix).await?;
            keys.retain(|key| !created.lock().unwrap().contains(key));
            Ok(keys)
        };

    "made-directory-hides", D7, "Keys in a directory that was made are not listed."
        [made: Names]
        Mkdir { directory } => {
            next.mkdir(&directory).await?;
            made.lock().unwrap().insert([directory.as_slice(), b"/"].concat());
            Ok(())
        };
        List { prefix } => {
            let mut keys = next.list(&prefix).await?;
            keys.retain(|key| !made.lock().unwrap().iter().any(|made| key.starts_with(made)));
            Ok(keys)
        };
}

/// Names that were given to calls.
type Names = Mutex<BTreeSet<Vec<u8>>>;

/// Deletes the keys in a directory.
async fn delete_inside(next: &MemoryStore, directory: &[u8]) -> Result<()> {
    delete_all(next, next.list(&[directory, b"/"].concat()).await?).await
}

/// The keys above a path, outermost first.
async fn keys_above(next: &MemoryStore, path: &[u8]) -> Result<Vec<Vec<u8>>> {
    let mut keys = Vec::new();
    for (at, _) in path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/') {
        if next.read(&path[..at]).await?.is_some() {
            keys.push(path[..at].to_vec());
        }
    }
    Ok(keys)
}
