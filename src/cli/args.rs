//! The arguments of the command line.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};

#[cfg(feature = "etcd")]
use super::backends::Etcd;
use super::backends::{self, BackendArgs, FlagArgs, Other, Program};
use super::known::{KnownArgs, ListsArgs};
use super::report_files::ReportFiles;
use super::{Problem, said};
use crate::builtin;
use crate::contract;
use crate::explore::Search;
use crate::harness::REQUIRE_SERVER;
use crate::plan::{Filter, JOB_INDEX, SHARDS, Shard};
use crate::runner::Abort;
use crate::scenario::{self, Scenario};
use crate::target::Target;
use crate::words::Span;

/// Test whether a running store keeps etcd's guarantees.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  kvspec run                                     the memory store, and etcd if a server is found
  kvspec run --backend etcd core/watch           the watch scenarios on etcd alone
  kvspec run --endpoints http://127.0.0.1:2379   your own server
  kvspec run --html run.html                     a page for the browser, with a timeline of every case
  kvspec run --junit run.xml --json run.json     reports for machines, and a recorded run
  kvspec list                                    every scenario and its title

Exit codes: 0 passed or skipped, 1 failed, 2 no verdict."
)]
pub(super) struct Args {
    /// Colour; auto uses it on a terminal, unless NO_COLOR is set.
    #[arg(long, global = true, value_enum, value_name = "WHEN", default_value_t = Color::Auto)]
    pub color: Color,
    #[command(subcommand)]
    pub job: Job,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

#[derive(Debug, Subcommand)]
pub(super) enum Job {
    /// Run scenarios against stores.
    #[command(after_help = "\
Example:
  kvspec run --backend etcd --endpoints http://127.0.0.1:2379 --exact core/watch/two-updates-one-key")]
    Run(Box<RunArgs>),
    /// Judge a recorded run again, without a server, and report which verdicts changed.
    #[command(after_help = "\
Example: judge yesterday's run by a changed script
  kvspec run --json run.json
  kvspec judge run.json --scenarios scenarios

Exit codes: 0 every verdict is the same, 1 one changed, 2 a file cannot be used, or a scenario or a shard is missing.")]
    Judge(JudgeArgs),
    /// Write reports of recorded runs.
    #[command(after_help = "\
Example:
  kvspec report run.json --html run.html --junit run.xml
Example: four shards, each recorded on a machine of its own, on one page
  kvspec report shard-1.json shard-2.json shard-3.json shard-4.json --html run.html

Exit codes: 0 the reports are written, 2 a file cannot be used or a shard is missing.")]
    Report(ReplayArgs),
    /// Run the same scripts on two stores, and show which answers differ.
    #[command(after_help = "\
Example: before an upgrade
  kvspec compare --endpoints http://127.0.0.1:2379 --with-endpoints http://127.0.0.1:2381")]
    Compare(Box<CompareArgs>),
    /// Run random programs on a store, and write a script of each answer that the memory store, or another store, does not give.
    #[command(after_help = "\
Example: ten minutes, with the scripts of earlier searches first
  kvspec explore --backend etcd --for 10m --seed 7 --corpus corpus --out corpus
Example: before an upgrade, two stores without a model
  kvspec explore --against etcd --endpoints http://127.0.0.1:2379 --with-endpoints http://127.0.0.1:2381

Programs leave out whatever the known-failure lists name; the output names each.
Scripts of earlier searches are run first only if --corpus names their folder.

Exit codes: 0 no difference, 1 a difference, 2 a server is missing, nothing could be compared, or a usage error.")]
    Explore(Box<ExploreArgs>),
    /// Create a crate with a small store that passes, as a start for your own.
    #[command(after_help = "Example:\n  kvspec new demo && cd demo && cargo test")]
    New(NewArgs),
    /// Compare the results of several stores, measured in one run.
    #[command(after_help = "Example:\n  kvspec matrix --backend memory,etcd --markdown")]
    Matrix(Box<MatrixArgs>),
    /// List scenarios with their titles and clauses; starts nothing.
    #[command(after_help = "Example:\n  kvspec list core/ttl")]
    List(ListArgs),
    /// Print scenarios with line numbers.
    #[command(after_help = "Example:\n  kvspec show core/watch/two-updates-one-key")]
    Show(ShowArgs),
    /// Run the suite on stores broken on purpose (mutants), and fail if it misses one.
    #[command(name = "self-check", after_help = "Example:\n  kvspec self-check --full --verbose")]
    SelfCheck(SelfCheckArgs),
    /// Write the answers of etcd v3.5.1 to scripts, each next to its script as FILE.new.
    #[cfg(feature = "etcd")]
    #[command(after_help = "Example:\n  kvspec record --scenarios scenarios core/watch")]
    Record(RecordArgs),
    /// Start the server that `run` would use, and run a command with ETCD_ENDPOINTS set.
    #[cfg(feature = "etcd")]
    #[command(after_help = "Example:\n  kvspec serve -- cargo nextest run")]
    Serve(ServeArgs),
    /// Print a completion script for a shell.
    #[command(
        after_help = "Example:\n  kvspec completions bash >~/.local/share/bash-completion/completions/kvspec"
    )]
    Completions(CompletionsArgs),
    /// Print the man page.
    #[command(after_help = "Example:\n  kvspec man >~/.local/share/man/man1/kvspec.1")]
    Man,
}

#[derive(Debug, Group)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Backends, separated by commas [default: memory,etcd; with --endpoints etcd alone]
    #[arg(long, value_delimiter = ',', value_parser = backends::name)]
    pub backend: Vec<String>,
    #[command(flatten)]
    pub known: KnownArgs,
    /// Shard to run, of N shards of equal expected time; each needs its own server [default in a Kubernetes Indexed Job
    /// with KVSPEC_SHARDS=N: from JOB_COMPLETION_INDEX]
    #[arg(long, value_name = "K/N")]
    pub shard: Option<Shard>,
    /// Number of cases that run at once [default: adapts to how fast the store answers]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    #[command(flatten)]
    pub calls: CallArgs,
    /// Fail if no server is found, instead of skipping its cases.
    #[arg(long, env = REQUIRE_SERVER, hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub require_server: bool,
    #[command(flatten)]
    pub report: ReportArgs,
    /// Loopback address to serve the HTML page at during the run, such as 127.0.0.1:0.
    #[arg(long, value_name = "ADDRESS", help_heading = "Reports", value_parser = address)]
    pub serve_report: Option<SocketAddr>,
    #[command(flatten)]
    pub backends: BackendArgs,
}

/// What holds for the calls of a store.
#[derive(Debug, Group)]
pub(super) struct CallArgs {
    /// Time limit of one call to the store, such as 500ms.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = deadline)]
    pub deadline: Duration,
}

/// The reports of a run, and where they go.
#[derive(Debug, Group)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// Show the answers of every case, with times.
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show only what did not pass, and the result.
    #[arg(short, long)]
    pub quiet: bool,
    #[command(flatten)]
    pub files: ReportFiles,
    /// Annotations and a step summary for GitHub Actions [default there: on]
    #[arg(long, env = "GITHUB_ACTIONS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub github: bool,
}

#[derive(Debug, Group)]
pub(super) struct ReplayArgs {
    /// Files of `kvspec run --json`; several are merged: shards of a run, and runs of other backends.
    #[arg(value_name = "RUN.json", required = true)]
    pub runs: Vec<PathBuf>,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Group)]
pub(super) struct JudgeArgs {
    /// Files of `kvspec run --json`; several are merged: shards of a run, and runs of other backends.
    #[arg(value_name = "RUN.json", required = true)]
    pub runs: Vec<PathBuf>,
    /// Folder of the scripts to judge by [default: the suite that is part of the program]
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:0".into())
}

fn deadline(text: &str) -> Result<Duration, String> {
    match text.parse::<Span>()?.0 {
        Duration::ZERO => Err("expected a duration of more than 0".into()),
        span => Ok(span),
    }
}

#[derive(Debug, Group)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// List clauses with the scenarios that check them instead, and fail if there is a gap.
    #[arg(long)]
    pub clauses: bool,
}

#[derive(Debug, Group)]
pub(super) struct ShowArgs {
    /// Names of scenarios, as `kvspec list` prints them.
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
    /// Folder of the scripts [default: the suite that is part of the program]
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

impl ShowArgs {
    /// The scenarios of these names.
    pub fn choose(&self) -> Result<Vec<Arc<Scenario>>, Problem> {
        let filter = Filter { patterns: self.names.clone(), exact: true, skip: Vec::new() };
        filter.choose(suite(self.scenarios.as_deref())?).map_err(said)
    }
}

/// The scripts below a folder, or else the embedded suite.
fn suite(folder: Option<&Path>) -> Result<Vec<Scenario>, Problem> {
    let suite = match folder {
        Some(folder) => scenario::from_dir(folder).map_err(said)?,
        None => scenario::embedded().map_err(said)?,
    };
    contract::refuse_unknown(&suite).map_err(said)?;
    Ok(suite)
}

impl RunArgs {
    /// The shard to run: the one that is named, or else that of a pod of an Indexed Job.
    pub fn shard(&self) -> Result<Option<Shard>, Problem> {
        if self.shard.is_some() {
            return Ok(self.shard);
        }
        let [index, shards] = [JOB_INDEX, SHARDS].map(|name| std::env::var(name).ok());
        Shard::of_job(index.as_deref(), shards.as_deref()).map_err(said)
    }

    /// The backends to run against.
    pub fn backends(&self) -> Vec<String> {
        match self.backend.as_slice() {
            [] => self.backends.defaults(),
            named => named.into(),
        }
    }

    /// Whether the command line asks for this backend, so that a run without it is not what was asked for.
    pub fn names(&self, backend: &str) -> bool {
        self.backend.iter().any(|name| name == backend)
    }
}

#[derive(Debug, Group)]
pub(super) struct NewArgs {
    /// Folder of the crate, which has its last name.
    #[arg(value_name = "DIR")]
    pub folder: PathBuf,
    /// Folder of the kvspec to depend on [default: the published one, or the clone that this program was built in]
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// First store.
    #[arg(long, default_value = "etcd", value_parser = backends::name)]
    pub backend: String,
    /// Second store.
    #[arg(long, default_value = "etcd", value_parser = backends::name)]
    pub with: String,
    #[command(flatten)]
    pub calls: CallArgs,
    #[command(flatten)]
    pub backends: BackendArgs,
    #[command(flatten)]
    pub other: FlagArgs<Other>,
}

#[derive(Debug, Group)]
pub(super) struct ExploreArgs {
    /// Number of programs [default: 1000; with --for as many as fit]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    pub programs: Option<u64>,
    /// Time limit of the search, such as 90s or 10m.
    #[arg(long = "for", value_name = "SPAN", value_parser = deadline)]
    pub within: Option<Duration>,
    /// Seed of the programs: the same seed makes the same programs.
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// Number of differences that end the search.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub findings: u16,
    /// Store to test.
    #[arg(long, default_value = "etcd", value_parser = backends::name)]
    pub backend: String,
    /// Store whose answers are expected instead of the memory store's.
    #[arg(long, value_name = "BACKEND", value_parser = backends::name)]
    pub against: Option<String>,
    /// Folder for the scripts of differences.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Folder of scripts from earlier searches, run first.
    #[arg(long, value_name = "DIR")]
    pub corpus: Option<PathBuf>,
    /// Number of programs at once [default: as with run]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    #[command(flatten)]
    pub known: ListsArgs,
    #[command(flatten)]
    pub calls: CallArgs,
    #[command(flatten)]
    pub backends: BackendArgs,
    #[command(flatten)]
    pub other: FlagArgs<Other>,
}

/// How many programs are run if neither their number nor a time is given.
const PROGRAMS: u64 = 1000;

impl ExploreArgs {
    /// What to search for.
    pub fn search(&self) -> Search {
        let programs = self.programs.unwrap_or(match self.within {
            Some(_) => u64::MAX,
            None => PROGRAMS,
        });
        Search {
            seed: self.seed,
            programs,
            within: self.within,
            findings: self.findings.into(),
            jobs: self.jobs.map(usize::from),
        }
    }
}

#[derive(Debug, Group)]
pub(super) struct MatrixArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Backends to show, separated by commas [default: all in this build, unless --target is given]
    #[arg(long, value_delimiter = ',', value_parser = backends::name)]
    pub backend: Vec<String>,
    /// Server program to show, such as etcd:/usr/bin/etcd; its column is named by its version.
    #[arg(long, value_name = "BACKEND:PROGRAM")]
    pub target: Vec<Program>,
    #[command(flatten)]
    pub known: KnownArgs,
    /// Print Markdown.
    #[arg(long)]
    pub markdown: bool,
    /// File whose tables between `<!-- matrix -->` and `<!-- /matrix -->` must be the same; fails if they differ.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["filter", "skip"])]
    pub check: Option<PathBuf>,
    #[command(flatten)]
    pub backends: BackendArgs,
}

impl MatrixArgs {
    /// The targets to show: those that are known by their names, and those that are programs.
    pub fn targets(&self, abort: &Abort) -> Result<[Vec<Target>; 2], Problem> {
        let programs = self.target.iter().map(|one| self.backends.program(one, abort));
        let programs: Vec<_> = programs.collect::<Result<_, _>>()?;
        let names: Vec<_> = match self.backend.as_slice() {
            [] if programs.is_empty() => builtin::names().collect(),
            names => names.iter().map(String::as_str).collect(),
        };
        let named = names.into_iter().map(|name| self.backends.target(name, abort));
        Ok([named.collect::<Result<_, _>>()?, programs])
    }
}

#[derive(Debug, Group)]
pub(super) struct SelfCheckArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Parts of the names of the mutants to run.
    #[arg(long, value_name = "FILTER")]
    pub mutant: Vec<String>,
    /// Run every scenario on every mutant, instead of stopping once each mutant is caught.
    #[arg(long)]
    pub full: bool,
    /// List every scenario that caught a mutant, and show the first failure by its own clause.
    #[arg(short, long)]
    pub verbose: bool,
}

/// The choice of scenarios.
#[derive(Debug, Group)]
pub(super) struct ChoiceArgs {
    /// Parts of scenario names [default: all scenarios]
    pub filter: Vec<String>,
    /// Match filters as whole names.
    #[arg(long)]
    pub exact: bool,
    /// Parts of the names of scenarios to leave out.
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
    /// Folder of the scripts [default: the suite that is part of the program]
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

impl ChoiceArgs {
    /// Whether only a part of the scenarios is wanted.
    pub fn is_part(&self) -> bool {
        !self.filter.is_empty() || !self.skip.is_empty()
    }

    /// Every scenario that there is to choose from.
    pub fn suite(&self) -> Result<Vec<Scenario>, Problem> {
        suite(self.scenarios.as_deref())
    }

    /// The scenarios that are wanted.
    pub fn choose(&self) -> Result<Vec<Arc<Scenario>>, Problem> {
        let filter =
            Filter { patterns: self.filter.clone(), exact: self.exact, skip: self.skip.clone() };
        filter.choose(self.suite()?).map_err(said)
    }
}

#[derive(Debug, Group)]
pub(super) struct CompletionsArgs {
    /// Shell.
    pub shell: clap_complete::Shell,
}

#[cfg(feature = "etcd")]
#[derive(Debug, Group)]
pub(super) struct RecordArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub server: FlagArgs<Etcd>,
}

#[cfg(feature = "etcd")]
#[derive(Debug, Group)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub server: FlagArgs<Etcd>,
    /// Command to run, with its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}
