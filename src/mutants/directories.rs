//! Stores that are wrong about directories, over the memory store that has them.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::StreamExt;

use super::{Fault, Mutant, Site, mutant};
use crate::store::{Directories, ErrorKind, Result, Store, WatchEvent, WatchStream};

pub(super) fn all() -> Vec<Mutant> {
    let mutants = [
        mutant::<MadeOnce>("mkdir-made-once", "D1", "Making a directory that exists is an error."),
        mutant::<MkdirEmpties>("mkdir-empties", "D1", "Making a directory deletes what is in it."),
        mutant::<MkdirOverKey>(
            "mkdir-over-key",
            "D2",
            "A directory is said to be made where a key of that name is.",
        ),
        mutant::<MkdirReplaces>(
            "mkdir-replaces-key",
            "D2",
            "Making a directory deletes the key of that name.",
        ),
        mutant::<MkdirIsPut>("mkdir-is-put", "D3", "A directory is a key with an empty value."),
        mutant::<MkdirListed>("mkdir-is-listed", "D3", "A list names directories too."),
        mutant::<MkdirReadsEmpty>(
            "mkdir-reads-empty",
            "D3",
            "A directory reads as an empty value.",
        ),
        mutant::<MkdirTold>("mkdir-is-told", "D3", "Making a directory is an event."),
        mutant::<DeleteRecursive>(
            "delete-is-recursive",
            "D4",
            "Deleting a directory deletes the keys in it.",
        ),
        mutant::<DeleteSilent>(
            "delete-directory-silent",
            "D4",
            "Deleting a directory does nothing, and says that it did.",
        ),
        mutant::<UpdateReplaces>(
            "update-over-directory",
            "D4",
            "Writing to a directory deletes the keys in it.",
        ),
        mutant::<KeyBelowKey>("key-below-key", "D5", "A write below a key is done elsewhere."),
        mutant::<KeyGivesWay>("key-gives-way", "D5", "A write below a key deletes that key."),
        mutant::<BelowKeyFails>(
            "below-key-fails",
            "D5",
            "Reading or deleting below a key is an error.",
        ),
        mutant::<CreateUpdates>(
            "create-updates",
            "D6",
            "Creating a key that exists replaces its value.",
        ),
        mutant::<CreateSilent>(
            "create-silent",
            "D6",
            "Creating a key that exists does nothing, and says that it did.",
        ),
        mutant::<CreateTold>(
            "create-refused-is-told",
            "D6",
            "Creating a key that exists is refused, and an event.",
        ),
        mutant::<CreateOnceEver>(
            "create-once-ever",
            "D6",
            "A key that was created once is never created again.",
        ),
        mutant::<CreateUnwatched>("create-is-no-event", "D7", "Creating a key is no event."),
        mutant::<CreateUnlisted>(
            "create-is-unlisted",
            "D7",
            "A key that was created is not listed.",
        ),
        mutant::<InsideHidden>(
            "made-directory-hides",
            "D7",
            "Keys in a directory that was made are not listed.",
        ),
    ];
    mutants.into_iter().map(Mutant::with_directories).collect()
}

/// The keys in a directory.
async fn inside(at: &Site, directory: &[u8]) -> Result<Vec<Vec<u8>>> {
    at.store.list(&[directory, b"/"].concat()).await
}

async fn delete_inside(at: &Site, directory: &[u8]) -> Result<()> {
    for key in inside(at, directory).await? {
        at.store.delete(&key).await?;
    }
    Ok(())
}

/// The paths above a path, outermost first.
fn above(path: &[u8]) -> impl Iterator<Item = &[u8]> {
    let slashes = path.iter().enumerate().skip(1).filter(|(_, byte)| **byte == b'/');
    slashes.map(|(at, _)| &path[..at])
}

/// Whether an answer refuses with this kind.
fn refuses<T>(answer: &Result<T>, kind: ErrorKind) -> bool {
    answer.as_ref().is_err_and(|error| error.kind == kind)
}

/// The names that were given to a call.
#[derive(Default)]
struct Made(Mutex<BTreeSet<Vec<u8>>>);

impl Made {
    fn note(&self, directory: &[u8]) -> bool {
        self.0.lock().expect("no thread panics with the set").insert(directory.to_vec())
    }

    fn all(&self) -> Vec<Vec<u8>> {
        self.0.lock().expect("no thread panics with the set").iter().cloned().collect()
    }
}

#[derive(Default)]
struct MadeOnce(Made);

#[async_trait]
impl Fault for MadeOnce {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.mkdir(directory).await?;
        if self.0.note(directory) { Ok(()) } else { Err(ErrorKind::KeyExists.into()) }
    }
}

#[derive(Default)]
struct MkdirEmpties;

#[async_trait]
impl Fault for MkdirEmpties {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        delete_inside(at, directory).await?;
        at.store.mkdir(directory).await
    }
}

#[derive(Default)]
struct MkdirOverKey;

#[async_trait]
impl Fault for MkdirOverKey {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        match at.store.mkdir(directory).await {
            made if refuses(&made, ErrorKind::NotADirectory) => Ok(()),
            made => made,
        }
    }
}

#[derive(Default)]
struct MkdirReplaces;

#[async_trait]
impl Fault for MkdirReplaces {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        match at.store.mkdir(directory).await {
            made if refuses(&made, ErrorKind::NotADirectory) => {
                at.store.delete(directory).await?;
                made
            }
            made => made,
        }
    }
}

#[derive(Default)]
struct MkdirIsPut;

#[async_trait]
impl Fault for MkdirIsPut {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.update(directory, b"").await
    }
}

#[derive(Default)]
struct MkdirListed(Made);

#[async_trait]
impl Fault for MkdirListed {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.mkdir(directory).await?;
        self.0.note(directory);
        Ok(())
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let made = self.0.all().into_iter().filter(|made| made.starts_with(prefix));
        let mut keys: Vec<_> = at.store.list(prefix).await?.into_iter().chain(made).collect();
        keys.sort_unstable();
        Ok(keys)
    }
}

#[derive(Default)]
struct MkdirReadsEmpty(Made);

#[async_trait]
impl Fault for MkdirReadsEmpty {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.mkdir(directory).await?;
        self.0.note(directory);
        Ok(())
    }
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        let is_made = self.0.all().iter().any(|made| made == key);
        Ok(at.store.read(key).await?.or(is_made.then(Vec::new)))
    }
}

#[derive(Default)]
struct MkdirTold;

#[async_trait]
impl Fault for MkdirTold {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        // Told by a key that comes and goes before the directory is there.
        if at.store.update(directory, b"").await.is_ok() {
            at.store.delete(directory).await?;
        }
        at.store.mkdir(directory).await
    }
}

#[derive(Default)]
struct DeleteRecursive;

#[async_trait]
impl Fault for DeleteRecursive {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        delete_inside(at, key).await?;
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct DeleteSilent;

#[async_trait]
impl Fault for DeleteSilent {
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        match at.store.delete(key).await {
            deleted if refuses(&deleted, ErrorKind::NotAFile) => Ok(()),
            deleted => deleted,
        }
    }
}

#[derive(Default)]
struct UpdateReplaces;

#[async_trait]
impl Fault for UpdateReplaces {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let written = at.store.update(key, value).await;
        if refuses(&written, ErrorKind::NotAFile) {
            delete_inside(at, key).await?;
        }
        written
    }
}

#[derive(Default)]
struct KeyBelowKey;

#[async_trait]
impl Fault for KeyBelowKey {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match at.store.update(key, value).await {
            written if refuses(&written, ErrorKind::NotADirectory) => Ok(()),
            written => written,
        }
    }
}

#[derive(Default)]
struct KeyGivesWay;

#[async_trait]
impl Fault for KeyGivesWay {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let written = at.store.update(key, value).await;
        if refuses(&written, ErrorKind::NotADirectory) {
            for above in above(key) {
                if at.store.read(above).await?.is_some() {
                    at.store.delete(above).await?;
                }
            }
        }
        written
    }
}

#[derive(Default)]
struct BelowKeyFails;

impl BelowKeyFails {
    async fn check(&self, at: &Site, key: &[u8]) -> Result<()> {
        for above in above(key) {
            if at.store.read(above).await?.is_some() {
                return Err(ErrorKind::NotADirectory.into());
            }
        }
        Ok(())
    }
}

#[async_trait]
impl Fault for BelowKeyFails {
    async fn read(&self, at: &Site, key: &[u8]) -> Result<Option<Vec<u8>>> {
        self.check(at, key).await?;
        at.store.read(key).await
    }
    async fn delete(&self, at: &Site, key: &[u8]) -> Result<()> {
        self.check(at, key).await?;
        at.store.delete(key).await
    }
}

#[derive(Default)]
struct CreateUpdates;

#[async_trait]
impl Fault for CreateUpdates {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, value).await
    }
}

#[derive(Default)]
struct CreateSilent;

#[async_trait]
impl Fault for CreateSilent {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match at.store.create(key, value).await {
            created if refuses(&created, ErrorKind::KeyExists) => Ok(()),
            created => created,
        }
    }
}

#[derive(Default)]
struct CreateTold;

#[async_trait]
impl Fault for CreateTold {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let created = at.store.create(key, value).await;
        if let (Err(_), Some(old)) = (&created, at.store.read(key).await?) {
            at.store.update(key, &old).await?;
        }
        created
    }
}

#[derive(Default)]
struct CreateOnceEver(Made);

#[async_trait]
impl Fault for CreateOnceEver {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        match self.0.note(key) {
            true => at.store.create(key, value).await,
            false => Err(ErrorKind::KeyExists.into()),
        }
    }
}

#[derive(Default)]
struct CreateUnwatched(Arc<Made>);

#[async_trait]
impl Fault for CreateUnwatched {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.note(key);
        at.store.create(key, value).await
    }
    async fn watch(&self, at: &Site, prefix: &[u8]) -> Result<WatchStream> {
        let created = self.0.clone();
        let is_told = move |event: &WatchEvent| !created.all().iter().any(|key| key == event.key());
        let told = at.store.watch(prefix).await?;
        Ok(told.map(move |batch| Ok(batch?.into_iter().filter(&is_told).collect())).boxed())
    }
}

#[derive(Default)]
struct CreateUnlisted(Made);

#[async_trait]
impl Fault for CreateUnlisted {
    async fn create(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        self.0.note(key);
        at.store.create(key, value).await
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let created = self.0.all();
        let mut keys = at.store.list(prefix).await?;
        keys.retain(|key| !created.contains(key));
        Ok(keys)
    }
}

#[derive(Default)]
struct InsideHidden(Made);

#[async_trait]
impl Fault for InsideHidden {
    async fn mkdir(&self, at: &Site, directory: &[u8]) -> Result<()> {
        at.store.mkdir(directory).await?;
        self.0.note(&[directory, b"/"].concat());
        Ok(())
    }
    async fn list(&self, at: &Site, prefix: &[u8]) -> Result<Vec<Vec<u8>>> {
        let made = self.0.all();
        let mut keys = at.store.list(prefix).await?;
        keys.retain(|key| !made.iter().any(|made| key.starts_with(made)));
        Ok(keys)
    }
}
