//! `kvspec judge`: the transcripts of recorded runs judged again, without a server.

use std::collections::HashMap;
use std::io::{self, Write};

use super::args::JudgeArgs;
use super::replay::recorded;
use super::{Problem, exit, said};
use crate::event::Outcome;
use crate::known::weigh;
use crate::report::failure::describe;
use crate::report::json::{Merged, Recorded};
use crate::report::paint::{Paint, Stream};
use crate::scenario::fit::Fit;
use crate::scenario::{self, Scenario};
use crate::verdict::{self, Verdict};

/// Judges recorded runs again, and says where a verdict changed.
pub(super) fn judge(args: &JudgeArgs) -> Result<u8, Problem> {
    let Merged { events, missing } = recorded(&args.runs)?;
    let suite = match &args.scenarios {
        Some(folder) => scenario::from_dir(folder).map_err(said)?,
        None => scenario::embedded().map_err(said)?,
    };
    let suite = suite.into_iter().map(|one| (one.name.clone(), one)).collect();
    let outcomes = events.iter().filter_map(|event| match event {
        Recorded::CaseFinished(outcome) => Some(outcome.as_ref()),
        _ => None,
    });
    let mut bench = Bench { suite, paint: Paint::auto(Stream::Stdout), ..Bench::default() };
    let mut out = io::stdout().lock();
    outcomes.into_iter().try_for_each(|outcome| bench.take(outcome, &mut out))?;
    bench.finish(&mut out)?;
    Ok(match &bench {
        bench if bench.changed > 0 => exit::FAILED,
        bench if bench.gone > 0 || !missing.is_empty() => exit::UNJUDGED,
        _ => exit::PASSED,
    })
}

/// What verdicts are judged by, and what became of them.
#[derive(Default)]
struct Bench {
    suite: HashMap<String, Scenario>,
    paint: Paint,
    same: usize,
    changed: usize,
    gone: usize,
    skipped: usize,
}

impl Bench {
    fn take(&mut self, recorded: &Outcome, out: &mut dyn Write) -> io::Result<()> {
        let (backend, name) = (&recorded.case.backend, &recorded.case.scenario.name);
        let Some(transcript) = &recorded.transcript else {
            self.skipped += 1;
            return Ok(());
        };
        let Some(scenario) = self.suite.get(name) else {
            self.gone += 1;
            let why = self.paint.faint("the suite has no such scenario");
            return writeln!(out, "{} {backend} {name}  {why}", self.paint.odd("gone"));
        };
        // It is judged by the script as it was made to fit the store then.
        let was = &recorded.case.scenario;
        let fitted = Fit::of(&was.title).apply(scenario);
        let scenario = fitted.as_ref().unwrap_or(scenario);
        let verdict = weigh(verdict::judge(scenario, transcript), recorded.case.known.as_ref());
        if verdict == recorded.verdict {
            self.same += 1;
            return Ok(());
        }
        self.changed += 1;
        let (was, is) = (word(&recorded.verdict), word(&verdict));
        let changed = if was == is { format!("{is} otherwise") } else { format!("{was} → {is}") };
        let script = match scenario.hash() == recorded.case.scenario.hash() {
            true => "the script is the same",
            false => "the script was changed",
        };
        let script = self.paint.faint(script);
        writeln!(out, "{} {backend} {name}  {script}", self.paint.loud(changed))?;
        let mut again = Outcome { verdict, ..recorded.clone() };
        again.case.scenario = scenario.clone().into();
        let rerun = again.case.rerun(&"kvspec run".into());
        write!(out, "{}", describe(&again, &rerun, self.paint))
    }

    fn finish(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { same, changed, gone, skipped, .. } = self;
        let mut told = vec![format!("{same} verdicts are the same"), format!("{changed} changed")];
        let more = [(gone, "not in the suite"), (skipped, "not run then")];
        told.extend(more.iter().filter(|(n, _)| **n > 0).map(|(n, what)| format!("{n} {what}")));
        writeln!(out, "{}", self.paint.head(told.join(", ")))?;
        out.flush()
    }
}

fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Passed => "passed",
        Verdict::Skipped(_) => "skipped",
        Verdict::Known(..) => "known to fail",
        Verdict::Failed(_) => "failed",
        Verdict::Stale(_) => "stale",
        Verdict::Unclear(_) => "unclear",
        Verdict::Errored(_) => "errored",
    }
}
