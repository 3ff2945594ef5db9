//! The reports that the command line asks for: all files are opened before anything runs, and one event goes to all.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::net::SocketAddr;
use std::path::Path;

use owo_colors::Stream;

use super::args::ReportArgs;
use super::{Problem, said};
use crate::event::RunEvent;
use crate::report::Reporter;
use crate::report::badge::Badge;
use crate::report::github::Github;
use crate::report::html::{Html, Live};
use crate::report::json::Json;
use crate::report::junit::Junit;
use crate::report::paint::Paint;
use crate::report::terminal::{Detail, Terminal};

/// Where GitHub Actions takes the summary of a step.
const STEP_SUMMARY: &str = "GITHUB_STEP_SUMMARY";

/// What a file is called that stands for the standard output.
const STDOUT: &str = "-";

/// Everything that is told of one run.
pub(super) struct Reports {
    terminal: Terminal<Box<dyn Write>>,
    files: Vec<Kept>,
}

/// A report in a file, and why it cannot be written any more, where that is so.
struct Kept {
    place: String,
    report: Box<dyn Reporter>,
    failed: Option<io::Error>,
}

impl Reports {
    /// Opens every file; fails where one cannot be, with none of them touched.
    pub(super) fn open(args: &ReportArgs, rerun: &str) -> Result<Self, Problem> {
        let mut opened = Opened::default();
        let json = opened.open("--json", args.json.as_deref())?;
        let junit = opened.open("--junit", args.junit.as_deref())?;
        let html = opened.open("--html", args.html.as_deref())?;
        let badge = opened.open("--badge", args.badge.as_deref())?;
        let summary = step_summary(args)?;
        opened.empty().map_err(said)?;

        let mut files = Vec::new();
        let mut keep = |place: &Option<Place>, report: Option<Box<dyn Reporter>>| {
            let place = place.as_ref().map(|place| place.name.clone()).unwrap_or_default();
            files.extend(report.map(|report| Kept { place, report, failed: None }));
        };
        keep(&json, json.as_ref().map(|place| Box::new(Json::new(place.out())) as _));
        keep(&junit, junit.as_ref().map(|place| Box::new(Junit::new(place.out(), rerun)) as _));
        keep(&html, html.as_ref().map(|place| Box::new(Html::new(place.out(), rerun)) as _));
        keep(&badge, badge.as_ref().map(|place| Box::new(Badge::new(place.out())) as _));
        if args.github {
            let github = Github::new(screen(opened.has_stdout), summary, rerun);
            let place = STEP_SUMMARY.into();
            files.push(Kept { place, report: Box::new(github), failed: None });
        }
        Ok(Self { terminal: terminal(args, opened.has_stdout, rerun), files })
    }

    /// Tells the page that is served while the run goes on, too.
    pub(super) fn watch(&mut self, live: Live) {
        let place = live.url();
        eprintln!("kvspec: the page of this run is at {place} until it is over");
        self.files.push(Kept { place, report: Box::new(live), failed: None });
    }

    /// Gives an event to every report. Fails where nobody reads the terminal any more; a file that fails is told at the
    /// end, and changes nothing of the run.
    pub(super) fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        for kept in self.files.iter_mut().filter(|kept| kept.failed.is_none()) {
            kept.failed = kept.report.take(event).err();
        }
        self.terminal.take(event)
    }

    /// Says which reports are not whole.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let is_unread = |kept: &Kept| {
            kept.failed.as_ref().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
        };
        if self.files.iter().any(is_unread) {
            return Err(Problem::Unread);
        }
        let failed = self.files.into_iter().filter_map(|kept| Some((kept.place, kept.failed?)));
        let told: Vec<_> = failed
            .map(|(place, error)| format!("the report {place} is not whole: {error}"))
            .collect();
        if told.is_empty() { Ok(()) } else { Err(said(told.join("\nkvspec: "))) }
    }
}

/// Serves the page of a run.
pub(super) fn serve(address: SocketAddr, rerun: &str) -> Result<Live, Problem> {
    Live::serve(address, rerun).map_err(|error| said(format!("--serve-report {address}: {error}")))
}

fn terminal(args: &ReportArgs, is_stdout_taken: bool, rerun: &str) -> Terminal<Box<dyn Write>> {
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

/// The files that were opened, none of which is emptied before all of them are.
#[derive(Default)]
struct Opened {
    files: Vec<File>,
    paths: Vec<std::path::PathBuf>,
    has_stdout: bool,
}

/// One place that a report goes to.
struct Place {
    name: String,
    /// The file; `None` stands for the standard output.
    file: Option<File>,
}

impl Place {
    fn out(&self) -> Box<dyn Write> {
        let file = self.file.as_ref().and_then(|file| file.try_clone().ok());
        match file {
            Some(file) => Box::new(BufWriter::with_capacity(1 << 16, file)),
            None => Box::new(BufWriter::new(io::stdout())),
        }
    }
}

impl Opened {
    fn open(&mut self, flag: &str, path: Option<&Path>) -> Result<Option<Place>, Problem> {
        let Some(path) = path else { return Ok(None) };
        let name = path.display().to_string();
        if path == Path::new(STDOUT) {
            if std::mem::replace(&mut self.has_stdout, true) {
                return Err(said(format!(
                    "{flag} -: the standard output takes one report, and holds another"
                )));
            }
            return Ok(Some(Place { name: "on the standard output".into(), file: None }));
        }
        let cannot = |error| said(format!("{flag} {name}: the file cannot be written: {error}"));
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(cannot)?;
        let whole = path.canonicalize().map_err(cannot)?;
        if file.metadata().is_ok_and(|about| about.is_file()) && self.paths.contains(&whole) {
            return Err(said(format!("{flag} {name}: another report goes to this file")));
        }
        self.paths.push(whole);
        self.files.push(file.try_clone().map_err(cannot)?);
        Ok(Some(Place { name, file: Some(file) }))
    }

    /// Empties the files that were there before.
    fn empty(&self) -> io::Result<()> {
        let is_file = |file: &&File| file.metadata().is_ok_and(|about| about.is_file());
        self.files.iter().filter(is_file).try_for_each(|file| file.set_len(0))
    }
}
