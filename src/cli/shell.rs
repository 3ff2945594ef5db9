//! `kvspec completions` and `kvspec man`: the files that a package installs with the program.

use std::io::{Write, stdout};

use clap::CommandFactory;
use clap_complete::Shell;

use super::args::Args;
use super::{Problem, exit};

/// Prints a completion script.
pub(super) fn completions(shell: Shell) -> Result<u8, Problem> {
    // clap_complete panics if its output is closed.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Args::command(), "kvspec", &mut script);
    stdout().write_all(&script)?;
    Ok(exit::PASSED)
}

/// Prints the man page.
pub(super) fn man() -> Result<u8, Problem> {
    let mut page = Vec::new();
    clap_mangen::Man::new(Args::command()).render(&mut page)?;
    stdout().write_all(&page)?;
    Ok(exit::PASSED)
}
