//! A conformance test suite for etcd and etcd-compatible stores: key-value stores that a cluster uses for configuration,
//! leases and watches.
//!
//! kvspec tests whether a running store keeps etcd's guarantees. The guarantees are the numbered clauses of
//! [the contract]; the tests are scenarios, scripts that anyone can read, each with the clauses that it checks. The
//! expected answers are what etcd's documentation promises; releases that break a promise are listed, see
//! [below](#known-failures).
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
//! A scenario has a title, calls the store, and states the answers that the contract requires:
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
//! on one of them; `kvspec list` lists every scenario with its title; `kvspec show NAME` prints one with line numbers;
//! `kvspec list --clauses` lists every clause with its scenarios. `kvspec self-check` runs the suite on mutants, which are
//! stores broken on purpose, until a scenario of its own clause has caught every mutant and every scenario has caught a
//! mutant; with `--full` it runs every scenario on every mutant. It fails if a mutant is not caught or a scenario catches
//! none, if a scenario does not pass on the memory store without a fault, and if a run on a mutant neither passes nor fails
//! although the mutant does not list it.
//!
//! # Plug in a store
//!
//! Implement [`Store`](store::Store) for one client of the store: six functions that every version of such an API has,
//! a base prefix below which it may write, and `close`. A store declares its other capabilities by what it returns from
//! `leases`, `revisions`, `transactions` and `directories`; a scenario that needs a missing capability is skipped with the
//! reason. Then define how a client is opened. A store that lives in the test's own process is made anew for every case, by
//! [`Fresh`](backend::Fresh); one that runs elsewhere is shared by all cases, each below its own random prefix, by
//! [`Shared`](backend::Shared); any other backend implements [`Backend`](backend::Backend). A whole
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
//! The library itself cannot use a dev-dependency, and a test may implement `Store` for its own types alone, so the test
//! wraps a client of the store in a newtype; the README has a complete one. The crates that an implementation needs are
//! re-exported: [`async_trait`](macro@async_trait), [`futures_util`], [`tokio`], [`tokio_stream`]. Until kvspec is
//! published, write `path` or `git` instead of `version`. `kvspec new DIR` creates a crate with all of it.
//!
//! `cargo test --test conformance` then runs tests such as `mine::core::watch::two-updates-one-key`, with filters, `--list`
//! and the other options of a test; see [`Harness`](harness::Harness). `examples/toy_store` is a small store that passes,
//! and `examples/durable_store` one on a database, with every capability, that is reopened.
//!
//! nextest runs as many tests at once as there are cores, which is slow for tests that wait more than they work. In
//! `.config/nextest.toml`:
//!
//! ```toml
//! [profile.default]
//! test-threads = 32
//!
//! # All but the conformance test works more than it waits.
//! [test-groups]
//! work = { max-threads = "num-cpus" }
//!
//! [[profile.default.overrides]]
//! filter = "not binary(conformance)"
//! test-group = "work"
//! ```
//!
//! For a constructor that is async or can fail, use [`Fresh::try_new`](backend::Fresh::try_new). With
//! [`Fresh::reopen`](backend::Fresh::reopen) a store that keeps its data is opened again on it, and its durability is tested.
//!
//! A store that sleeps on tokio's timers alone can run on virtual time, where a TTL of an hour costs nothing:
//! [`Fresh::on_virtual_time`](backend::Fresh::on_virtual_time), or with the wall clock too:
//! [`Fresh::on_both_clocks`](backend::Fresh::on_both_clocks). On the wall clock each case can have several threads, on
//! which data races of the store show: [`Fresh::on_threads`](backend::Fresh::on_threads). Where a store may be later than etcd, or cannot do what
//! the types allow, its [`Limits`](store::Limits) say so.
//!
//! # The scenario language
//!
//! A script is a file that ends with `.kv`, in the format of [goldenscript](https://docs.rs/goldenscript): commands, a
//! line `---`, the lines that they answer, an empty line, and so on. Your own scripts are run by
//! `kvspec run --scenarios DIR` or [`Harness::scenarios`](harness::Harness::scenarios). Their names are their paths.
//!
//! ## The header
//!
//! The comments at the top of a script:
//!
//! | line | meaning |
//! |---|---|
//! | `# One sentence.` | the title; the first comment, and the only one that is required |
//! | `# clauses: W2 L1` | the clauses of the contract that it checks |
//! | `# source: …` | the source of the requirement |
//! | `# needs: binary-keys` | what a store must have: `leases`, `revisions`, `transactions`, `directories` (which the folders `lease/`, `revision/`, `txn/` and `directory/` imply), `reopen` and `power-loss` (implied by the command `reopen`), `binary-keys` (keys that are not UTF-8), `disposable` (a history that may be compacted) |
//! | `# exact: …` | why its times must be those that it says: for a slow store they are not made longer |
//! | `# scales: N…` | numbers in it that are divided for a slow store, so that it makes fewer calls |
//! | `# sizes: max_value` | its sizes are those of a store that takes values of 1 MiB, and follow [`Limits::max_value`](store::Limits::max_value) |
//! | `# exclusive: …` | why nothing else may run at the same time on the same store |
//! | `# unread: …` | why its watches are read only when the script asks for events; `# unread: too` makes a second scenario of the script, `NAME-unread`, that runs so |
//!
//! ## Commands
//!
//! | command | what it does, and prints |
//! |---|---|
//! | `update KEY VALUE [ttl=SPAN \| lease=NAME]` | writes a key; the time granted must be no less than asked for. `lease=` names a lease of the script, or an id that was never granted: `unknown`, `negative`, `zero`. `bare=true` sends the empty key |
//! | `delete KEY` | deletes a key |
//! | `read KEY [at=REV]` | the value, or `(none)` |
//! | `list PREFIX [count=true \| limit=N] [at=REV]` | the keys in the order of the answer, or `(no keys)`; with `count`, how many and whether they ascend |
//! | `watch PREFIX [as=NAME] [from=REV]` | opens a watch, from now on or from a revision on; returns once it is established |
//! | `next WATCH` | waits for one event, with no further write that could push it out |
//! | `events WATCH [count=true \| since=MARK]` | every event since the last call, or `(no events)`; with `since`, each with its revision; with `count`, how many puts, deletes and keys |
//! | `unwatch WATCH` | ends a watch |
//! | `lease NAME ttl=SPAN [id=ID]` | requests a lease, under an ID of the client's choice if one is given |
//! | `keep_alive LEASE` | sets a lease back to its full time |
//! | `time_to_live LEASE` | the keys of a lease; what is left of it is judged |
//! | `revoke LEASE` | ends a lease at once |
//! | `expire KEY… \| expire lease=NAME` | waits until they are gone, and judges when: `KEY expired on time`, `early` or `late` |
//! | `survive KEY…` | waits until well after every TTL that they ever had: `KEY survived` |
//! | `wait SPAN` | lets time pass; no answer should depend on how much |
//! | `fill KEY [count=N] [distinct=N] [size=SIZE] [writers=N] [ttl=SPAN \| lease=NAME \| as=NAME]` | writes many keys, `KEY0000` and on, or one large value; with `as` in the background |
//! | `join FILL` | waits for a fill in the background |
//! | `mark NAME` | remembers the store's revision |
//! | `revision since=MARK` | how far the revision has moved: `m+2` |
//! | `metadata KEY [since=MARK]` | the key's version and revisions, or `(none)` |
//! | `compact REV` | has the store forget what was before a revision |
//! | `txn if "COMPARE"… then "OP"… else "OP"…` | a transaction: which branch was taken, and what its operations answered |
//! | `mkdir DIRECTORY` | makes a directory |
//! | `create KEY VALUE` | writes a key that must not exist yet |
//! | `race KIND KEY [clients=N] [rounds=N]` | many calls at once, judged as a whole: `register`, `cas`, `renew`, `prolong`, `watch`, `keep_alive`, `flip`, `fan`, `pending`, `resume`, `compact`, `refused`, `prompt` |
//! | `close` | closes the client; afterwards every call answers `error: closed` |
//! | `reopen [crash=true \| power_loss=true]` | ends the store and opens it again on its data: the clients are closed first, or only dropped; watches end, and clients are opened anew when they are next named |
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
//! `"read k"`, `"list k"`, `"fill k 129"` (so many puts) or `"fill k 3 600KiB"` (so many, each of that size).
//!
//! ## Bytes
//!
//! Keys and values are bytes. A word of letters, digits and `_-./@` is literal; anything else goes in double
//! quotes, where `\"`, `\\`, `\n`, `\r`, `\t` and `\xff` (any byte) have their usual meaning, and other text is UTF-8. A
//! character from U+0080 to U+00FF is read as the one byte of that number, so write `"\xc3\xa9"` for an é. Answers print
//! bytes the same way; a value of more than 80 bytes is printed as its length and a hash.
//!
//! Every run of a scenario lives below a random prefix, which the runner puts before each key and takes off again. A key
//! that a store answers from elsewhere shows as `outside:…`.
//!
//! # How time is judged
//!
//! No scenario sleeps for luck. `expire` measures from before the request that granted the TTL to the first look
//! that found the key gone, and judges both bounds against the *granted* TTL: a key that is gone before it has elapsed is as
//! wrong as one that exists after it plus the lag that the store is allowed, [`Limits::expiry_lag`](store::Limits::expiry_lag). Each moment
//! is a bound that holds however late the runner looked. A machine too busy to look in time makes the case *unclear*,
//! which is neither passed nor failed, and never green.
//!
//! How many cases run at once follows what is seen, with [`Harness`](harness::Harness) as with `kvspec run`, unless
//! [`Harness::at_once`](harness::Harness::at_once) or `--jobs` says it. A store in real time has a few dozen at first and up to 256
//! while it answers quickly; while most calls take several times as long as the fastest one, and 150 ms at least, or no
//! more clients can be opened, it has fewer. A case that was unclear runs again when
//! only a few others still run, and if it is unclear there too, at the end and alone; so does one in which the store
//! said that it was unavailable: the last run counts. Alone its TTLs and waits are longer, by as much as the calls that were seen ask for. A scenario of thousands of calls makes fewer on a store
//! whose calls take long. Both are noted after its title: `[times × 4, sizes ÷ 10]`. An
//! `exclusive` scenario always runs alone, also where each test is a process of its own, as under nextest.
//!
//! A call that does not answer within the deadline (`--deadline`, 10 s) answers `error: deadline exceeded`; so a store
//! that hangs fails its scenarios and does not block the run. After a call that reached no server, kvspec checks several
//! times whether the store is still there; if it is not, the run ends.
//!
//! # How watches are read
//!
//! From its opening on, every watch has a reader of its own, with a read always pending, as in a client that waits for
//! events: what a pending read keeps waiting, and what is lost while others write, shows. What the reader takes waits,
//! up to 256 MiB a watch, until the script asks for it. A scenario whose header says `unread:` runs without readers: there
//! a watch is read only when the script asks, as by a client that is busy.
//!
//! `race pending` measures every kind of call, first with no watch open and then while watches of the same client have
//! reads pending. A call waits if it takes more than 100 ms, and more than ten times as long as the slowest call took
//! with no watch open, five times in a row, while the same call in between, with no watch open, does not.
//!
//! # How events are counted
//!
//! `events` writes a key of its own below the watch's prefix: a fence, which the watch receives after all that came
//! before. The fence is hidden, and the events before it are all there are. So exactly N events are counted, without waiting for a
//! quiet period. `next` writes nothing: it catches a watch that delivers only once something else pushes it.
//!
//! # Generated programs
//!
//! `kvspec explore --backend etcd --programs 1000` draws programs from the commands of scenarios, runs each on the memory
//! store and on another, and compares answer by answer with the judge of scenarios: keys collide, prefixes nest, leases
//! move, watches overlap, TTLs end in the middle, and several clients take turns. The same seed makes the same programs on
//! stores of the same capabilities and clock. A program that is answered differently is shrunk to a script of a few
//! commands, which `--out DIR` writes: give it a title, and it is a scenario. `--corpus DIR` replays such scripts first.
//! `--against BACKEND` expects the answers of another store instead of the memory store's. At the end it prints which
//! commands were run, and which right after which other. [`Harness::explore`](harness::Harness::explore) is the same as a
//! test of a backend.
//!
//! Programs count revisions only if nothing else runs at the same time. What etcd leaves open is let be, or not drawn:
//!
//! - when a key goes between the end of its TTL and [`Limits::expiry_lag`](store::Limits::expiry_lag): programs wait for
//!   the end of every TTL that comes near, and `expire` judges it on both sides;
//! - in which order keys go whose TTLs end within that lag of each other;
//! - all answers after a TTL that one store granted for longer;
//! - which events a watch still delivers when its client is closed;
//! - whether a compaction overtakes a watch that begins in the past and was not read yet;
//! - which of two lease ids is greater.
//!
//! # Known failures
//!
//! A store that is known to break a clause runs with `--known-failures FILE`. A line of the list is a scenario's name,
//! in which a star matches any characters, and a reason: `core/ttl/* # counts in whole minutes`, or
//! `core/watch/burst # flaky 5: …` for one that is tried up to five times. A name as `cargo test` prints it works too, and
//! is about that backend alone: `redb::core::ttl::zero # …`, `redb::core/ttl/* # …`. The list is checked too: a
//! listed scenario that passes, and a line that matches no scenario, are failures.
//!
//! A range of versions may follow the name: `revision/watch-from-a-compacted-delete <3.4.34 | >=3.5.0 <3.5.16 # …` is
//! about servers that state such a version, and about no other; the bounds of a range (`<`, `<=`, `>`, `>=`, `=`) all
//! hold, and `|` separates ranges. A suffix such as `-rc.1` does not count. A server that states no version, or one that
//! cannot be read, is in no range. Of several lines for one scenario the first in a list that applies decides, and of
//! several lists the last.
//!
//! The lists of releases of etcd, of etcd's v2 API and of Redis are part of kvspec (`known-failures/*.txt`), and the
//! backends of those names use them by default; `--no-known-failures` turns that off, e.g. for another server behind
//! `--backend etcd` that reports the version of an etcd and does not have its faults.
//!
//! `kvspec matrix --target etcd:PATH --target etcd:PATH` shows several server programs side by side, each under the
//! version that it reports, and fails if a case fails that is not a known failure. `scripts/etcd-versions` fetches five releases
//! of etcd, and Valkey, and prints them as `--target` takes them.
//!
//! # Servers
//!
//! etcd is looked for in this order, and the first that passes a check (a version, a put, a read, a delete) is used:
//!
//! 1. endpoints that you name;
//! 2. a container of `gcr.io/etcd-development/etcd:v3.5.1`, published on loopback;
//! 3. an `etcd` program, as a child process on free ports, with its data in a temporary folder: the one in `KVSPEC_ETCD`,
//!    else the first on `PATH`, else v3.5.1 as `scripts/setup` of kvspec's repository fetches it into the user's cache
//!    folder, `~/.cache/kvspec/etcd-3.5.1/etcd`;
//! 4. none: a red warning says why each way failed, its cases are skipped, and the run stays green, unless a server is
//!    required.
//!
//! Named endpoints that do not answer end the search, so that no other server is tested instead: with `--endpoints` that
//! server alone is tested, an empty list of endpoints is an error, and a run in which a backend that `--backend` names is
//! missing exits with 2. A server of another version is used, and its version is printed. If no container could be started,
//! the run prints the reason with the program that it started instead. kvspec fetches no program; if no image registry can
//! be reached, `scripts/etcd-image` builds the image.
//!
//! A scenario of durability ends its server and starts it again on its data, so it runs on an etcd process of its own that
//! no other case uses, and that `KVSPEC_ETCD` or `PATH` gives. It is skipped with the reason if you name endpoints, or if
//! that program is not of the version of the container that the other cases run on.
//!
//! The backend `etcd-v2` speaks the v2 API of such a server. One that kvspec starts for it has that API switched on; one
//! that you name must have been started with `--enable-v2=true`. It speaks plain HTTP, and what v2 is known to do
//! differently is in `known-failures/etcd-v2.txt`.
//!
//! | variable | flag | meaning |
//! |---|---|---|
//! | `ETCD_ENDPOINTS` | `--endpoints` | client URLs, separated by commas |
//! | | `--server` | where the server comes from: `auto`, `endpoints`, `container` or `process` |
//! | `ETCDCTL_CACERT` | `--cacert` | the CA certificate of the server, PEM |
//! | `ETCDCTL_CERT`, `ETCDCTL_KEY` | `--cert`, `--key` | client certificate and key, PEM |
//! | `ETCDCTL_USER`, `ETCDCTL_PASSWORD` | `--user` | the user, as `name:password` or apart; a password is never an argument |
//! | `KVSPEC_ETCD` | | the `etcd` program to run; otherwise the first on `PATH`, or the one that was fetched |
//! | `XDG_CACHE_HOME` | | the user's cache folder; otherwise `~/.cache` |
//! | `KVSPEC_ETCD_IMAGE` | | the image to run, as `repository:tag` |
//! | `KVSPEC_REQUIRE_SERVER` | `--require-server` | set to `1`, a server that is not there is a failure |
//! | `KVSPEC_DISPOSABLE` | `--disposable` | set to `1`, scenarios may compact the server's history |
//! | `DOCKER_HOST` | | the Docker engine, which must be this machine's |
//! | `NO_COLOR` | `--color` | no colour; `CLICOLOR_FORCE` set to `1` forces colour without a terminal |
//!
//! Redis, in a kvspec built with `--features redis`, is tested with `--backend redis`: the server at a URL, or
//! else a `redis-server` program as a child process, on loopback and with nothing kept on disk. A server that is named
//! must have `notify-keyspace-events` set to `Kg$xe` at least; kvspec changes no setting of it. The known failures of
//! Redis, with the reasons, are in `known-failures/redis.txt`.
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
//! # Shards
//!
//! `kvspec run --shard 2/4` runs the second of four parts of the scenarios that were chosen. They are split by the time that
//! each is expected to take, and by nothing else, so that every machine and every run of the same scenarios comes to the same
//! parts. In a pod of a Kubernetes Indexed Job the shard follows from `JOB_COMPLETION_INDEX`, which Kubernetes sets, if
//! `KVSPEC_SHARDS` is set to the number of shards; `--shard` overrides both. `examples/kubernetes` has such a Job.
//!
//! Each shard needs a server of its own: exclusive scenarios count the revisions of the whole server, and a case of another
//! shard would change them.
//!
//! Record each shard with `--json`; then `kvspec report 1.json 2.json 3.json 4.json` makes one page, JUnit file or matrix of
//! them, in which the time of a backend is that of its slowest shard. If a shard is missing, `kvspec report` and `kvspec judge`
//! say which and exit with 2, and every report says that the run ended early.
//!
//! # Reports
//!
//! All reports are made from the events of a run; none changes how it goes. Every file is opened before the first case;
//! if one cannot be, the command fails at once and changes none of them. `-` is the standard output, which takes one
//! report; the report for people then goes to the standard error.
//!
//! | flag | report |
//! |---|---|
//! | `--verbose` | the commands of each case: when each began, how long it took, its answer |
//! | `--quiet` | only what did not pass, and the result |
//! | `--json FILE` | the whole run, an object an event and line |
//! | `--junit FILE` | JUnit XML, a suite a backend; a known failure is skipped with its reason, an unclear case an error |
//! | `--html FILE` | a page for a browser: a grid of verdicts, and each case with its title, clauses, script, observations and timeline |
//! | `--serve-report ADDRESS` | the same page while the run goes on, such as at `127.0.0.1:0`; loopback only, and it ends with the run |
//! | `--github` | an annotation a failure, and a summary of the step; on where `GITHUB_ACTIONS` is set |
//! | `--matrix FILE` | tables in Markdown of what each backend does: functions, capabilities and groups of clauses |
//! | `--badge FILE` | what [shields.io](https://shields.io/badges/endpoint-badge) shows from an address |
//!
//! `kvspec judge RUN.json` judges a recorded run again without a server, by the suite of this kvspec or by
//! `--scenarios DIR`, and reports which verdicts changed: it exits with 0 if none changed, with 1 if one did, and with 2
//! if the file cannot be used or a scenario is gone. `kvspec report RUN.json` makes any report from it later. Both take
//! several files and merge them into one run: the [shards](#shards) of a run, and runs of other backends. They refuse a case
//! that two files hold, a scenario whose script differs between files, and a backend that differs in version or capabilities.
//! [`report::Reporter`] takes the events for your own report.
//!
//! ## From `cargo test`
//!
//! A test program that is made of [`Harness`](harness::Harness) shows each failure when it comes, on the standard error, and
//! closes with the table by group of clauses that `kvspec run` has. [`Harness::html`](harness::Harness::html), `json` and
//! `junit` name files for it, and so do variables, for one run: `KVSPEC_HTML=run.html cargo test --test conformance`. The
//! files need the feature `report`; they are opened before the first case and written after the last, and are of the cases
//! that were run. A path is taken from where the program runs, which under cargo is the folder of its package; several test
//! programs of one `cargo test` would overwrite each other's file. Under nextest each test is a process of its own, and
//! neither table nor files are written: nextest has a JUnit report, and `kvspec run` the others.
//!
//! | variable | function | report |
//! |---|---|---|
//! | `KVSPEC_HTML` | `html` | the page |
//! | `KVSPEC_JSON` | `json` | the recorded run |
//! | `KVSPEC_JUNIT` | `junit` | JUnit XML |
//!
//! ## The page
//!
//! One file that needs nothing else and can be sent to anyone: no network, light or dark as the reader's system is, and
//! to be read without JavaScript; with it the cases can be narrowed down by words, backend, group of clauses and verdict.
//! A timeline shows how a case went: the commands on top by number, the wrong one in red; below them a lane for every
//! key, lease and watch, from the write that made it to the deletion or expiry that ended it. The granted TTL
//! is a bracket above, and the lag that the store has beyond it a shade behind, so that early and late can be
//! seen. Half of the width is shared evenly among the commands, because much may happen at one moment; the other half goes by
//! the time that each took. A watch's events stand where the script asked for them, which may be later than they came.
//!
//! ## The JSON of a run
//!
//! Every line is an object with `"schema": 2` and the name of its `event`. A reader passes over events and fields that it
//! does not know; the number grows with a change that a reader would misunderstand. Durations, named `took`, `at`
//! and the like, are whole nanoseconds. Bytes are text where they are UTF-8, and else `{"base64": "…"}`. A value of more
//! than 80 bytes is its length and hash: `{"bytes": 4096, "hash": "0c5f0409"}`. A missing value is `null`. Runs of schema 1 are
//! read too. The lines of cases that end within 200 ms of each other are written together, with the next
//! event after that: a run that is killed may leave out the cases that ended last.
//!
//! | event | fields |
//! |---|---|
//! | `started` | `kvspec`: its version; `suite`: a hash of the scenarios, of all shards together; `unix_ms`: when; `cases`: how many; `shard`: its `index`, counted from 1, and the `count`, or `null` if all scenarios are run |
//! | `target_started` | `backend`; `about`: what it is, or `missing`: why it is not there; `version` of the server; `capabilities` with its `limits`; `cases` |
//! | `case_started` | `backend`; `scenario`: its name |
//! | `case_finished` | `backend`; `scenario`: `name`, `path`, `hash` and `text`; `known`: its line in a list of known failures; `verdict`; `took` by the wall clock; `transcript`, `null` if it was skipped |
//! | `target_finished` | `backend`; `tally`: how many `passed`, `failed`, `known`, `unclear`, `errored`, `unfinished`, and `skipped` by reason; `took` |
//! | `finished` | `ended_early`: the reason, or `null`; `took` |
//!
//! A `verdict` has a `kind`: `passed`, `skipped`, `known`, `failed`, `stale`, `unclear` or `errored`; a `reason` for
//! all but `passed` and `failed`; and a `mismatch` for `failed` and `known`: `line`, `command`, `clause` (the one that
//! the answer breaks, where the answer shows which), `diff` (lines that are `same`, `expected` or `observed`) and `notes`.
//!
//! A `transcript` has an `end` (`finished`, `left_behind`, `broken`, `lost` or `aborted`), the `clock` of its times (`wall`
//! or `virtual`), and `entries`, one a command:
//! `client` (`null` is the first), `label`, `at` and `took` on the store's clock, and the `answer`, which is
//! [`Answer`](transcript::Answer) with its variants in `snake_case`: `"done"`, `{"value": "v1"}`,
//! `{"events": {"events": [{"put": {"key": "k", "value": "v", "mod_revision": 3}}], …}}`. A variant of several parts has
//! them in a list. Keys stand as the script writes them, without the random prefix.
//!
//! The same as a JSON Schema (draft 2020-12), for tools and other languages, is `report::json::JSON_SCHEMA`, the file
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
//! | 2 | no verdict: a wrong call, a report that cannot be written, a bad script, nothing matched, an unclear case, a backend or server that was named and is not there, or a server that was lost midway |
//! | 130, 143 | the run was ended by Ctrl-C or SIGTERM |
//!
//! # What is left behind
//!
//! After success, failure, a panic, Ctrl-C or SIGTERM: no container, no process, no folder, and no key. Each case deletes
//! what it wrote and nothing else, and gives up after 30 s in which no key could be deleted; other keys of a server that
//! was named are not touched. Leases of a TTL under test expire by themselves within a minute. The next run sweeps what a
//! run left that was killed by SIGKILL: containers and folders whose owner is gone. On a server that was named its keys
//! stay, below `/kvspec/run-…`. Of the v2 API's directories the empty `/kvspec` stays. The two lock
//! files of a shared store in the temporary folder, which keep the runs of several processes apart, go with the last run
//! that needs them; one that was killed leaves them.
//!
//! # Features
//!
//! | feature | what it adds |
//! |---|---|
//! | `cli` | the `kvspec` command |
//! | `mutants` | the stores broken on purpose, and the check that the suite catches each; part of `cli` |
//! | `explore` | random programs, compared with the memory store: `kvspec explore` and `Harness::explore`; part of `cli` |
//! | `report` | the reports that machines read, and reading a recorded run; part of `cli` |
//! | `etcd` | the etcd v3 backend, on endpoints or a local process; its build needs `protoc` |
//! | `etcd-v2` | the etcd v2 backend, by HTTP and JSON, on the same servers |
//! | `power-loss` | an etcd of kvspec's own that loses power (`reopen power_loss=true`): its data is on a FUSE file system that forgets what was not synced; on Linux, as root, with `/dev/fuse` |
//! | `container` | etcd in a container |
//! | `redis` | the Redis backend, on a URL or a local process; not on by default |
//!
//! All but `redis` and `power-loss` are on by default. Without them the crate has what a backend author needs: the traits, the scenarios, the runner,
//! the memory store and the harness.
//!
//! # What is stable
//!
//! The modules that this documentation shows are for authors of backends and of reports. What it hides serves the command
//! and kvspec's own tests, and may change in any release. Structs to which fields will be added are `non_exhaustive`: they
//! are made by their constructors, such as [`Limits::with_expiry_lag`](store::Limits::with_expiry_lag) and
//! [`Page::new`](store::Page::new).
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

/// The attribute for implementations of [`Store`](store::Store) and its extension traits.
pub use async_trait::async_trait;
/// The streams that [`WatchStream`](store::WatchStream) is made of: `futures_util::stream::unfold`, `StreamExt::boxed`.
pub use futures_util;
/// The runtime of every case.
pub use tokio;
/// Streams of tokio's channels, such as `tokio_stream::wrappers::UnboundedReceiverStream`.
pub use tokio_stream;

pub mod backend;
#[doc(hidden)]
pub mod builtin;
#[doc(hidden)]
pub mod capability;
#[cfg(feature = "cli")]
#[doc(hidden)]
pub mod cli;
#[doc(hidden)]
pub mod command;
#[doc(hidden)]
pub mod compare;
pub mod contract;
mod effect;
pub mod event;
#[cfg(feature = "explore")]
#[doc(hidden)]
pub mod explore;
pub mod harness;
#[doc(hidden)]
pub mod history;
pub mod known;
mod lock;
#[doc(hidden)]
pub mod matrix;
mod missing;
#[cfg(feature = "mutants")]
#[doc(hidden)]
pub mod mutants;
mod named;
#[doc(hidden)]
pub mod plan;
pub mod report;
#[doc(hidden)]
pub mod runner;
pub mod scenario;
#[cfg(any(feature = "etcd", feature = "redis"))]
#[doc(hidden)]
pub mod server;
mod session;
#[cfg(unix)]
mod signal;
pub mod store;
#[doc(hidden)]
pub mod suite;
#[doc(hidden)]
pub mod target;
#[cfg(feature = "report")]
#[doc(hidden)]
pub mod timeline;
pub mod transcript;
#[doc(hidden)]
pub mod verdict;
mod wire;
#[doc(hidden)]
pub mod words;
