//! The reports that the command line asks for, and the terminal: one event goes to all of them.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::net::SocketAddr;

use super::args::ReportArgs;
use super::{Problem, said};
use crate::event::RunEvent;
use crate::plan::Rerun;
use crate::report::Reporter;
use crate::report::files::Files;
use crate::report::github::Github;
use crate::report::html::Live;
use crate::report::paint::{Paint, Stream};
use crate::report::terminal::{Detail, Missing, Terminal};

/// Where GitHub Actions takes the summary of a step.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// All reports of one run.
pub(super) struct Reports {
    terminal: Terminal<Box<dyn Write>>,
    files: Files,
}

impl Reports {
    /// Opens every file; fails where one cannot be, with none of them touched.
    pub(super) fn open(args: &ReportArgs, rerun: &str) -> Result<Self, Problem> {
        let rerun = Rerun::from(rerun);
        let summary = step_summary(args)?;
        let mut files = Files::open(&args.files.0, &rerun).map_err(said)?;
        let is_stdout_taken = files.has_stdout();
        if args.github {
            let github = Github::new(screen(is_stdout_taken), summary, rerun.clone());
            files.add(STEP_SUMMARY.into(), Box::new(github));
        }
        Ok(Self { terminal: terminal(args, is_stdout_taken, rerun), files })
    }

    /// Adds the page that is served during the run.
    pub(super) fn watch(&mut self, live: Live) {
        let place = live.url();
        eprintln!("kvspec: the page of this run is at {place} until it is over");
        self.files.add(place, Box::new(live));
    }

    /// Says what targets that are not there make of the run.
    pub(super) fn if_missing(&mut self, missing: Missing) {
        self.terminal.if_missing(missing);
    }

    /// Gives an event to every report. Fails where no one reads the terminal any more; a file that fails is reported at the
    /// end, and changes nothing of the run.
    pub(super) fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        self.files.take(event);
        self.terminal.take(event)
    }

    /// Says which reports are not whole.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let failed = self.files.failed();
        if failed.iter().any(|(_, error)| error.kind() == io::ErrorKind::BrokenPipe) {
            return Err(Problem::Unread);
        }
        let told =
            failed.iter().map(|(place, error)| format!("the report {place} is not whole: {error}"));
        let told: Vec<_> = told.collect();
        if told.is_empty() { Ok(()) } else { Err(said(told.join("\nkvspec: "))) }
    }
}

/// Serves the page of a run.
pub(super) fn serve(address: SocketAddr, rerun: &str) -> Result<Live, Problem> {
    Live::serve(address, rerun).map_err(|error| said(format!("--serve-report {address}: {error}")))
}

fn terminal(args: &ReportArgs, is_stdout_taken: bool, rerun: Rerun) -> Terminal<Box<dyn Write>> {
    let stream = if is_stdout_taken { Stream::Stderr } else { Stream::Stdout };
    let is_watched = is_stdout_taken || io::stdout().is_terminal();
    let with_bar = is_watched && io::stderr().is_terminal();
    let detail = match args {
        ReportArgs { quiet: true, .. } => Detail::Quiet,
        ReportArgs { verbose: true, .. } => Detail::Verbose,
        _ => Detail::Normal,
    };
    Terminal::new(screen(is_stdout_taken), Paint::auto(stream), with_bar, rerun).detail(detail)
}

/// Where people look: the standard error where the standard output holds a report.
fn screen(is_stdout_taken: bool) -> Box<dyn Write> {
    if is_stdout_taken { Box::new(io::stderr()) } else { Box::new(io::stdout()) }
}

fn step_summary(args: &ReportArgs) -> Result<Option<File>, Problem> {
    let path = std::env::var_os(STEP_SUMMARY).filter(|path| args.github && !path.is_empty());
    let Some(path) = path else { return Ok(None) };
    let file = OpenOptions::new().append(true).create(true).open(&path);
    file.map(Some).map_err(|error| said(format!("{STEP_SUMMARY}={}: {error}", path.display())))
}
