//! What a store may have beyond the core functions: a line of one table each.

use serde::{Deserialize, Serialize};

use crate::backend::{Backend, Ending};
use crate::store::{Limits, Store, calls};

/// A store that is asked what it has: a client, and the backend that opened it.
pub struct Asked<'a> {
    /// A client.
    pub store: &'a dyn Store,
    /// Its backend.
    pub backend: &'a dyn Backend,
}

impl Asked<'_> {
    fn can_reopen(&self, endings: &[Ending]) -> bool {
        endings.iter().all(|ending| self.backend.cannot_reopen(*ending).is_none())
    }
}

/// Makes [`Need`] and [`Capabilities`] of the table's lines: the field, the need and its name in scripts, the folder whose
/// scenarios all have it, the row of the matrix, why a scenario is skipped without it, and how a store is asked for it.
macro_rules! capabilities {
    ($(
        $(#[$doc:meta])*
        $field:ident $need:ident = $name:literal $(in $folder:literal)? $(as $row:literal)?, $lack:literal, $asked:expr;
    )*) => {
        /// What a scenario needs of a store beyond the core functions.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Need {
            $($(#[$doc])* $need,)*
        }

        impl Need {
            /// Every need.
            pub const ALL: &[Self] = &[$(Self::$need),*];

            /// The name in scripts, the folders whose scenarios have it, and its rows of the matrix.
            fn row(self) -> (&'static str, &'static [&'static str], &'static [&'static str]) {
                match self {
                    $(Self::$need => ($name, &[$($folder)?], &[$($row)?]),)*
                }
            }
        }

        /// What the stores of a backend can do beyond the core functions.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        pub struct Capabilities {
            $($(#[$doc])* #[serde(default)] pub $field: bool,)*
            /// What the backend says of its limits.
            pub limits: Limits,
        }

        impl Capabilities {
            /// Asks a store what it has.
            pub fn of(asked: &Asked<'_>) -> Self {
                let has = |ask: fn(&Asked<'_>) -> bool| ask(asked);
                Self { $($field: has($asked),)* limits: asked.backend.limits() }
            }

            /// What this store has and the other one too; the limits are this one's.
            #[cfg(feature = "explore")]
            pub(crate) fn shared_with(&self, other: &Self) -> Self {
                Self { $($field: self.$field && other.$field,)* limits: self.limits.clone() }
            }

            /// Whether what is needed is there; why the scenario is skipped if not.
            pub fn lack(&self, need: Need) -> Option<&'static str> {
                match need {
                    $(Need::$need => (!self.$field).then_some($lack),)*
                }
            }
        }
    };
}

capabilities! {
    /// [`Directories`](crate::store::Directories).
    directories Directories = "directories" in "directory" as "directories",
        "the store has no directories", |asked| asked.store.directories().is_some();
    /// [`Leases`](crate::store::Leases).
    leases Leases = "leases" in "lease" as "leases",
        "the store has no leases", |asked| asked.store.leases().is_some();
    /// [`Revisions`](crate::store::Revisions).
    revisions Revisions = "revisions" in "revision" as "revisions",
        "the store has no revisions", |asked| asked.store.revisions().is_some();
    /// [`Transactions`](crate::store::Transactions).
    transactions Transactions = "transactions" in "txn" as "transactions",
        "the store has no transactions", |asked| asked.store.transactions().is_some();
    /// Keys that are not UTF-8.
    binary_keys BinaryKeys = "binary-keys",
        "the store's keys are UTF-8 only", |asked| asked.backend.limits().binary_keys;
    /// A store whose history may be compacted: it is kvspec's alone.
    disposable Disposable = "disposable",
        "compaction is not allowed on a server that kvspec did not start; allow it with --disposable", |asked| asked.backend.is_disposable();
    /// A backend that can be reopened, after it was closed and after its process was killed.
    reopen Reopen = "reopen" as "reopening",
        "the backend cannot be reopened", |asked| asked.can_reopen(&[Ending::Clean, Ending::Crash]);
    /// A backend that can be reopened after a loss of power.
    power_loss PowerLoss = "power-loss",
        "the backend cannot lose power", |asked| asked.can_reopen(&[Ending::PowerLoss]);
}

/// Refuses to compile where an extension trait has no line of the table.
macro_rules! every_extension_is_a_need {
    (Store itself $core:tt $($trait:ident $accessor:ident $calls:tt)*) => {
        const _: &[Need] = &[$(Need::$trait),*];
    };
}

calls!(every_extension_is_a_need);

impl Need {
    /// The name in the header of a script.
    pub fn name(self) -> &'static str {
        let (name, _, _) = self.row();
        name
    }

    /// What the row of the matrix is called that shows it, if one does.
    pub fn matrix_row(self) -> Option<&'static str> {
        let (_, _, rows) = self.row();
        rows.first().copied()
    }

    /// The need of that name.
    pub(crate) fn from_name(name: &str) -> Result<Self, String> {
        if name.contains(',') {
            return Err(format!("invalid need '{name}': expected names separated by spaces"));
        }
        Self::ALL.iter().copied().find(|need| need.name() == name).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(|need| need.name()).collect();
            format!("unknown need '{name}': expected one of {}", all.join(", "))
        })
    }

    /// The need that every scenario of a folder has.
    pub(crate) fn of_folder(folder: &str) -> Option<Self> {
        let is_of = |need: &Self| {
            let (_, folders, _) = need.row();
            folders.contains(&folder)
        };
        Self::ALL.iter().copied().find(is_of)
    }

    /// The need of a scenario that ends the store so.
    pub(crate) fn of_ending(ending: Ending) -> Self {
        match ending {
            Ending::Clean | Ending::Crash => Self::Reopen,
            Ending::PowerLoss => Self::PowerLoss,
        }
    }
}
