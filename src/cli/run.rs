//! `kvspec run`: arguments to plan to suite to report to exit code.

use std::io;

use super::args::RunArgs;
use super::reports::{Reports, serve};
use super::{Problem, exit, said, typed};
use crate::event::Summary;
use crate::plan::{Plan, Share};
use crate::report::bar::Waiting;
use crate::report::paint::{Paint, Stream};
use crate::report::terminal;
use crate::report::warning::warn;
use crate::runner::{Abort, Settings};
use crate::signal::Signals;
use crate::suite;
use crate::target::Target;

/// Runs what was asked for, and gives the exit code.
pub(super) fn run(args: &RunArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let abort = Abort::new();
    let mut targets = targets(args, &abort)?;
    args.known.apply(&args.choice.suite()?, &mut targets)?;
    let mut plan = match args.shard()? {
        Some(shard) => Plan::part(targets, &scenarios, shard).map_err(said)?,
        None => Plan::new(targets, &scenarios),
    };
    // What may fail comes before the files are emptied.
    let live = args.serve_report.map(|address| serve(address, &rerun(args))).transpose()?;
    let mut reports = Reports::open(&args.report, &rerun(args))?;
    live.into_iter().for_each(|live| reports.watch(live));
    let signals = Signals::listen(abort.clone()).map_err(said)?;
    open(&mut plan);
    if let Some(code) = signals.exit_code() {
        eprintln!("kvspec: interrupted before the first case");
        return Ok(code);
    }
    let missing = warn_of_missing(&plan, args)?;
    reports.if_missing(missing.effect(args.require_server));

    let settings = Settings { deadline: args.calls.deadline, abort, ..Settings::default() };
    let jobs = args.jobs.map(usize::from);
    let ran = suite::run(&plan, &settings, jobs, &mut |event| reports.take(&event));
    // Servers go with the plan, also when no one reads the report any more.
    drop(plan);
    let summary = ran?;
    reports.finish()?;
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    missing.tell(args.require_server);
    Ok(code(&summary, &missing, args.require_server))
}

/// Opens the targets, and shows on a terminal which is being waited for.
fn open(plan: &mut Plan) {
    for Share { target, .. } in &plan.shares {
        let _waiting = Waiting::new(format!("opening {}", target.name()));
        let _ = target.ready();
    }
    plan.open();
}

fn targets(args: &RunArgs, abort: &Abort) -> Result<Vec<Target>, Problem> {
    args.backends().iter().map(|name| args.backends.target(name, abort)).collect()
}

/// What is not there.
#[derive(Default)]
struct Missing {
    any: bool,
    named: bool,
}

impl Missing {
    /// What it makes of a run in which every other case passed.
    fn effect(&self, is_server_required: bool) -> terminal::Missing {
        match self {
            Self { any: true, .. } if is_server_required => terminal::Missing::Failed,
            Self { named: true, .. } => terminal::Missing::NoVerdict,
            _ => terminal::Missing::Skipped,
        }
    }

    /// Says why what is not there makes the run fail, if it does.
    fn tell(&self, is_server_required: bool) {
        let why = match self.effect(is_server_required) {
            terminal::Missing::Failed => {
                "a server is required (--require-server, KVSPEC_REQUIRE_SERVER), and none was found"
            }
            terminal::Missing::NoVerdict => "a backend or server that was named was not tested",
            terminal::Missing::Skipped => return,
        };
        eprintln!("{}", Paint::auto(Stream::Stderr).bad(format!("kvspec: {why}")));
    }
}

fn warn_of_missing(plan: &Plan, args: &RunArgs) -> io::Result<Missing> {
    let mut missing = Missing::default();
    for share in &plan.shares {
        if let Err(unavailable) = share.target.ready() {
            missing.any = true;
            missing.named |= unavailable.is_named || args.names(share.target.name());
            warn(unavailable, Paint::auto(Stream::Stderr))?;
        }
    }
    Ok(missing)
}

fn code(summary: &Summary, missing: &Missing, is_server_required: bool) -> u8 {
    match summary {
        summary if summary.ended_early.is_some() => exit::UNJUDGED,
        summary if summary.has_failed() || (missing.any && is_server_required) => exit::FAILED,
        // A server that the user named and that is not there was not tested: that is no green.
        summary if summary.is_unjudged() || missing.named => exit::UNJUDGED,
        _ => exit::PASSED,
    }
}

/// The command that runs one case again, up to its backend and name.
fn rerun(args: &RunArgs) -> String {
    let mut rerun = String::from("kvspec run");
    if let Some(folder) = &args.choice.scenarios {
        rerun.push_str(&format!(" --scenarios {}", typed(&folder.to_string_lossy())));
    }
    rerun.push_str(&args.backends.typed());
    rerun
}
