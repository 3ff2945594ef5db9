//! The flags of the reports in files: one for each kind that there is.

use std::path::PathBuf;

use clap::{Arg, ArgMatches, Args, Command, FromArgMatches, value_parser};

use crate::report::files::{Asked, KINDS};

/// The reports in files that are asked for, each by a flag of its own.
#[derive(Debug)]
pub(super) struct ReportFiles(pub Vec<Asked>);

impl Args for ReportFiles {
    fn augment_args(command: Command) -> Command {
        command.args(KINDS.iter().map(|kind| {
            Arg::new(kind.name)
                .long(kind.name)
                .value_name("FILE")
                .value_parser(value_parser!(PathBuf))
                .help(format!("{}; - is the standard output", kind.help))
                .help_heading("Reports")
        }))
    }

    fn augment_args_for_update(command: Command) -> Command {
        Self::augment_args(command)
    }
}

impl FromArgMatches for ReportFiles {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        let asked = KINDS.iter().filter_map(|kind| {
            let file = matches.get_one::<PathBuf>(kind.name)?.clone();
            Some(Asked { kind, by: format!("--{}", kind.name), file })
        });
        Ok(Self(asked.collect()))
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Self::from_arg_matches(matches)?;
        Ok(())
    }
}
