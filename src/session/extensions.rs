//! The extension traits of a store, or the error that it lacks one.

use crate::store::{
    Directories, ErrorKind, Leases, Result, Revisions, Store, StoreError, Transactions,
};

fn lacks(what: &str) -> StoreError {
    StoreError::own(ErrorKind::Unsupported, format_args!("this store has no {what}"))
}

pub(crate) fn leases(store: &dyn Store) -> Result<&dyn Leases> {
    store.leases().ok_or_else(|| lacks("leases"))
}

pub(crate) fn revisions(store: &dyn Store) -> Result<&dyn Revisions> {
    store.revisions().ok_or_else(|| lacks("revisions"))
}

pub(crate) fn transactions(store: &dyn Store) -> Result<&dyn Transactions> {
    store.transactions().ok_or_else(|| lacks("transactions"))
}

pub(crate) fn directories(store: &dyn Store) -> Result<&dyn Directories> {
    store.directories().ok_or_else(|| lacks("directories"))
}
