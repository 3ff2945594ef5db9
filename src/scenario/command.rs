//! The vocabulary of the scripts: every command, its arguments and what it asks of a store.

use std::time::Duration;

use std::fmt;
use std::str::FromStr;

use super::words::{Bytes, Rev, Size, Span, quote};

/// Every command that a script may have.
pub const NAMES: &[&str] = &[
    "close",
    "compact",
    "create",
    "delete",
    "events",
    "expire",
    "fill",
    "join",
    "keep_alive",
    "lease",
    "list",
    "mark",
    "metadata",
    "mkdir",
    "next",
    "race",
    "read",
    "revision",
    "revoke",
    "survive",
    "time_to_live",
    "txn",
    "unwatch",
    "update",
    "wait",
    "watch",
];

/// The lease names that stand for ids which no store granted.
pub const NO_LEASES: [&str; 3] = ["unknown", "negative", "zero"];

/// The name of a watch that was opened without one.
pub fn watch_name(name: &Option<String>) -> String {
    name.clone().unwrap_or_else(|| "w".into())
}

/// Times to live beyond this are not waited for by any script that means to end.
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// One command of a script. A key is written without the prefix that the runner puts before it.
#[derive(Debug, Clone, PartialEq, Eq, goldenscript::Command)]
pub enum Command {
    /// `update KEY VALUE [ttl=SPAN | lease=NAME]` writes a key.
    ///
    /// With `ttl` the granted time must be no less than asked for; with `lease` the key is attached to a lease of the
    /// script, or to an id that the store never granted (`unknown`, `negative`, `zero`).
    Update {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
        /// The time to live to ask for.
        #[arg(key)]
        ttl: Option<Span>,
        /// The lease to attach the key to.
        #[arg(key)]
        lease: Option<String>,
        /// Whether the key is sent as it stands, without the prefix; allowed for the empty key only.
        #[arg(key, optional)]
        bare: bool,
    },
    /// `delete KEY` deletes a key.
    Delete {
        /// The key.
        key: Bytes,
    },
    /// `read KEY [at=REV]` prints the key's value, now or at a revision, or `(none)`.
    Read {
        /// The key.
        key: Bytes,
        /// The revision to read at.
        #[arg(key)]
        at: Option<Rev>,
    },
    /// `list PREFIX [count=true] [at=REV] [limit=N]` prints the keys with that prefix, in the order of the answer, or
    /// `(no keys)`; with `count`, how many they are, whether each came once, and whether they ascend.
    List {
        /// The prefix.
        prefix: Bytes,
        /// The revision to list at.
        #[arg(key)]
        at: Option<Rev>,
        /// How many keys at most.
        #[arg(key)]
        limit: Option<usize>,
        /// Whether to print a count instead of the keys.
        #[arg(key, optional)]
        count: bool,
    },
    /// `watch PREFIX as=NAME [from=REV]` opens a watch, from now or a revision on, and returns once the store says that
    /// it is open.
    Watch {
        /// The prefix.
        prefix: Bytes,
        /// The name by which later commands call the watch.
        #[arg(key = "as")]
        name: Option<String>,
        /// The first revision whose events are wanted.
        #[arg(key)]
        from: Option<Rev>,
    },
    /// `next NAME` waits for one more event, with no further write to push it, and prints it.
    Next {
        /// The watch.
        watch: String,
    },
    /// `events NAME [count=true] [since=MARK]` prints all events since the last call, or `(no events)`; with `since`,
    /// each with its revision; and always what is wrong with the revisions they came with.
    ///
    /// A fence write that the watch receives after all that came before it proves that there are no more.
    Events {
        /// The watch.
        watch: String,
        /// Whether to print how many puts and deletes there were, instead of each.
        #[arg(key, optional)]
        count: bool,
        /// The mark that revisions are told from.
        #[arg(key)]
        since: Option<String>,
    },
    /// `unwatch NAME` ends a watch.
    Unwatch {
        /// The watch.
        watch: String,
    },
    /// `lease NAME ttl=SPAN [id=ID]` has a lease granted, of no less than the time asked for; `id` names a number that the
    /// runner draws, the same wherever the name is.
    Lease {
        /// The name by which later commands call the lease.
        name: String,
        /// The time to live to ask for.
        #[arg(key)]
        ttl: Span,
        /// The name of the id to ask for.
        #[arg(key)]
        id: Option<String>,
    },
    /// `keep_alive NAME` sets a lease back to its full time.
    KeepAlive {
        /// The lease.
        lease: String,
    },
    /// `time_to_live NAME` prints the keys attached to a lease, and judges what is said to be left of it.
    TimeToLive {
        /// The lease.
        lease: String,
    },
    /// `revoke NAME` ends a lease at once.
    Revoke {
        /// The lease.
        lease: String,
    },
    /// `expire KEY… [lease=NAME]` waits until the keys, or the lease, are gone, and judges the moment against the granted
    /// time on both sides.
    Expire {
        /// The keys.
        #[arg(optional)]
        keys: Vec<Bytes>,
        /// The lease to wait for, instead of keys.
        #[arg(key)]
        lease: Option<String>,
    },
    /// `survive KEY…` waits until every time to live that the keys ever had is long over, and judges that they were
    /// there all the while.
    Survive {
        /// The keys.
        keys: Vec<Bytes>,
    },
    /// `wait SPAN` lets time pass.
    Wait {
        /// How long.
        span: Span,
    },
    /// `fill KEY [count=N] [distinct=N] [size=SIZE] [writers=N] [ttl=SPAN | lease=NAME] [as=NAME]` writes many keys, or one large value.
    ///
    /// With `count` the keys are `KEY0000`, `KEY0001`, …, `distinct` of them in turn; without, it is `KEY` itself. With
    /// `as` it goes on in the background until `join NAME`.
    Fill {
        /// The key, or what all keys begin with.
        key: Bytes,
        /// How many writes.
        #[arg(key)]
        count: Option<usize>,
        /// How many different keys; as many as writes where it is not given.
        #[arg(key)]
        distinct: Option<usize>,
        /// How many bytes each value has; just the number of the write where it is not given.
        #[arg(key)]
        size: Option<Size>,
        /// How many writes are under way at once.
        #[arg(key)]
        writers: Option<usize>,
        /// The time to live to ask for.
        #[arg(key)]
        ttl: Option<Span>,
        /// The lease to attach the keys to.
        #[arg(key)]
        lease: Option<String>,
        /// The name by which `join` calls it.
        #[arg(key = "as")]
        name: Option<String>,
    },
    /// `join NAME` waits for a `fill` in the background to end.
    Join {
        /// The fill.
        fill: String,
    },
    /// `close` closes the client.
    Close,
    /// `mark NAME` remembers the store's present revision.
    Mark {
        /// The name by which later commands call it.
        name: String,
    },
    /// `revision since=MARK` prints how far the store's revision is from a mark: `m+2`.
    Revision {
        /// The mark.
        #[arg(key)]
        since: String,
    },
    /// `metadata KEY [since=MARK]` prints the key's counters, or `(none)`.
    Metadata {
        /// The key.
        key: Bytes,
        /// The mark that revisions are told from; without one, only the version is told.
        #[arg(key)]
        since: Option<String>,
    },
    /// `compact REV` has the store forget what was before a revision.
    Compact {
        /// The revision.
        revision: Rev,
    },
    /// `txn if COMPARE… then OP… else OP…` runs a transaction and prints which branch was taken, and what its
    /// operations answered.
    ///
    /// A comparison is `"value k = v"`, `"version k > 0"`, `"create k = m"`, `"mod k = m+1"` or `"lease k = a"`, an
    /// operation `"put k v"`, `"put k v a"` (with lease a), `"delete k"`, `"delete_prefix k"`, `"read k"`, `"list k"` or
    /// `"fill k 129"` (so many puts). `''` is the empty value.
    Txn {
        /// The words.
        words: Vec<String>,
    },
    /// `mkdir DIRECTORY` makes a directory.
    Mkdir {
        /// The directory.
        directory: Bytes,
    },
    /// `create KEY VALUE` writes a key that does not exist yet.
    Create {
        /// The key.
        key: Bytes,
        /// The value.
        value: Bytes,
    },
    /// `race KIND KEY [clients=N] [rounds=N]` has many calls under way at once, and prints how many went as they must.
    ///
    /// The kinds: `register` (reads, writes and deletions of one key are linearizable), `cas` (one of all clients wins
    /// each round), `renew` (a key written again just when its time ends is there afterwards), `watch` (a write right
    /// after a watch is open is delivered), `keep_alive` (a lease just granted can be kept alive), `fan` (many watches of one prefix get every event each), `flip` (two keys that
    /// are always written together are never read apart).
    Race {
        /// What is raced for.
        kind: RaceKind,
        /// The key, or what all keys begin with.
        key: Bytes,
        /// How many clients.
        #[arg(key)]
        clients: Option<usize>,
        /// How many rounds, or calls of each client.
        #[arg(key)]
        rounds: Option<usize>,
    },
}

impl Command {
    /// What the command's answers are labelled with, in a block that has more than one command.
    pub fn label(&self) -> String {
        let key = |name: &str, key: &Bytes| format!("{name} {}", quote(&key.0));
        match self {
            Self::Update { key: k, .. } => key("update", k),
            Self::Delete { key: k } => key("delete", k),
            Self::Read { key: k, .. } => key("read", k),
            Self::List { prefix, .. } => key("list", prefix),
            Self::Watch { prefix, .. } => key("watch", prefix),
            Self::Next { watch } => format!("next {watch}"),
            Self::Events { watch, .. } => format!("events {watch}"),
            Self::Unwatch { watch } => format!("unwatch {watch}"),
            Self::Lease { name, .. } => format!("lease {name}"),
            Self::KeepAlive { lease } => format!("keep_alive {lease}"),
            Self::TimeToLive { lease } => format!("time_to_live {lease}"),
            Self::Revoke { lease } => format!("revoke {lease}"),
            Self::Expire { .. } => "expire".into(),
            Self::Survive { .. } => "survive".into(),
            Self::Wait { .. } => "wait".into(),
            Self::Fill { key: k, .. } => key("fill", k),
            Self::Join { fill } => format!("join {fill}"),
            Self::Close => "close".into(),
            Self::Mark { name } => format!("mark {name}"),
            Self::Revision { .. } => "revision".into(),
            Self::Metadata { key: k, .. } => key("metadata", k),
            Self::Compact { .. } => "compact".into(),
            Self::Txn { .. } => "txn".into(),
            Self::Mkdir { directory } => key("mkdir", directory),
            Self::Create { key: k, .. } => key("create", k),
            Self::Race { kind, .. } => format!("race {kind}"),
        }
    }

    /// How long the command makes a script wait, as far as its own words tell.
    pub fn patience(&self) -> Duration {
        match self {
            Self::Update { ttl: Some(span), .. } | Self::Fill { ttl: Some(span), .. } => {
                span.0.min(LONGEST_WAIT)
            }
            Self::Lease { ttl: span, .. } | Self::Wait { span } => span.0.min(LONGEST_WAIT),
            _ => Duration::ZERO,
        }
    }
}

/// What is raced for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RaceKind {
    /// Reads, writes and deletions of one key are linearizable.
    Register,
    /// Exactly one client wins each round of compare-and-swap.
    Cas,
    /// A key written again just when its time ends is there afterwards.
    Renew,
    /// A write right after a watch is open is delivered.
    Watch,
    /// A lease just granted can be kept alive.
    KeepAlive,
    /// Two keys that are always written together are never read apart.
    Flip,
    /// Many watches of one prefix get every event each.
    Fan,
}

impl RaceKind {
    const ALL: [Self; 7] = [
        Self::Register,
        Self::Cas,
        Self::Renew,
        Self::Watch,
        Self::KeepAlive,
        Self::Flip,
        Self::Fan,
    ];
}

impl fmt::Display for RaceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Register => "register",
            Self::Cas => "cas",
            Self::Renew => "renew",
            Self::Watch => "watch",
            Self::KeepAlive => "keep_alive",
            Self::Flip => "flip",
            Self::Fan => "fan",
        })
    }
}

impl FromStr for RaceKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|kind| kind.to_string() == text).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(Self::to_string).collect();
            format!("'{text}' is no race; there are: {}", all.join(", "))
        })
    }
}
