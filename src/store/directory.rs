//! Directories: the idea of the etcd v2 API that v3 gave up.

use async_trait::async_trait;

use super::Result;

/// Directories, and writes that only create.
#[async_trait]
pub trait Directories: Send + Sync {
    /// Makes a directory; one that exists is not an error.
    ///
    /// [`ErrorKind::NotADirectory`](super::ErrorKind::NotADirectory) where a key of that name exists.
    async fn mkdir(&self, directory: &[u8]) -> Result<()>;

    /// Writes a key that does not exist yet.
    ///
    /// [`ErrorKind::KeyExists`](super::ErrorKind::KeyExists) if it does; it is then as it was.
    async fn create(&self, key: &[u8], value: &[u8]) -> Result<()>;
}
