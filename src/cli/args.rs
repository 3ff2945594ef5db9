//! What the command line may say.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{Args as Group, Parser, Subcommand, ValueEnum};

use super::backends::{self, Openers};
#[cfg(feature = "redis")]
use super::servers::RedisArgs;
#[cfg(feature = "etcd")]
use super::servers::ServerArgs;
use super::{Problem, said};
use crate::builtin::NAMES;
use crate::harness::REQUIRE_SERVER;
use crate::known::KnownFailures;
use crate::plan::Filter;
use crate::runner::Abort;
use crate::scenario::words::Span;
use crate::scenario::{self, Scenario};
#[cfg(feature = "etcd")]
use crate::server::endpoints;
use crate::target::Target;

/// Proves on a running store whether it does what etcd promises.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "\
Examples:
  kvspec run                                     the memory store, and etcd if a server is found
  kvspec run --backend etcd core/watch           the watch scenarios on etcd alone
  kvspec run --endpoints http://127.0.0.1:2379   a server of your own
  kvspec run --html run.html                     a page to look at, with a timeline of every case
  kvspec run --junit run.xml --json run.json     reports for machines, and a run to judge again
  kvspec list                                    every scenario and its law

Exit codes: 0 all passed or skipped as allowed, 1 a failure, 2 could not judge."
)]
pub(super) struct Args {
    /// When to use colour; auto: on a terminal, unless NO_COLOR is set.
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
    /// Run scenarios against stores, and say which passed.
    #[command(after_help = "\
Example:
  kvspec run --backend etcd --endpoints http://127.0.0.1:2379 --exact core/watch/two-updates-one-key")]
    Run(Box<RunArgs>),
    /// Judge the transcripts of a recorded run again, without a server, and say where a verdict changed.
    #[command(after_help = "\
Example: what a changed script makes of yesterday's run
  kvspec run --json run.json
  kvspec judge run.json --scenarios scenarios

Exit codes: 0 every verdict is the same, 1 one changed, 2 the file cannot be used or a scenario is gone.")]
    Judge(JudgeArgs),
    /// Make any report from a recorded run.
    #[command(after_help = "Example:\n  kvspec report run.json --html run.html --junit run.xml")]
    Report(ReplayArgs),
    /// Run the same scripts on two stores, and show where they answer differently.
    #[command(after_help = "\
Example: before an upgrade
  kvspec compare --endpoints http://127.0.0.1:2379 --with-endpoints http://127.0.0.1:2381")]
    Compare(Box<CompareArgs>),
    /// Write a crate with a small store that passes, to begin your own with.
    #[command(after_help = "Example:\n  kvspec new demo && cd demo && cargo test")]
    New(NewArgs),
    /// Show what several stores can do, measured in one run.
    #[command(after_help = "Example:\n  kvspec matrix --backend memory,etcd --markdown")]
    Matrix(Box<MatrixArgs>),
    /// Name every scenario, its law and its clauses; starts nothing.
    #[command(after_help = "Example:\n  kvspec list core/ttl")]
    List(ListArgs),
    /// Run the suite on stores broken on purpose, and say which scenario noticed which; fails where one got through.
    #[command(name = "self-check", after_help = "Example:\n  kvspec self-check --verbose")]
    SelfCheck(SelfCheckArgs),
    /// Write what etcd v3.5.1 answers to scripts, beside each as FILE.new.
    #[cfg(feature = "etcd")]
    #[command(after_help = "Example:\n  kvspec record --scenarios scenarios core/watch")]
    Record(RecordArgs),
    /// Start the server that `run` would find, and run a command with ETCD_ENDPOINTS set.
    #[cfg(feature = "etcd")]
    #[command(after_help = "Example:\n  kvspec serve -- cargo nextest run")]
    Serve(ServeArgs),
}

#[derive(Debug, Group)]
pub(super) struct RunArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// The backends to run against, separated by commas; memory and etcd where it is not given.
    #[arg(long, value_delimiter = ',', value_parser = backends::name)]
    pub backend: Vec<String>,
    /// A list of known failures: of one backend, or of all.
    #[arg(long, value_name = "[BACKEND=]FILE")]
    pub known_failures: Vec<String>,
    /// A list of scenarios that fail only sometimes, written likewise.
    #[arg(long, value_name = "[BACKEND=]FILE")]
    pub known_flaky: Vec<String>,
    /// How many cases run side by side; by default as many as fit the store's clock.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..))]
    pub jobs: Option<u16>,
    /// How long one call of a store may take, such as 500ms or 10s.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = deadline)]
    pub deadline: Duration,
    /// Fail where no server is found, instead of skipping its cases.
    #[arg(long, env = REQUIRE_SERVER, hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub require_server: bool,
    #[command(flatten)]
    pub report: ReportArgs,
    /// Serve the page of --html while the run goes on, on loopback and until it is over, such as 127.0.0.1:0.
    #[arg(long, value_name = "ADDRESS", help_heading = "Reports", value_parser = address)]
    pub serve_report: Option<SocketAddr>,
    #[cfg(feature = "etcd")]
    #[command(flatten)]
    pub server: ServerArgs,
    #[cfg(feature = "redis")]
    #[command(flatten)]
    pub redis: RedisArgs,
}

/// What is told of a run, and where.
#[derive(Debug, Group)]
#[command(next_help_heading = "Reports")]
pub(super) struct ReportArgs {
    /// Show what every case was seen to answer, with times.
    #[arg(short, long, conflicts_with = "quiet")]
    pub verbose: bool,
    /// Show only what did not pass, and the summary.
    #[arg(short, long)]
    pub quiet: bool,
    /// Record the run as JSON, an object an event and line; - is the standard output.
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,
    /// Write JUnit XML; - is the standard output.
    #[arg(long, value_name = "FILE")]
    pub junit: Option<PathBuf>,
    /// Write a page to look at in a browser: a grid of verdicts, and a timeline of every case; - is the standard output.
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
    /// Write a badge for shields.io; - is the standard output.
    #[arg(long, value_name = "FILE")]
    pub badge: Option<PathBuf>,
    /// Annotate failures and append to the summary of the step, as GitHub Actions reads them; there it is on.
    #[arg(long, env = "GITHUB_ACTIONS", hide_env_values = true, value_parser = FalseyValueParser::new())]
    pub github: bool,
}

#[derive(Debug, Group)]
pub(super) struct ReplayArgs {
    /// What `kvspec run --json` wrote.
    #[arg(value_name = "RUN.json")]
    pub run: PathBuf,
    #[command(flatten)]
    pub report: ReportArgs,
}

#[derive(Debug, Group)]
pub(super) struct JudgeArgs {
    /// What `kvspec run --json` wrote.
    #[arg(value_name = "RUN.json")]
    pub run: PathBuf,
    /// Judge by the scripts below this folder instead of the suite that travels in the program.
    #[arg(long, value_name = "DIR")]
    pub scenarios: Option<PathBuf>,
}

fn address(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| "expected an address and a port, such as 127.0.0.1:0".into())
}

fn deadline(text: &str) -> Result<Duration, String> {
    match text.parse::<Span>()?.0 {
        Duration::ZERO => Err("a deadline of nothing lets no store answer".into()),
        span => Ok(span),
    }
}

#[derive(Debug, Group)]
pub(super) struct ListArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Show each clause of the contract and the scenarios that check it; fails where there is a gap.
    #[arg(long)]
    pub clauses: bool,
}

impl RunArgs {
    /// The backends to run against.
    pub fn backends(&self) -> Vec<String> {
        if self.backend.is_empty() {
            BACKENDS.map(String::from).into()
        } else {
            self.backend.clone()
        }
    }

    /// The lists of known failures, each with its backend; one whose pattern matches nothing is refused.
    pub fn known(&self) -> Result<Vec<(Option<String>, KnownFailures)>, Problem> {
        let suite = self.choice.suite()?;
        let sure = self.known_failures.iter().map(|spec| (spec, false));
        let flaky = self.known_flaky.iter().map(|spec| (spec, true));
        let read = |(spec, is_flaky): (&String, bool)| {
            let (backend, file) = match spec.split_once('=') {
                Some((backend, file)) => (Some(backends::name(backend).map_err(said)?), file),
                None => (None, spec.as_str()),
            };
            let list = KnownFailures::from_file(Path::new(file)).map_err(said)?;
            list.check(&suite).map_err(said)?;
            Ok((backend, if is_flaky { list.flaky() } else { list }))
        };
        sure.chain(flaky).map(read).collect()
    }
}

/// The backends that are run against where none is named.
const BACKENDS: [&str; if cfg!(feature = "etcd") { 2 } else { 1 }] = [
    "memory",
    #[cfg(feature = "etcd")]
    "etcd",
];

#[derive(Debug, Group)]
pub(super) struct NewArgs {
    /// The name of the crate, and of the folder that it is written to.
    pub name: String,
    /// Depend on a kvspec in this folder instead of a published one.
    #[arg(long, value_name = "DIR")]
    pub path: Option<PathBuf>,
}

#[derive(Debug, Group)]
pub(super) struct CompareArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// The one store.
    #[arg(long, default_value = "etcd", value_parser = backends::name)]
    pub backend: String,
    /// The other store.
    #[arg(long, default_value = "etcd", value_parser = backends::name)]
    pub with: String,
    /// How long one call of a store may take, such as 500ms or 10s.
    #[arg(long, value_name = "SPAN", default_value = "10s", value_parser = deadline)]
    pub deadline: Duration,
    #[cfg(feature = "etcd")]
    #[command(flatten)]
    pub server: ServerArgs,
    #[cfg(feature = "redis")]
    #[command(flatten)]
    pub redis: RedisArgs,
    /// Client URLs of the other etcd, separated by commas; the same user and files are used.
    #[cfg(feature = "etcd")]
    #[arg(long, value_name = "URL,…", help_heading = "etcd server")]
    pub with_endpoints: Option<String>,
}

impl CompareArgs {
    /// What opens the one store.
    pub fn one<'a>(&'a self, abort: &'a Abort) -> Result<Openers<'a>, Problem> {
        Ok(Openers {
            #[cfg(feature = "etcd")]
            server: self.server.options()?,
            #[cfg(feature = "redis")]
            redis: &self.redis,
            abort,
        })
    }

    /// What opens the other store: as the one, save for endpoints of its own.
    pub fn other<'a>(&'a self, abort: &'a Abort) -> Result<Openers<'a>, Problem> {
        #[cfg_attr(not(feature = "etcd"), expect(unused_mut))]
        let mut openers = self.one(abort)?;
        #[cfg(feature = "etcd")]
        if let Some(list) = &self.with_endpoints {
            openers.server.access.endpoints =
                endpoints(list).map_err(|error| said(format!("--with-endpoints: {error}")))?;
        }
        Ok(openers)
    }
}

#[derive(Debug, Group)]
pub(super) struct MatrixArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// The backends to show, separated by commas; all that are in this kvspec where it is not given.
    #[arg(long, value_delimiter = ',', value_parser = backends::name)]
    pub backend: Vec<String>,
    /// Print Markdown.
    #[arg(long)]
    pub markdown: bool,
    /// Compare the tables with those between `<!-- matrix -->` and `<!-- /matrix -->` in a file; fails where they differ.
    #[arg(long, value_name = "FILE")]
    pub check: Option<PathBuf>,
    #[cfg(feature = "etcd")]
    #[command(flatten)]
    pub server: ServerArgs,
    #[cfg(feature = "redis")]
    #[command(flatten)]
    pub redis: RedisArgs,
}

impl MatrixArgs {
    /// The backends to show.
    pub fn backends(&self) -> Vec<String> {
        if self.backend.is_empty() {
            NAMES.iter().map(ToString::to_string).collect()
        } else {
            self.backend.clone()
        }
    }

    /// The target of that name.
    pub fn target(&self, abort: &Abort, name: &str) -> Result<Target, Problem> {
        let openers = Openers {
            #[cfg(feature = "etcd")]
            server: self.server.options()?,
            #[cfg(feature = "redis")]
            redis: &self.redis,
            abort,
        };
        openers.target(name)
    }
}

#[derive(Debug, Group)]
pub(super) struct SelfCheckArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    /// Take only mutants whose names contain this.
    #[arg(long, value_name = "FILTER")]
    pub mutant: Vec<String>,
    /// Name every scenario that noticed a mutant, and show the failure of the first one of its own clause.
    #[arg(short, long)]
    pub verbose: bool,
}

/// Which scenarios are wanted.
#[derive(Debug, Group)]
pub(super) struct ChoiceArgs {
    /// Parts of scenario names; everything where there is none.
    pub filter: Vec<String>,
    /// Take filters as whole names.
    #[arg(long)]
    pub exact: bool,
    /// Leave out scenarios whose names contain this.
    #[arg(long, value_name = "FILTER")]
    pub skip: Vec<String>,
    /// Use the scripts below this folder instead of the suite that travels in the program.
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
        match &self.scenarios {
            Some(folder) => scenario::from_dir(folder).map_err(said),
            None => scenario::embedded().map_err(said),
        }
    }

    /// The scenarios that are wanted.
    pub fn choose(&self) -> Result<Vec<Arc<Scenario>>, Problem> {
        let filter =
            Filter { patterns: self.filter.clone(), exact: self.exact, skip: self.skip.clone() };
        filter.choose(self.suite()?).map_err(said)
    }
}

#[cfg(feature = "etcd")]
#[derive(Debug, Group)]
pub(super) struct RecordArgs {
    #[command(flatten)]
    pub choice: ChoiceArgs,
    #[command(flatten)]
    pub server: ServerArgs,
}

#[cfg(feature = "etcd")]
#[derive(Debug, Group)]
pub(super) struct ServeArgs {
    #[command(flatten)]
    pub server: ServerArgs,
    /// The command to run, and its arguments.
    #[arg(last = true, required = true, value_name = "CMD")]
    pub command: Vec<std::ffi::OsString>,
}
