//! The causes behind many failures: those whose first wrong answer is of one kind are one group.

use std::collections::BTreeSet;

use crate::event::Outcome;
use crate::verdict::{DiffLine, Mismatch, Verdict};

/// From how many failures on their causes are shown; of fewer each is as quickly read.
const MANY: usize = 6;

/// How many causes are shown at most.
const SHOWN: usize = 8;

/// How much of a store's message is kept.
const MESSAGE: usize = 120;

/// How grave a cause is: the graver one explains more of the others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gravity {
    /// Keys of others are in the answers.
    Outside,
    /// What was acknowledged is not there.
    Lost,
    /// Anything else.
    Plain,
}

impl Gravity {
    /// What is said of such a cause, whatever the first wrong answer of a case is.
    fn what(self) -> Option<&'static str> {
        match self {
            Self::Outside => Some("answers have keys from outside the prefix that was asked for"),
            Self::Lost => Some("writes that were acknowledged are not there"),
            Self::Plain => None,
        }
    }
}

/// Failures that have one cause, as far as their first wrong answers show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cause {
    /// What goes wrong, in a few words.
    pub what: String,
    /// The clauses that are broken, sorted.
    pub clauses: BTreeSet<String>,
    /// The names of the cases, in the order of the run.
    pub cases: Vec<String>,
    gravity: Gravity,
}

impl Cause {
    /// The group in one line: `51 failures: leases and keys outlive their TTL (T2; first: lease/all-together)`.
    pub fn line(&self) -> String {
        let Self { what, clauses, cases, gravity: _ } = self;
        let count =
            if cases.len() == 1 { "1 failure" } else { &format!("{} failures", cases.len()) };
        let clauses: Vec<_> = clauses.iter().map(String::as_str).collect();
        let clauses = if clauses.is_empty() { String::new() } else { clauses.join(" ") + "; " };
        let first = cases.first().map_or("", String::as_str);
        let word = if cases.len() == 1 { "" } else { "first: " };
        format!("{count}: {what} ({clauses}{word}{first})")
    }
}

/// Adds an outcome to the groups, if it is a failure.
pub fn add(causes: &mut Vec<Cause>, outcome: &Outcome) {
    let mut grave = Gravity::Plain;
    let (what, clause) = match &outcome.verdict {
        Verdict::Failed(mismatch) => {
            grave = gravity(mismatch);
            (grave.what().map_or_else(|| what(mismatch), String::from), mismatch.clause.clone())
        }
        Verdict::Stale(_) => ("listed as a known failure, and passes".into(), None),
        Verdict::Unclear(reason) => (format!("unclear: {}", plain(reason)), None),
        Verdict::Errored(reason) if !outcome.is_unfinished() => {
            (format!("could not be judged: {}", plain(reason)), None)
        }
        Verdict::Errored(_) | Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => return,
    };
    let place = causes.iter().position(|cause| cause.what == what).unwrap_or_else(|| {
        let (clauses, cases) = Default::default();
        causes.push(Cause { what, clauses, cases, gravity: grave });
        causes.len() - 1
    });
    causes[place].clauses.extend(clause);
    causes[place].cases.push(outcome.case.scenario.name.clone());
}

/// How grave it is what the first wrong answer of a case shows.
fn gravity(mismatch: &Mismatch) -> Gravity {
    match mismatch.clause.as_deref() {
        _ if mismatch.missing.is_some() => Gravity::Plain,
        _ if mismatch.has_outside() => Gravity::Outside,
        Some("K1") => {
            // Where nothing should be, a deletion was not seen.
            let (expected, _) = first_difference(&mismatch.diff, bare(&mismatch.command));
            match expected.as_deref() {
                Some("(none)") => Gravity::Plain,
                Some(_) | None => Gravity::Lost,
            }
        }
        _ => Gravity::Plain,
    }
}

/// A command without the client's name, which stands before a colon.
fn bare(command: &str) -> &str {
    command.split_once(": ").map_or(command, |(_, rest)| rest)
}

/// The lines that are shown of them, the gravest first, and of those the largest group; none if few cases failed.
pub fn lines(causes: &[Cause]) -> Vec<String> {
    let failures: usize = causes.iter().map(|cause| cause.cases.len()).sum();
    if failures < MANY || causes.len() == failures {
        return Vec::new();
    }
    let mut causes: Vec<_> = causes.iter().collect();
    causes.sort_by_key(|cause| (cause.gravity, std::cmp::Reverse(cause.cases.len())));
    let mut lines: Vec<_> = causes.iter().take(SHOWN).map(|cause| cause.line()).collect();
    if let Some(more) = causes.len().checked_sub(SHOWN).filter(|more| *more > 0) {
        lines.push(format!("… and {more} more causes"));
    }
    lines
}

/// What the first wrong answer of a case shows.
fn what(mismatch: &Mismatch) -> String {
    if let Some(missing) = &mismatch.missing {
        return missing.clone();
    }
    let command = bare(&mismatch.command);
    let word = command.split(' ').next().unwrap_or_default();
    let (expected, observed) = first_difference(&mismatch.diff, command);
    let (expected, observed) = (expected.as_deref(), observed.as_deref());
    let is_watch = matches!(word, "events" | "next");
    // Which events came before its end explains nothing.
    if is_watch && let Some(line) = end_of_watch(&mismatch.diff) {
        return refused("a watch", line, &mismatch.notes);
    }
    match (expected, observed) {
        _ if is_watch && mismatch.clause.as_deref() == Some("W2") => {
            "events are delivered more than once".into()
        }
        (_, Some(line)) if is_watch && line.contains("error: deadline exceeded") => {
            missing_event(expected)
        }
        (_, Some(line)) if line.contains("error: ") => refused(word, line, &mismatch.notes),
        (_, Some(line)) if line.contains("panic: ") => format!("{word} panics"),
        (Some(line), _) if line.contains("error: ") => {
            let kind = line.split("error: ").nth(1).unwrap_or_default();
            format!("{word} is not refused: expected {kind}")
        }
        _ => wrong(word, command, expected, observed),
    }
}

/// The line that says by which error a watch ended, if it did and should not have.
fn end_of_watch(diff: &[DiffLine]) -> Option<&str> {
    diff.iter().find_map(|line| match line {
        DiffLine::Observed(line) if line.contains("error: deadline exceeded") => None,
        DiffLine::Observed(line) if line.contains("error: ") => Some(line.as_str()),
        DiffLine::Expected(_) | DiffLine::Observed(_) | DiffLine::Same(_) => None,
    })
}

/// The first line that was expected and the first that was observed in its place, without their labels.
fn first_difference(diff: &[DiffLine], command: &str) -> (Option<String>, Option<String>) {
    let changed = |line: &&DiffLine| !matches!(line, DiffLine::Same(_));
    let hunk: Vec<_> =
        diff.iter().skip_while(|line| !changed(line)).take_while(|line| changed(line)).collect();
    let bare = |line: &str| {
        let (label, answer) = line.split_once(": ").unwrap_or(("", line));
        let is_label =
            !label.is_empty() && command.starts_with(label.split(' ').next().unwrap_or(label));
        if is_label { answer.to_owned() } else { line.to_owned() }
    };
    let expected = hunk.iter().find_map(|line| match line {
        DiffLine::Expected(line) => Some(bare(line)),
        DiffLine::Observed(_) | DiffLine::Same(_) => None,
    });
    let observed = hunk.iter().find_map(|line| match line {
        DiffLine::Observed(line) => Some(bare(line)),
        DiffLine::Expected(_) | DiffLine::Same(_) => None,
    });
    (expected, observed)
}

/// A call that was refused, with what the store said to that.
fn refused(word: &str, line: &str, notes: &[String]) -> String {
    let kind = line.split("error: ").nth(1).unwrap_or_default();
    let said = notes.iter().find_map(|note| note.split_once(&format!("{kind}: ")));
    match said {
        Some((_, message)) => format!("{word} answers {kind}: {}", plain(message)),
        None => format!("{word} answers {kind}"),
    }
}

/// A wrong answer, by its command and what it says in place of what.
fn wrong(word: &str, command: &str, expected: Option<&str>, observed: Option<&str>) -> String {
    let has = |words: &str| observed.is_some_and(|line| line.contains(words));
    let is_event = |line: &str| line.starts_with("put ") || line.starts_with("delete ");
    let shapes = [
        ("expired late", "keys or leases outlive their TTL"),
        ("expired early", "keys or leases end before their TTL"),
        ("came back", "keys are there again after their end"),
        ("was gone while", "keys of one lease do not go together"),
        ("vanished", "keys vanish that must stay"),
        ("of the", "a shorter TTL is granted than was asked for"),
    ];
    let is_of_ttl = matches!(word, "expire" | "survive" | "update" | "lease" | "fill");
    if let Some((_, what)) = shapes.iter().find(|(words, _)| is_of_ttl && has(words)) {
        return (*what).into();
    }
    match (word, expected, observed) {
        ("events" | "next", _, Some(flaw))
            if !is_event(flaw) && !flaw.starts_with('(') && !flaw.contains(" puts, ") =>
        {
            flaw.into()
        }
        ("events" | "next", Some(_), None | Some("(no events)")) => missing_event(expected),
        ("events" | "next", None | Some("(no events)"), Some(_)) => "unwanted events arrive".into(),
        ("events" | "next", ..) => "events differ from what was written".into(),
        ("read", _, Some("(none)")) => "keys that were written are missing".into(),
        ("read", Some("(none)"), _) => "keys are there that must not be".into(),
        ("read", ..) => "a read gives another value than the last one written".into(),
        ("list", ..) => "lists differ from what was written".into(),
        ("txn", Some("then" | "else"), _) => "a transaction takes the wrong branch".into(),
        ("txn", ..) => "a transaction answers wrongly".into(),
        ("metadata" | "revision", ..) => "revisions are counted wrongly".into(),
        ("race", ..) => {
            let kind = command.split(' ').nth(1).unwrap_or_default();
            format!("the race '{kind}' is not won")
        }
        _ => format!("{word} answers wrongly"),
    }
}

/// An event that did not come, by what it was to be.
fn missing_event(expected: Option<&str>) -> String {
    match expected.is_some_and(|line| line.starts_with("delete ")) {
        true => "deletions are not delivered".into(),
        false => "events are missing".into(),
    }
}

/// A message without the numbers and names that differ from case to case.
fn plain(message: &str) -> String {
    let mut plain = String::new();
    for word in message.split_whitespace() {
        let has_digit = word.chars().any(|c| c.is_ascii_digit());
        plain.push_str(if has_digit { "…" } else { word });
        plain.push(' ');
    }
    plain.trim_end().chars().take(MESSAGE).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use super::*;
    use crate::plan::Case;
    use crate::scenario::Scenario;

    fn mismatch(command: &str, diff: Vec<DiffLine>, notes: &[&str]) -> Mismatch {
        let notes = notes.iter().map(|note| (*note).to_owned()).collect();
        let (clause, missing) = (None, None);
        Mismatch { line: 1, command: command.into(), clause, missing, diff, notes }
    }

    fn lines_of(expected: &str, observed: &str) -> Vec<DiffLine> {
        vec![DiffLine::Expected(expected.into()), DiffLine::Observed(observed.into())]
    }

    #[test]
    fn the_first_wrong_answer_says_what_goes_wrong() {
        let late =
            "k expired late: still there after 8s, granted 2s with a Limits::expiry_lag of 2s";
        for (command, expected, observed, what_is_wrong) in [
            ("expire k", "k expired on time", late, "keys or leases outlive their TTL"),
            ("read k", "read k: v", "read k: (none)", "keys that were written are missing"),
            ("b: read k", "read k: (none)", "read k: v", "keys are there that must not be"),
            ("events w", "events w: put k v", "events w: (no events)", "events are missing"),
            (
                "next w",
                "next w: delete k",
                "next w: error: deadline exceeded",
                "deletions are not delivered",
            ),
            ("txn if \"version k = 0\"", "then", "else", "a transaction takes the wrong branch"),
            ("compact m", "error: compacted", "ok", "compact is not refused: expected compacted"),
        ] {
            let mismatch = mismatch(command, lines_of(expected, observed), &[]);
            assert_eq!(what(&mismatch), what_is_wrong, "{command}");
        }
    }

    #[test]
    fn the_end_of_a_watch_says_more_than_what_came_before() {
        let note = "the store said: events w: canceled: the watch ended without an error";
        let mut diff = lines_of("events w: 9 puts, 0 deletes", "events w: 5 puts, 0 deletes");
        diff.push(DiffLine::Observed("events w: error: canceled".into()));
        let what = what(&mismatch("events w", diff, &[note]));
        assert_eq!(what, "a watch answers canceled: the watch ended without an error");
    }

    #[test]
    fn the_gravest_comes_first() {
        let outcome = |name: &str, command: &str, observed: &str, clause: &str| {
            let mut mismatch = mismatch(command, lines_of("ok", observed), &[]);
            mismatch.clause = Some(clause.into());
            let text =
                "# A law.\n# clauses: K1\n# source: this test\nread k\n---\nread k: (none)\n";
            let scenario = Scenario::parse("a.kv".as_ref(), name.into(), text.into());
            let case = Case::new("mine", Arc::new(scenario.expect("it is well-formed")));
            let verdict = Verdict::Failed(Box::new(mismatch));
            Outcome { case, verdict, transcript: None, took: Duration::ZERO }
        };
        let mut causes = Vec::new();
        for number in 0..4 {
            let name = format!("core/watch/{number}");
            add(&mut causes, &outcome(&name, "events w", "events w: (no events)", "W3"));
        }
        add(&mut causes, &outcome("core/add/a", "read k", "read k: (none)", "K1"));
        add(&mut causes, &outcome("core/list/a", "list k", "list k: outside:a", "P1"));
        let lines = lines(&causes);
        assert!(lines[0].starts_with("1 failure: answers have keys from outside"), "{lines:?}");
        assert!(lines[1].starts_with("1 failure: writes that were acknowledged"), "{lines:?}");
        assert!(lines[2].starts_with("4 failures: events are missing"), "{lines:?}");
    }

    #[test]
    fn messages_that_differ_by_numbers_are_one_cause() {
        let what = |id: &str| {
            let note = format!("the store said: revoke a: other: lease {id} cannot go");
            what(&mismatch("revoke a", lines_of("ok", "error: other"), &[&note]))
        };
        assert_eq!(what("7f01"), "revoke answers other: lease … cannot go");
        assert_eq!(what("7f01"), what("7f02"));
    }
}
