//! The `kvspec` command: arguments, and what its exit codes mean.

mod args;
mod backends;
mod compare;
mod explore;
mod judge;
mod known;
mod list;
mod matrix;
mod new;
#[cfg(feature = "etcd")]
mod record;
mod replay;
mod report_files;
mod reports;
mod run;
mod self_check;
#[cfg(feature = "etcd")]
mod serve;
mod shell;
mod show;

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use anstream::ColorChoice;
use clap::Parser;

use self::args::{Args, Color, Job};

/// The exit codes of the command. A process that was asked to end exits with 128 and the signal's number.
pub mod exit {
    /// Every case passed, or was skipped as allowed.
    pub const PASSED: u8 = 0;
    /// A case failed, or a server that is required is not there.
    pub const FAILED: u8 = 1;
    /// No verdict: nothing matched, a bad script, a server lost midway, a wrong call.
    pub const UNJUDGED: u8 = 2;
}

/// Does what the process's arguments ask for.
pub fn main() -> ExitCode {
    let args = Args::parse();
    match args.color {
        Color::Auto => {}
        Color::Always => ColorChoice::Always.write_global(),
        Color::Never => ColorChoice::Never.write_global(),
    }
    let done = match args.job {
        Job::Run(args) => run::run(&args),
        Job::Judge(args) => judge::judge(&args),
        Job::Report(args) => replay::replay(&args),
        Job::Compare(args) => compare::run(&args),
        Job::Explore(args) => explore::run(&args),
        Job::New(args) => new::new(&args),
        Job::Matrix(args) => matrix::run(&args),
        Job::List(args) => list::list(&args),
        Job::Show(args) => show::show(&args),
        Job::SelfCheck(args) => self_check::self_check(&args),
        #[cfg(feature = "etcd")]
        Job::Record(args) => record::record(&args),
        #[cfg(feature = "etcd")]
        Job::Serve(args) => serve::serve(&args),
        Job::Completions(args) => shell::completions(args.shell),
        Job::Man => shell::man(),
    };
    ExitCode::from(done.unwrap_or_else(|problem| problem.tell()))
}

/// Why the command could not do its job.
enum Problem {
    /// Something for the user.
    Said(String),
    /// No one reads the output any more.
    Unread,
}

impl Problem {
    fn tell(self) -> u8 {
        if let Self::Said(text) = self {
            eprintln!("kvspec: {text}");
        }
        exit::UNJUDGED
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::Unread,
            _ => Self::Said(format!("the output could not be written: {error}")),
        }
    }
}

/// Writes an argument as a shell reads it.
fn typed(argument: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:,=@+%".contains(c);
    match !argument.is_empty() && argument.chars().all(is_plain) {
        true => argument.into(),
        false => format!("'{}'", argument.replace('\'', r"'\''")),
    }
}

/// Turns an error into something for the user.
fn said(error: impl Display) -> Problem {
    Problem::Said(error.to_string())
}
