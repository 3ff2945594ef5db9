//! The `kvspec` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    kvspec::cli::main()
}
