//! `kvspec self-check`: the suite on stores broken on purpose, and the kill matrix.

use std::io::{self, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::SelfCheckArgs;
use super::{Problem, exit, said};
use crate::event::Outcome;
use crate::mutants::{self, Extent, Kill, Matrix, Mutant, Unjudged};
use crate::plan::Case;
use crate::report::failure::describe;
use crate::report::paint::{Paint, Stream};
use crate::scenario::Scenario;
use crate::verdict::Verdict;
use crate::words::seconds;

/// How many scenarios are named for a mutant that many have noticed.
const NAMED: usize = 3;

/// Runs the scenarios that are wanted on every mutant, and shows what noticed what.
pub(super) fn self_check(args: &SelfCheckArgs) -> Result<u8, Problem> {
    let scenarios = args.choice.choose()?;
    let mutants = wanted(&args.mutant)?;
    let started = Instant::now();
    // A mutant that panics is a mutant at work, and its backtrace would bury the matrix.
    std::panic::set_hook(Box::new(|_| {}));
    // A part of the mutants, or of the suite, shows nothing of the rest: what notices them is asked in full.
    let is_part = args.choice.is_part() || !args.mutant.is_empty();
    let extent = if args.full || is_part { Extent::Full } else { Extent::Proof };
    let matrix = mutants::self_check(&mutants, &scenarios, extent);
    let _ = std::panic::take_hook();
    let shown =
        Shown { args, scenarios: &scenarios, matrix: &matrix, paint: Paint::auto(Stream::Stdout) };
    let mut out = io::stdout().lock();
    let is_shown = |mutant: &&Mutant| !args.choice.is_part() || shown.is_killed(mutant);
    mutants.iter().filter(is_shown).try_for_each(|mutant| shown.mutant(mutant, &mut out))?;
    shown.summary(mutants.len(), started.elapsed(), &mut out)?;
    // With a part of the suite or of the mutants, what is missing is no news.
    let is_good = matrix.is_whole() || (is_part && matrix.is_sound());
    Ok(if is_good { exit::PASSED } else { exit::FAILED })
}

fn wanted(filters: &[String]) -> Result<Vec<Mutant>, Problem> {
    let all = mutants::all();
    let matches = |filter: &String| all.iter().any(|mutant| mutant.name.contains(filter));
    if let Some(unmatched) = filters.iter().find(|filter| !matches(filter)) {
        return Err(said(format!(
            "no mutant matches '{unmatched}'; without --mutant all are named"
        )));
    }
    let is_wanted = |mutant: &Mutant| {
        filters.is_empty() || filters.iter().any(|filter| mutant.name.contains(filter))
    };
    Ok(all.into_iter().filter(is_wanted).collect())
}

struct Shown<'a> {
    args: &'a SelfCheckArgs,
    scenarios: &'a [Arc<Scenario>],
    matrix: &'a Matrix,
    paint: Paint,
}

impl Shown<'_> {
    fn mutant(&self, mutant: &Mutant, out: &mut dyn Write) -> io::Result<()> {
        let kills = &self.matrix.kills[mutant.name];
        let word = match self.is_killed(mutant) {
            true => self.paint.good("killed"),
            false => self.paint.loud("SURVIVED"),
        };
        let name = self.paint.head(mutant.name);
        writeln!(out, "{word} {name} [{}] {}", mutant.clause, mutant.sentence)?;
        let own: Vec<&Kill> = kills.iter().filter(|kill| self.is_own(kill, mutant)).collect();
        let others: Vec<&Kill> = kills.iter().filter(|kill| !self.is_own(kill, mutant)).collect();
        let mut named: Vec<_> =
            own.iter().chain(&others).map(|kill| kill.scenario.as_str()).collect();
        let all = named.len();
        if !self.args.verbose {
            named.truncate(NAMED);
        }
        let more = if named.len() < all {
            format!(" and {} more", all - named.len())
        } else {
            String::new()
        };
        writeln!(out, "    {}{more}", self.paint.faint(named.join(" ")))?;
        match own.first().filter(|_| self.args.verbose) {
            Some(kill) => writeln!(out, "{}", self.failure(mutant, kill)),
            None => Ok(()),
        }
    }

    fn is_killed(&self, mutant: &Mutant) -> bool {
        self.matrix.survivors.iter().all(|(name, _)| *name != mutant.name)
    }

    /// Whether the scenario names the clause that the mutant breaks.
    fn is_own(&self, kill: &Kill, mutant: &Mutant) -> bool {
        self.scenario(kill)
            .is_some_and(|scenario| scenario.clauses.iter().any(|id| id == mutant.clause))
    }

    fn scenario(&self, kill: &Kill) -> Option<&Arc<Scenario>> {
        self.scenarios.iter().find(|scenario| scenario.name == kill.scenario)
    }

    /// The failure as the mutant's author would read it.
    fn failure(&self, mutant: &Mutant, kill: &Kill) -> String {
        let Some(scenario) = self.scenario(kill) else { return String::new() };
        let case = Case {
            backend: mutant.name.into(),
            scenario: scenario.clone(),
            skip: None,
            known: None,
        };
        let verdict = Verdict::Failed(kill.mismatch.clone());
        let outcome = Outcome { case, verdict, transcript: None, took: Duration::ZERO };
        let rerun = format!(
            "kvspec self-check --verbose --mutant {} --exact {}",
            mutant.name, scenario.name
        );
        describe(&outcome, &rerun, self.paint)
    }

    fn summary(&self, mutants: usize, took: Duration, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out)?;
        for (name, ending) in &self.matrix.unsound {
            let text =
                format!("{name} does not pass on the memory store without a fault: {ending}");
            writeln!(out, "{}", self.paint.loud(text))?;
        }
        // A part of the suite shows nothing of what the rest notices.
        let survivors = self.matrix.survivors.iter().filter(|_| !self.args.choice.is_part());
        for (name, clause) in survivors {
            let text = format!("{name} survived: no scenario of clause {clause} fails on it");
            writeln!(out, "{}", self.paint.loud(text))?;
        }
        // With only some of the mutants, most scenarios have nothing to notice.
        let is_whole = self.args.mutant.is_empty();
        for name in self.matrix.idle.iter().filter(|_| is_whole) {
            let text = format!(
                "{name} is idle: it fails on no mutant, so it has no teeth or a mutant is missing"
            );
            writeln!(out, "{}", self.paint.loud(text))?;
        }
        self.unjudged(out)?;
        let killed = mutants - self.matrix.survivors.len();
        let used = self.scenarios.len() - self.matrix.idle.len();
        let text = format!(
            "{killed} of {mutants} mutants killed, {used} of {} scenarios killed one, in {}",
            self.scenarios.len(),
            seconds(took)
        );
        writeln!(out, "{}", self.paint.head(text))?;
        out.flush()
    }

    /// Names the runs that neither passed nor failed against what their mutants say, and with `--verbose` those too that
    /// did so as their mutants say.
    fn unjudged(&self, out: &mut dyn Write) -> io::Result<()> {
        for run in self.matrix.unjudged.iter().filter(|run| run.excuse.is_some()) {
            let Unjudged { mutant, scenario, ending, excuse } = run;
            let text = format!("{scenario} on {mutant}: {ending} ({})", excuse.unwrap_or_default());
            if self.args.verbose {
                writeln!(out, "{}", self.paint.faint(text))?;
            }
        }
        for Unjudged { mutant, scenario, ending, .. } in self.matrix.unexcused() {
            let text = format!("{scenario} neither passed nor failed on {mutant}: {ending}");
            writeln!(out, "{}", self.paint.loud(text))?;
        }
        for (mutant, scenario) in &self.matrix.stale {
            let text = format!("{scenario} is listed as unclear on {mutant}, and was judged");
            writeln!(out, "{}", self.paint.loud(text))?;
        }
        Ok(())
    }
}
