//! `kvspec explore`: random programs on a store, and scripts of what it answers otherwise than the memory store, or
//! than another store.

use std::fs;
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;

use super::args::ExploreArgs;
use super::backends::run_one;
use super::{Problem, exit, said, typed};
use crate::explore::{Explored, Found, LeftOpen, Subject, explore};
use crate::report::bar::Waiting;
use crate::report::paint::{Paint, Stream};
use crate::report::warning::warn;
use crate::runner::Settings;
use crate::scenario::{self, Scenario};
use crate::signal::Signals;
use crate::target::{Ready, Target};
use crate::verdict::Verdict;
use crate::words::seconds;

/// Replays the corpus, then runs random programs, and gives the exit code.
pub(super) fn run(args: &ExploreArgs) -> Result<u8, Problem> {
    let settings = Settings { deadline: args.calls.deadline, ..Settings::default() };
    let signals = Signals::listen(settings.abort.clone()).map_err(said)?;
    let store = args.backends.target(&args.backend, &settings.abort)?;
    let other = args.backends.with(&args.other);
    let against = args.against.as_ref().map(|name| other.target(name, &settings.abort));
    let mut targets: Vec<_> = [store].into_iter().chain(against.transpose()?).collect();
    args.known.apply(&scenario::embedded().map_err(said)?, &mut targets)?;
    let (store, against) = (&targets[0], targets.get(1));
    let replayed = match &args.corpus {
        Some(folder) => replay(args, folder, &settings)?,
        None => true,
    };
    let Some(ready) = ready(store)? else { return Ok(exit::UNJUDGED) };
    let other = match against {
        Some(target) => match self::ready(target)? {
            Some(ready) => Some(Subject::new(target, ready)),
            None => return Ok(exit::UNJUDGED),
        },
        None => None,
    };
    let search = args.search();
    let waiting = Waiting::new(format!("exploring {}", store.name()));
    let mut told = |so_far: &Explored| waiting.say(progress(store.name(), so_far));
    let subject = Subject::new(store, ready);
    let explored = explore(subject, other, &search, &settings, &mut told);
    drop(waiting);
    show(args, ready, &explored, &mut io::stdout().lock())?;
    if let Some(code) = signals.exit_code() {
        return Ok(code);
    }
    Ok(match explored {
        Explored { ref found, .. } if !found.is_empty() || !replayed => exit::FAILED,
        ref explored
            if settings.abort.is_thrown() || explored.programs == explored.not_compared() =>
        {
            if let Some(reason) = settings.abort.reason() {
                eprintln!("kvspec: {reason}");
            }
            exit::UNJUDGED
        }
        _ => exit::PASSED,
    })
}

fn ready(target: &Target) -> Result<Option<&Ready>, Problem> {
    match target.ready() {
        Ok(ready) => Ok(Some(ready)),
        Err(unavailable) => {
            warn(unavailable, Paint::auto(Stream::Stderr))?;
            Ok(None)
        }
    }
}

/// Runs the scripts of earlier searches again; whether the store answers each as expected.
fn replay(args: &ExploreArgs, folder: &Path, settings: &Settings) -> Result<bool, Problem> {
    let scripts = scenario::from_dir(folder).map_err(said)?;
    let scripts: Vec<Arc<Scenario>> = scripts.into_iter().map(Arc::new).collect();
    let target = args.backends.target(&args.backend, &settings.abort)?;
    let ran = run_one(target, &scripts, settings)?;
    let mut out = io::stdout().lock();
    let paint = Paint::auto(Stream::Stdout);
    let mut is_good = true;
    for outcome in &ran.outcomes {
        let name = &outcome.case.scenario.name;
        match &outcome.verdict {
            Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => {
                is_good = false;
                writeln!(
                    out,
                    "{} {name}: line {}: {}",
                    paint.bad("differs"),
                    mismatch.line,
                    mismatch.command
                )?;
            }
            Verdict::Skipped(reason)
            | Verdict::Unclear(reason)
            | Verdict::Errored(reason)
            | Verdict::Stale(reason) => {
                writeln!(out, "{} {name}: {reason}", paint.odd("not compared"))?;
            }
            Verdict::Passed => {}
        }
    }
    writeln!(out, "{} scripts of {} were replayed", ran.outcomes.len(), folder.display())?;
    Ok(is_good)
}

fn progress(store: &str, explored: &Explored) -> String {
    let rate = explored.programs as f64 / explored.took.as_secs_f64().max(0.001);
    let Explored { programs, .. } = explored;
    format!(
        "{store}: {programs} programs, {rate:.0} a second, {} not compared",
        explored.not_compared()
    )
}

fn show(
    args: &ExploreArgs,
    ready: &Ready,
    explored: &Explored,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let paint = Paint::auto(Stream::Stdout);
    for found in &explored.found {
        show_found(args, found, paint, out)?;
    }
    let Explored { programs, coverage, left_out, let_be, unclear, found, took } = explored;
    for (shape, reason) in left_out {
        writeln!(
            out,
            "left out: {shape}, since {} is a known failure: {reason}",
            shape.scenario()
        )?;
    }
    writeln!(out, "{}", coverage.shown(&ready.capabilities))?;
    for open in LeftOpen::ALL {
        if let Some(count) = let_be.get(&open) {
            writeln!(out, "let be in {count} programs: {}", open.reason())?;
        }
    }
    for (reason, count) in unclear {
        writeln!(out, "{} {count}: {reason}", paint.odd("not compared"))?;
    }
    let rate = *programs as f64 / took.as_secs_f64().max(0.001);
    let differences = match found.len() {
        0 => "no difference".into(),
        1 => "1 difference".into(),
        many => format!("{many} differences"),
    };
    let text = format!(
        "{programs} programs of {} commands against {} in {}, {rate:.0} a second, seed {}: {differences}, {} not compared",
        coverage.commands(),
        ready.about,
        seconds(*took),
        args.seed,
        explored.not_compared()
    );
    writeln!(out, "{}", paint.head(text))?;
    out.flush()?;
    Ok(())
}

/// Shows the script of a difference, or writes it to the folder that was named.
fn show_found(
    args: &ExploreArgs,
    found: &Found,
    paint: Paint,
    out: &mut dyn Write,
) -> Result<(), Problem> {
    let count = found.program.steps.len();
    writeln!(out, "{} program {}, in {count} commands:", paint.loud("DIFFERENT"), found.number)?;
    writeln!(out, "{}", found.script)?;
    let Some(folder) = &args.out else { return Ok(()) };
    let path = folder.join(found.file_name());
    let failed = |error: io::Error| said(format!("cannot write {}: {error}", path.display()));
    fs::create_dir_all(folder).map_err(failed)?;
    fs::write(&path, &found.script).map_err(failed)?;
    let folder = typed(&folder.to_string_lossy());
    writeln!(
        out,
        "run again with: kvspec run --scenarios {folder}{} --backend {} {}\n",
        args.backends.typed(),
        args.backend,
        found.file_name().trim_end_matches(".kv")
    )?;
    Ok(())
}
