//! One case on the page: its title and clauses, its timeline, and its script next to what was observed.

use std::io::{self, Write};

use maud::{Markup, Render, html};

use super::beside::beside;
use super::svg;
use super::text::{Lines, Text};
use crate::contract::{clause, groups};
use crate::event::Outcome;
use crate::report::{failure, log};
use crate::scenario::Scenario;
use crate::timeline::Timeline;
use crate::transcript::Transcript;
use crate::verdict::{Mismatch, Verdict, observed_text};
use crate::words::seconds;

/// How a verdict is called on the page; the further down, the less it wants to be looked at.
pub(super) const WORDS: [&str; 7] =
    ["failed", "errored", "unclear", "unfinished", "known", "passed", "skipped"];

/// How many of them, from the first, want to be looked at.
const WANTING: usize = 4;

/// One case as the page holds it.
pub(super) struct Part {
    /// The place of its word among [`WORDS`].
    pub rank: usize,
    /// The name of its scenario.
    pub name: String,
    backend: usize,
    groups: String,
    body: Box<str>,
}

impl Part {
    /// The part of an outcome; `backend` is the place of its backend on the page, `rerun` the command that runs just it.
    pub fn of(outcome: &Outcome, backend: usize, rerun: &str) -> Self {
        let scenario = &outcome.case.scenario;
        let groups = Vec::from_iter(&groups(scenario) | &outcome.groups()).join(" ");
        let rank = WORDS.iter().position(|one| *one == word(outcome)).unwrap_or_default();
        // What a string has room for beyond its end would add up.
        let body = body(outcome, rerun).into_string().into();
        Self { rank, name: scenario.name.clone(), backend, groups, body }
    }

    /// The name by which the page refers to it.
    pub fn id(&self) -> String {
        let is_odd = |c: char| !(c.is_alphanumeric() || "/-_.".contains(c));
        format!("b{}-{}", self.backend, self.name.replace(is_odd, "_"))
    }

    /// Whether it wants to be looked at.
    pub fn is_wanting(&self) -> bool {
        self.rank < WANTING
    }

    /// Writes the part as HTML.
    pub fn write(&self, out: &mut dyn Write, is_open: bool) -> io::Result<()> {
        let (word, id, open) = (WORDS[self.rank], self.id(), if is_open { " open" } else { "" });
        let Self { rank, backend, groups, body, .. } = self;
        let place = format!("data-r={rank} data-b={backend} data-g=\"{groups}\"");
        write!(out, "<details class=\"c {word}\" id=\"{id}\"{open} {place}>")?;
        out.write_all(body.as_bytes())?;
        out.write_all(b"</details>")
    }
}

fn word(outcome: &Outcome) -> &'static str {
    match &outcome.verdict {
        _ if outcome.is_unfinished() => "unfinished",
        Verdict::Passed => "passed",
        Verdict::Skipped(_) => "skipped",
        Verdict::Known(..) => "known",
        Verdict::Failed(_) | Verdict::Stale(_) => "failed",
        Verdict::Unclear(_) => "unclear",
        Verdict::Errored(_) => "errored",
    }
}

fn body(outcome: &Outcome, rerun: &str) -> Markup {
    let scenario = outcome.case.scenario.as_ref();
    let took = outcome.transcript.as_ref().map(|_| seconds(outcome.took));
    html! {
        summary {
            span.v { (word(outcome)) } " "
            b { (Text(&scenario.name)) } " "
            @if let Some(took) = took { span.m { (took) } " " }
            span.title { (Text(&scenario.title)) }
        }
        div.body {
            (why(&outcome.verdict))
            (clauses(&outcome.verdict, scenario))
            @match &outcome.transcript {
                Some(transcript) => (seen(outcome, transcript)),
                None => pre { (Lines(scenario.text.lines())) },
            }
            p.m {
                (Text(&scenario.path.to_string_lossy())) @if let Some(line) = line(&outcome.verdict) { ":" (line) }
                @if !scenario.source.is_empty() { " · " (Text(&scenario.source)) }
                " · " code { (Text(rerun)) } " " button.copy type="button" hidden { "copy" }
            }
        }
    }
}

fn mismatch(verdict: &Verdict) -> Option<&Mismatch> {
    match verdict {
        Verdict::Failed(mismatch) | Verdict::Known(_, mismatch) => Some(mismatch),
        _ => None,
    }
}

fn line(verdict: &Verdict) -> Option<usize> {
    mismatch(verdict).map(|mismatch| mismatch.line)
}

/// Why a case did not pass.
fn why(verdict: &Verdict) -> Markup {
    let reason = match verdict {
        Verdict::Passed | Verdict::Failed(_) => None,
        Verdict::Skipped(reason) => Some(("skipped", reason)),
        Verdict::Known(reason, _) => Some(("known to fail", reason)),
        Verdict::Stale(reason) => Some(("it passed", reason)),
        Verdict::Unclear(reason) => Some(("unclear", reason)),
        Verdict::Errored(reason) => Some(("kvspec could not judge", reason)),
    };
    html! {
        @if let Some((what, reason)) = reason { p.why { (what) ": " (Text(reason)) } }
        @if let Some(mismatch) = mismatch(verdict) {
            p.why { "wrong in line " (mismatch.line) ": " code { (Text(&mismatch.command)) } }
            @for note in &mismatch.notes { p.why { (Text(note)) } }
        }
    }
}

fn clauses(verdict: &Verdict, scenario: &Scenario) -> Markup {
    html! {
        ul.cl {
            @for id in failure::clauses(verdict, scenario) {
                li { a href={ "#clause-" (Text(id)) } { b { (Text(id)) } } " " @if let Some(clause) = clause(id) { (marked(&clause.shown())) } }
            }
        }
    }
}

/// A sentence in which what stands between backticks is code.
pub(super) fn marked(sentence: &str) -> Markup {
    html! {
        @for (index, part) in sentence.split('`').enumerate() {
            @if index % 2 == 1 { code { (Text(part)) } } @else { (Text(part)) }
        }
    }
}

fn seen(outcome: &Outcome, transcript: &Transcript) -> Markup {
    let scenario = outcome.case.scenario.as_ref();
    let timeline = Timeline::of(scenario, transcript);
    let is_as_expected = outcome.verdict == Verdict::Passed;
    let observed = if is_as_expected { None } else { observed_text(scenario, transcript).ok() };
    html! {
        (svg::draw(&timeline, line(&outcome.verdict)))
        @match observed {
            Some(observed) => {
                (differences(&scenario.text, &observed))
                h4 { "Observed, with times" }
                (observations(scenario, transcript))
            }
            None => div.two {
                div { h4 { "Script" } pre { (Lines(scenario.text.lines())) } }
                div { h4 { "Observed" @if is_as_expected { ", as the script expects" } } (observations(scenario, transcript)) }
            },
        }
    }
}

fn differences(script: &str, observed: &str) -> Markup {
    html! {
        table.d {
            tr { th { } th { "Script" } th { "Observed" } }
            @for row in beside(script.trim_end(), observed.trim_end()) {
                @let (expected, observed) = (row.expected, row.observed);
                tr.x[!row.is_same] {
                    td { @if let Some((number, _)) = expected { (number) } }
                    td { @if let Some((_, line)) = expected { @if row.is_same { (Text(line)) } @else { del { (Text(line)) } } } }
                    td { @if let Some(line) = observed { @if row.is_same { (Text(line)) } @else { ins { (Text(line)) } } } }
                }
            }
        }
    }
}

fn observations(scenario: &Scenario, transcript: &Transcript) -> Markup {
    html! {
        ol.o { (Observations(scenario, transcript)) }
        @if let Some(end) = log::end(&transcript.end) { p.why { (Text(&end)) } }
    }
}

/// An item a command, which may have several lines.
struct Observations<'a>(&'a Scenario, &'a Transcript);

impl Render for Observations<'_> {
    fn render_to(&self, page: &mut String) {
        let mut last = None;
        log::each_command(self.0, self.1, &mut |index, line| {
            page.push_str(if last.replace(index) == Some(index) { "\n" } else { "<li>" });
            Text(line).render_to(page);
        });
    }
}
