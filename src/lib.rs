//! A conformance suite for coordination stores: key-value stores that a cluster leans on for configuration, leases and
//! watches, as etcd is.
//!
//! kvspec says what such a store must do, in scripts that anyone can read, and proves on a running store whether it does.
//! The law is [the contract], one numbered clause a sentence; each scenario of the suite names those that it checks. The
//! expected answers were confirmed on etcd v3.5.1.
//!
//! [the contract]: contract
//!
//! - A team that writes another backend for a store adds kvspec as a dev-dependency, and every scenario becomes one named
//!   test of its `cargo test`.
//! - A team that builds or operates an etcd-compatible server points the `kvspec` command at its endpoints.
//! - A team that moves to another store, or to another version of one, compares the two on the same scripts.
//!
//! # An example
//!
//! A scenario states one law, does something, and says what the answers must be:
//!
//! ```text
//! # Two updates of one key are two events; its expiry is a third.
//! # clauses: W2 W3 L1
//! watch key as=w
//! update key5 v1
//! update key5 v2 ttl=1s
//! events w
//! ---
//! events w: put key5 v1
//! events w: put key5 v2
//!
//! expire key5
//! events w
//! list key
//! ---
//! key5 expired on time
//! events w: delete key5
//! list key: (no keys)
//! ```
//!
//! `kvspec run` runs the whole suite on the memory store and on etcd; `kvspec run core/watch --backend etcd` a part of it
//! on one of them; `kvspec list` names every scenario and its law; `kvspec list --clauses` every clause and its scenarios;
//! `kvspec self-check` runs the suite on stores that are broken on purpose, and says what noticed which.
//!
//! # Plug in a store
//!
//! Implement [`Store`](store::Store) for one client of the store: six functions that every version of such an API keeps,
//! a base prefix below which it may write, and `close`. What else the store can do, it shows by what it returns from
//! `leases`, `revisions`, `transactions` and `directories`; a scenario that needs what is not there is skipped, and says so. Then say
//! how a client is opened. A store that lives in the test's own process is made anew for every case, by
//! [`Fresh`](backend::Fresh); one that runs elsewhere is shared by all cases, each below a random prefix of its own, by
//! [`Shared`](backend::Shared); whatever is neither implements [`Backend`](backend::Backend). A whole
//! `tests/conformance.rs`:
//!
//! ```no_run
//! use std::process::ExitCode;
//!
//! use kvspec::backend::Fresh;
//! use kvspec::harness::Harness;
//! # use kvspec::backend::memory::MemoryStore as MyStore;
//!
//! fn main() -> ExitCode {
//!     let mine = Fresh::new("mine", MyStore::new, MyStore::client);
//!     Harness::new().backend(mine).run()
//! }
//! ```
//!
//! and in `Cargo.toml`:
//!
//! ```toml
//! [dev-dependencies]
//! kvspec = { version = "0.1", default-features = false }
//!
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! `cargo test --test conformance` then runs tests such as `mine::core::watch::two-updates-one-key`, with filters, `--list`
//! and all; so does nextest. `examples/toy_store` is a small store that passes.
//!
//! A store that sleeps on tokio's timers alone can run on virtual time, where a time to live of an hour costs nothing:
//! [`Fresh::on_virtual_time`](backend::Fresh::on_virtual_time). What a store does later than etcd, or not at all though
//! the types allow it, stands in its [`Limits`](store::Limits).
//!
//! # The scenario language
//!
//! A script is a file that ends with `.kv`, in the format of [goldenscript](https://docs.rs/goldenscript): commands, a
//! line `---`, the lines that they answer, an empty line, and so on. Scripts of your own run by
//! `kvspec run --scenarios DIR` or [`Harness::scenarios`](harness::Harness::scenarios). Their names are their paths.
//!
//! ## The header
//!
//! The comments at the top of a script:
//!
//! | line | meaning |
//! |---|---|
//! | `# One sentence.` | the law; the first comment, and the only one that must be there |
//! | `# clauses: W2 L1` | the clauses of the contract that it checks |
//! | `# source: …` | where the law comes from |
//! | `# needs: binary-keys` | what a store must have: `leases`, `revisions`, `transactions`, `directories` (which the folders `lease/`, `revision/`, `txn/` and `directory/` imply), `binary-keys` (keys that are not UTF-8), `disposable` (a history that may be compacted) |
//! | `# exclusive: …` | why nothing else may run beside it on the same store |
//!
//! ## Commands
//!
//! | command | what it does, and prints |
//! |---|---|
//! | `update KEY VALUE [ttl=SPAN \| lease=NAME]` | writes a key; the time granted must be no less than asked for. `lease=` names a lease of the script, or an id that was never granted: `unknown`, `negative`, `zero`. `bare=true` sends the empty key |
//! | `delete KEY` | deletes a key |
//! | `read KEY [at=REV]` | the value, or `(none)` |
//! | `list PREFIX [at=REV] [limit=N \| count=true]` | the keys in the order of the answer, or `(no keys)`; with `count`, how many and whether they ascend |
//! | `watch PREFIX as=NAME [from=REV]` | opens a watch, from now on or from a revision on; returns once it is established |
//! | `next WATCH` | waits for one event, with no further write that could push it out |
//! | `events WATCH [since=MARK \| count=true]` | every event since the last call, or `(no events)`; with `since`, each with its revision |
//! | `unwatch WATCH` | ends a watch |
//! | `lease NAME ttl=SPAN [id=ID]` | has a lease granted, under an id of the client's choice where one is named |
//! | `keep_alive LEASE` | sets a lease back to its full time |
//! | `time_to_live LEASE` | the keys of a lease; what is left of it is judged |
//! | `revoke LEASE` | ends a lease at once |
//! | `expire KEY…`, `expire lease=NAME` | waits until they are gone, and judges when: `KEY expired on time`, `early` or `late` |
//! | `survive KEY…` | waits until every time to live that they ever had is long over: `KEY survived` |
//! | `wait SPAN` | lets time pass; nothing should hang on how much |
//! | `fill KEY [count=N] [distinct=N] [size=SIZE] [writers=N] [ttl=SPAN \| lease=NAME] [as=NAME]` | writes many keys, `KEY0000` and on, or one large value; with `as` in the background |
//! | `join FILL` | waits for a fill in the background |
//! | `mark NAME` | remembers the store's revision |
//! | `revision since=MARK` | how far the revision has moved: `m+2` |
//! | `metadata KEY [since=MARK]` | the key's version and revisions, or `(none)` |
//! | `compact REV` | has the store forget what was before a revision |
//! | `txn if COMPARE… then OP… else OP…` | a transaction: which branch was taken, and what its operations answered |
//! | `mkdir DIRECTORY` | makes a directory |
//! | `create KEY VALUE` | writes a key that must not exist yet |
//! | `race KIND KEY [clients=N] [rounds=N]` | many calls at once, judged as a whole: `register`, `cas`, `renew`, `watch`, `keep_alive`, `flip` |
//! | `close` | closes the client; afterwards every call answers `error: closed` |
//!
//! `b: update key1 v` runs on a second client, called b, and its answers begin with `b: `. In a block of several commands
//! each answer begins with its command, as in `read key1: v1`. A block whose commands have nothing to say answers `ok`.
//! An error is an answer like any other: it prints as `error: lease not found`, by its kind and never by the store's own
//! wording.
//!
//! A `SPAN` is a whole number and `ms`, `s`, `m`, `h` or `d`; a `SIZE` a number of bytes, `KiB` or `MiB`; a `REV` a mark,
//! or so many before or after one: `m`, `"m+2"`.
//!
//! Of a transaction, a comparison is `"value k = v"`, `"version k > 0"`, `"create k = m"`, `"mod k = m+1"` or
//! `"lease k = a"`, and an operation `"put k v"`, `"put k v a"` (with lease a), `"delete k"`, `"delete_prefix k"`,
//! `"read k"`, `"list k"` or `"fill k 129"` (so many puts).
//!
//! ## Bytes
//!
//! Keys and values are bytes. A word of letters, digits and `_-./@` stands for itself; anything else goes in double
//! quotes, where `\"`, `\\`, `\n`, `\r`, `\t` and `\xff` (any byte) have their usual meaning, and other text is UTF-8. A
//! character from U+0080 to U+00FF is read as the one byte of that number, so write `"\xc3\xa9"` for an é. Answers print
//! bytes the same way; a value of more than 80 bytes is told by its length and a hash.
//!
//! Every run of a scenario lives below a random prefix, which the runner puts before each key and takes off again. A key
//! that a store answers from elsewhere shows as `outside:…`.
//!
//! # How time is judged
//!
//! No scenario sleeps for luck. `expire` measures from before the request that granted the time to live to the first look
//! that found the key gone, and judges both bounds against the *granted* time: gone before it is over is as wrong as
//! there after it and the lag that the store is allowed, [`Limits::expiry_lag`](store::Limits::expiry_lag). Each moment
//! is a bound that holds however late the runner looked. A machine too busy to look in time makes the case *unclear*,
//! which is neither passed nor failed, and never green.
//!
//! A call that does not answer within the deadline (`--deadline`, 10 s) answers `error: deadline exceeded`; so a store
//! that hangs fails its scenarios, and hangs no run. After a call that found nobody, the store is asked whether it is
//! still there; if it is not, the run ends.
//!
//! # How events are counted
//!
//! `events` writes a key of its own below the watch's prefix: a fence, which the watch receives after all that came
//! before. It is hidden, and what came before it is all there is. So exactly N events are proven, with no quiet period to
//! wait for. `next` writes nothing: it catches a watch that delivers only once something else pushes it.
//!
//! # Known failures
//!
//! A store that is known not to keep every law runs with `--known-failures FILE`. A line of the list is a scenario's name,
//! in which a star stands for any characters, and a reason: `core/ttl/* # counts in whole minutes`, or
//! `core/watch/burst # flaky 5: …` for one that is tried up to five times. The list forgives, and accuses too: a listed
//! scenario that passes, and a line that matches none, are failures.
//!
//! # Servers
//!
//! etcd is looked for in this order, and the first that passes a check (a version, a put, a read, a delete) is used:
//!
//! 1. endpoints that you name;
//! 2. a container of `gcr.io/etcd-development/etcd:v3.5.1`, published on loopback;
//! 3. an `etcd` program, as a child process on free ports, with its data in a temporary folder;
//! 4. none: a red warning says why each way failed, its cases are skipped, and the run stays green, unless a server is
//!    required.
//!
//! Endpoints that were named and do not answer end the search: who names a server does not want another one tested. A
//! server of another version is used, and its version said. `scripts/etcd-image` builds the image, or fetches the
//! program, where no image registry can be reached.
//!
//! The backend `etcd-v2` speaks the v2 API of such a server. One that kvspec starts for it has that API switched on; one
//! that you name must have been started with `--enable-v2=true`. It speaks plain HTTP, and what v2 is known to do
//! otherwise stands in `known-failures/etcd-v2.txt`.
//!
//! | variable | flag | meaning |
//! |---|---|---|
//! | `ETCD_ENDPOINTS` | `--endpoints` | client URLs, separated by commas |
//! | `ETCDCTL_CACERT` | `--cacert` | the authority that signed the server's certificate, a PEM file |
//! | `ETCDCTL_CERT`, `ETCDCTL_KEY` | `--cert`, `--key` | the client's certificate and key, PEM files |
//! | `ETCDCTL_USER`, `ETCDCTL_PASSWORD` | `--user` | the user, as `name:password` or apart; a password is never an argument |
//! | `KVSPEC_ETCD` | | the `etcd` program to run; otherwise the first on `PATH` |
//! | `KVSPEC_ETCD_IMAGE` | | the image to run, as `repository:tag` |
//! | `KVSPEC_REQUIRE_SERVER` | `--require-server` | set to `1`, a server that is not there is a failure |
//! | `KVSPEC_DISPOSABLE` | `--disposable` | set to `1`, the server's history is nobody's, and scenarios may compact it |
//! | `DOCKER_HOST` | | the Docker engine, which must be this machine's |
//! | `NO_COLOR` | `--color` | no colour |
//!
//! Redis, in a kvspec built with `--features redis`, is run where `--backend redis` asks for it: the server at a URL, or
//! else a `redis-server` program as a child process, on loopback and with nothing kept on disk. A server that is named
//! must have `notify-keyspace-events` set to `Kg$xe` at least; kvspec changes no setting of it. What Redis is known not
//! to do stands, with the reasons, in `known-failures/redis.txt`.
//!
//! | variable | flag | meaning |
//! |---|---|---|
//! | `REDIS_URL` | `--redis-url` | `redis://user:password@host:port/database`; a password is never an argument |
//! | `KVSPEC_REDIS` | | the `redis-server` program to run; otherwise the first on `PATH` |
//!
//! Under nextest every test is a process of its own, and would start a server of its own, so there the tests on etcd are
//! ignored unless endpoints are named. `kvspec serve -- cargo nextest run` starts one server for all of them, and takes
//! it down afterwards.
//!
//! # Reports
//!
//! All reports are made from the events of a run; none changes how it goes. Every file is opened before the first case,
//! and one that cannot be is told at once, with no other touched. `-` stands for the standard output, which takes one
//! report; what people read then goes to the standard error.
//!
//! | flag | what it brings |
//! |---|---|
//! | `--verbose` | what each case was seen to answer: when each command began, how long it took, its answer |
//! | `--quiet` | only what did not pass, and the summary |
//! | `--json FILE` | the whole run, an object an event and line |
//! | `--junit FILE` | JUnit XML, a suite a backend; a known failure is skipped with its reason, an unclear case an error |
//! | `--html FILE` | a page for a browser: a grid of verdicts, and each case with its law, clauses, script, observations and timeline |
//! | `--serve-report ADDRESS` | the same page while the run goes on, such as at `127.0.0.1:0`; loopback only, and it ends with the run |
//! | `--github` | an annotation a failure, and a summary of the step; on where `GITHUB_ACTIONS` is set |
//! | `--badge FILE` | what [shields.io](https://shields.io/badges/endpoint-badge) shows from an address |
//!
//! `kvspec judge RUN.json` judges a recorded run again without a server, by the suite of this kvspec or by
//! `--scenarios DIR`, and says where a verdict changed: it exits with 0 where none did, with 1 where one did, and with 2
//! where the file cannot be used, or a scenario is gone. `kvspec report RUN.json` makes any report from it later.
//! [`report::Reporter`] takes the events for a report of your own.
//!
//! ## The page
//!
//! One file that needs nothing else and can be sent to anyone: no network, light or dark as the reader's system is, and
//! to be read without JavaScript; with it the cases can be narrowed down by words, backend, group of clauses and verdict.
//! A timeline shows how a case went: the commands on top by number, the wrong one in red; below them a lane for every
//! key, lease and watch, from the write that made it to the deletion or expiry that ended it. The time to live that was
//! granted is a bracket above, and the lag that the store has beyond it a shade behind, so that early and late can be
//! seen. Half of the width is shared evenly among the commands, for much may happen at one moment; the other half goes by
//! the time that each took. A watch's events stand where the script asked for them: the runner does not ask earlier.
//!
//! ## The JSON of a run
//!
//! Every line is an object with `"schema": 1` and the name of its `event`. A reader passes over events and fields that it
//! does not know; the number grows with a change that a reader would misunderstand. Spans of time, named `took`, `at`
//! and the like, are whole nanoseconds. Bytes are text where they are UTF-8, and else `{"base64": "…"}`; where they end in
//! more than 1,024 bytes that are all the same, as large values do, they are `{"start": BYTES, "fill": 46, "times": 4096}`.
//! What is not there is `null`. The lines of cases that end within 200 ms of each other are written together, with the next
//! event after that: a run that is killed may leave out the cases that ended last.
//!
//! | event | fields |
//! |---|---|
//! | `started` | `kvspec`: its version; `suite`: a hash of the scenarios; `unix_ms`: when; `cases`: how many |
//! | `target_started` | `backend`; `about`: what it is, or `missing`: why it is not there; `version` of the server; `capabilities` with its `limits`; `cases` |
//! | `case_started` | `backend`; `scenario`: its name |
//! | `case_finished` | `backend`; `scenario`: `name`, `path`, `hash` and `text`; `known`: its line in a list of known failures; `verdict`; `took` by the wall clock; `transcript`, `null` where it was skipped |
//! | `target_finished` | `backend`; `tally`: how many `passed`, `failed`, `known`, `inconclusive`, `errored`, `unfinished`, and `skipped` by reason; `took` |
//! | `finished` | `ended_early`: why, where it did; `took` |
//!
//! A `verdict` has a `kind`: `passed`, `skipped`, `known`, `failed`, `stale`, `inconclusive` or `errored`; a `reason` for
//! all but `passed` and `failed`; and a `mismatch` for `failed` and `known`: `line`, `command`, `diff` (lines that are
//! `same`, `expected` or `observed`) and `notes`.
//!
//! A `transcript` has an `end` (`finished`, `left_behind`, `broken`, `lost` or `aborted`) and `entries`, one a command:
//! `client` (`null` is the first), `label`, `at` and `took` on the store's clock, and the `answer`, which is
//! [`Answer`](transcript::Answer) with its variants in `snake_case`: `"done"`, `{"value": "v1"}`,
//! `{"events": {"events": [{"put": {"key": "k", "value": "v", "mod_revision": 3}}], …}}`. A variant of several parts has
//! them in a list. Keys stand as the script writes them, without the random prefix.
//!
//! The same as a JSON Schema (draft 2020-12), for tools and other languages, is `report::json::JSON_SCHEMA`, which stands in
//! `src/report/json/schema.json`: every line that this version writes is valid by it, and a line with any other field is not.
//!
//! `jq 'select(.verdict.kind == "failed") | .scenario.name' run.json` names what failed.
//!
//! # Exit codes
//!
//! | code | meaning |
//! |---|---|
//! | 0 | every case passed, or was skipped as allowed |
//! | 1 | a case failed, or a server that is required is not there |
//! | 2 | nothing can be said: a wrong call, a report that cannot be written, a bad script, nothing matched, an unclear case, a server that was named and is not there, or one that was lost midway |
//! | 130, 143 | the run was ended by Ctrl-C or SIGTERM |
//!
//! # What is left behind
//!
//! Nothing, after success, failure, a panic, Ctrl-C or SIGTERM: no container, no process, no folder, and no key. Each
//! case deletes what it wrote and nothing else; other keys of a server that you name are not touched. Leases of a time to
//! live under test run out by themselves within a minute. What a run left that was killed by SIGKILL is swept by the next
//! one: containers and folders whose owner is gone. On a server of yours its keys stay, below `/kvspec/run-…`.
//! Of the v2 API's directories the empty `/kvspec` stays.
//!
//! # Features
//!
//! | feature | what it brings |
//! |---|---|
//! | `cli` | the `kvspec` command |
//! | `report` | the reports that machines read, and reading a recorded run; `cli` brings it |
//! | `etcd` | the etcd v3 backend, on endpoints or a local process; its build needs `protoc` |
//! | `etcd-v2` | the etcd v2 backend, by HTTP and JSON, on the same servers |
//! | `container` | etcd in a container |
//! | `redis` | the Redis backend, on a URL or a local process; not on by default |
//!
//! All but the last are on by default. Without them there is all that a backend author needs: the traits, the scenarios, the runner,
//! the memory store and the harness.
//!
//! # Kinds of errors
//!
//! A store answers errors of kinds that all stores share, [`ErrorKind`](store::ErrorKind). What etcd says for each:
//!
//! | kind | in a script | etcd's message, or else its gRPC status |
//! |---|---|---|
//! | `LeaseNotFound` | `lease not found` | `requested lease not found`; −1 s left or a renewal for 0 s, which etcd does not call errors |
//! | `LeaseExists` | `lease exists` | `lease already exists` |
//! | `TtlTooLarge` | `ttl too large` | `too large lease TTL` |
//! | `EmptyKey` | `empty key` | `key is not provided` |
//! | `TooLarge` | `too large` | `request is too large`; gRPC's `message larger than max` |
//! | `Compacted` | `compacted` | `required revision has been compacted` |
//! | `FutureRevision` | `future revision` | `required revision is a future revision` |
//! | `DuplicateKey` | `duplicate key` | `duplicate key given in txn request` |
//! | `TooManyOps` | `too many operations` | `too many operations in txn request` |
//! | `KeyNotFound` | `key not found` | `key not found` |
//! | `KeyExists` | `key exists` | v2: code 105 |
//! | `NotAFile` | `not a file` | v2: codes 102 and 108 |
//! | `NotADirectory` | `not a directory` | v2: code 104 |
//! | `InvalidArgument` | `invalid argument` | `value is provided`, `lease is provided`; `INVALID_ARGUMENT` |
//! | `Denied` | `denied` | `permission denied`, `invalid auth token`, `authentication failed` and its like; `PERMISSION_DENIED`, `UNAUTHENTICATED` |
//! | `Unsupported` | `unsupported` | `not supported`; `UNIMPLEMENTED` |
//! | `Unavailable` | `unavailable` | `no leader`, `request timed out`, `too many requests`, `database space exceeded` and their like; `UNAVAILABLE`, `RESOURCE_EXHAUSTED`; a connection that failed |
//! | `DeadlineExceeded` | `deadline exceeded` | `DEADLINE_EXCEEDED`; no answer within kvspec's own deadline |
//! | `Canceled` | `canceled` | `watch canceled`; `CANCELLED` |
//! | `Closed` | `closed` | the client's own word |
//! | `Other` | `other` | any other message and status |

pub mod backend;
pub mod builtin;
#[cfg(feature = "cli")]
pub mod cli;
pub mod compare;
pub mod contract;
pub mod event;
pub mod harness;
pub mod known;
pub mod linear;
pub mod matrix;
pub mod mutants;
pub mod plan;
pub mod report;
pub mod runner;
pub mod scenario;
#[cfg(any(feature = "etcd", feature = "redis"))]
pub mod server;
#[cfg(any(feature = "cli", feature = "etcd", feature = "redis"))]
mod signal;
pub mod store;
pub mod suite;
pub mod target;
#[cfg(feature = "report")]
pub mod timeline;
pub mod transcript;
pub mod verdict;
#[cfg(feature = "report")]
mod wire;
