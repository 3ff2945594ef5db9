//! `kvspec record`: writes what etcd v3.5.1 answers to scripts, next to each.

use std::fs;
use std::io::{self, Write};

use super::args::RecordArgs;
use super::{Problem, exit, said};
use crate::builtin::ETCD;
use crate::runner::{self, Abort, Settings};
use crate::scenario::Scenario;
use crate::signal::Signals;
use crate::target::Ready;
use crate::transcript::End;
use crate::verdict::observed_text;

/// The one version that expected text is recorded from.
const REFERENCE: &str = "etcd 3.5.1,";

/// Runs each script on etcd and writes it with the answers that were observed to `FILE.new`; where they are the ones
/// expected already, nothing is written.
pub(super) fn record(args: &RecordArgs) -> Result<u8, Problem> {
    if std::env::var_os("CI").is_some() {
        return Err(said(
            "CI is set: expected text is the contract, and is recorded by people only",
        ));
    }
    if args.choice.scenarios.is_none() {
        return Err(said(
            "name the scripts' folder with --scenarios: the suite in the program cannot be written to",
        ));
    }
    let scenarios = args.choice.choose()?;
    let settings = Settings { abort: Abort::new(), ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let target = (ETCD.target)(args.server.given(), settings.abort.clone()).map_err(said)?;
    let ready = target.ready().map_err(|unavailable| said(&unavailable.story))?;
    if !ready.about.starts_with(REFERENCE) {
        return Err(said(format!(
            "expected text is recorded from etcd 3.5.1 only, and this is {}",
            ready.about
        )));
    }
    for scenario in &scenarios {
        record_one(scenario, ready, &settings)?;
    }
    Ok(signals.exit_code().unwrap_or(exit::PASSED))
}

fn record_one(scenario: &Scenario, ready: &Ready, settings: &Settings) -> Result<(), Problem> {
    let mut out = io::stdout().lock();
    let name = &scenario.name;
    if let Some(reason) = ready.lacks(scenario) {
        writeln!(out, "{name}: not recorded: {reason}")?;
        return Ok(());
    }
    let transcript = runner::run(scenario, ready.backend.as_ref(), settings);
    if transcript.end != End::Finished {
        return Err(said(format!("{name}: not recorded: {:?}", transcript.end)));
    }
    let text =
        observed_text(scenario, &transcript).map_err(|error| said(format!("{name}: {error}")))?;
    if text == scenario.text {
        writeln!(out, "{name}: as expected")?;
        return Ok(());
    }
    let mut path = scenario.path.clone().into_os_string();
    path.push(".new");
    fs::write(&path, text)
        .map_err(|error| said(format!("{} could not be written: {error}", path.display())))?;
    writeln!(out, "{name}: differs, see {}", path.display())?;
    Ok(())
}
