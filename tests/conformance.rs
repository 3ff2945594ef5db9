//! The suite itself, as tests of `cargo test`: the memory store in virtual time, and etcd where a server is found.

use std::process::ExitCode;

use kvspec::builtin::{etcd_target, memory_target};
use kvspec::harness::Harness;
use kvspec::runner::Settings;
use kvspec::server::etcd::ServerOptions;

fn main() -> ExitCode {
    let options = match ServerOptions::from_env() {
        Ok(options) => options,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(2);
        }
    };
    let settings = Settings::default();
    let etcd = etcd_target(options, settings.abort.clone());
    Harness::new().settings(settings).target(memory_target()).target(etcd).run()
}
