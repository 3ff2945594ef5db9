//! The extension traits of a store, or the error that it lacks one.

use crate::store::*;

/// Makes a function for each extension trait of the table.
macro_rules! getters {
    (Store itself $core:tt $($trait:ident $accessor:ident $calls:tt)*) => {
        $(pub(crate) fn $accessor(store: &dyn Store) -> Result<&dyn $trait> {
            store.$accessor().ok_or_else(|| lacks(stringify!($accessor)))
        })*
    };
}

calls!(getters);

fn lacks(what: &str) -> StoreError {
    StoreError::own(ErrorKind::Unsupported, format_args!("this store has no {what}"))
}
