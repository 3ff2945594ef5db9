//! Stores that are wrong about sizes.

use std::sync::atomic::{AtomicBool, Ordering};

use super::fault::*;
use super::keys::rekeyed;

mutants! {
    fn all(next, client);

    "values-up-to-512k", E1, "A value of more than 512 KiB is refused."
        Update { value, .. } if value.len() > 512 * 1024 => Err(ErrorKind::TooLarge.into());

    "values-cut-at-64k", E1, "A value is cut off after 64 KiB."
        Update { key, value } if value.len() <= LIMIT => {
            next.update(&key, &value[..value.len().min(64 * 1024)]).await
        };

    "too-large-is-cut", E2, "A value that is too large is cut off and written."
        Update { key, value } => next.update(&key, &value[..value.len().min(LIMIT)]).await;

    "too-large-clears", E2, "A value that is too large leaves the key empty."
        Update { key, value } => {
            let written = next.update(&key, &value).await;
            if written.is_err() && value.len() > LIMIT {
                next.update(&key, b"").await?;
            }
            written
        };

    "too-large-breaks-client", E2, "After a value that was too large the client is unusable."
        [broken: AtomicBool]
        Update { .. } if broken.load(Ordering::Relaxed) => Err(ErrorKind::Unavailable.into());
        Update { key, value } => {
            broken.store(value.len() > LIMIT, Ordering::Relaxed);
            next.update(&key, &value).await
        };

    "keys-cut-at-255", E3, "A key is cut off after 255 bytes."
        any(call) => rekeyed(next, call, |key| key[..key.len().min(255)].to_vec()).await;
}

/// What is too large for any store.
const LIMIT: usize = 1_500_000;
