//! Stores that are wrong about sizes.

use async_trait::async_trait;

use super::keys::changed_keys;
use super::{Fault, Mutant, Site, mutant};
use crate::store::{ErrorKind, LeaseId, Result, Store};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(super) fn all() -> Vec<Mutant> {
    vec![
        mutant::<SmallValues>(
            "values-up-to-512k",
            "E1",
            "A value of more than 512 KiB is refused.",
        ),
        mutant::<CutValues>("values-cut-at-64k", "E1", "A value is cut off after 64 KiB."),
        mutant::<CutsTooLarge>(
            "too-large-is-cut",
            "E2",
            "A value that is too large is cut off and written.",
        ),
        mutant::<TooLargeClears>(
            "too-large-clears",
            "E2",
            "A value that is too large leaves the key empty.",
        ),
        mutant::<TooLargeBreaks>(
            "too-large-breaks-client",
            "E2",
            "After a value that was too large the client is unusable.",
        ),
        mutant::<ShortKeys>("keys-cut-at-255", "E3", "A key is cut off after 255 bytes."),
    ]
}

const LIMIT: usize = 1_500_000;

#[derive(Default)]
struct SmallValues;

#[async_trait]
impl Fault for SmallValues {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        if value.len() > 512 * 1024 {
            Err(ErrorKind::TooLarge.into())
        } else {
            at.store.update(key, value).await
        }
    }
}

#[derive(Default)]
struct CutValues;

#[async_trait]
impl Fault for CutValues {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let end = if value.len() > LIMIT { value.len() } else { value.len().min(64 * 1024) };
        at.store.update(key, &value[..end]).await
    }
}

#[derive(Default)]
struct CutsTooLarge;

#[async_trait]
impl Fault for CutsTooLarge {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        at.store.update(key, &value[..value.len().min(LIMIT)]).await
    }
}

#[derive(Default)]
struct TooLargeClears;

#[async_trait]
impl Fault for TooLargeClears {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        let written = at.store.update(key, value).await;
        if written.is_err() && value.len() > LIMIT {
            at.store.update(key, b"").await?;
        }
        written
    }
}

#[derive(Default)]
struct TooLargeBreaks(AtomicBool);

#[async_trait]
impl Fault for TooLargeBreaks {
    async fn update(&self, at: &Site, key: &[u8], value: &[u8]) -> Result<()> {
        if self.0.load(Ordering::Relaxed) {
            return Err(ErrorKind::Unavailable.into());
        }
        self.0.store(value.len() > LIMIT, Ordering::Relaxed);
        at.store.update(key, value).await
    }
}

changed_keys! {
    ShortKeys => |key| key[..key.len().min(255)].to_vec();
}
