//! The whole page: what was run, the verdicts as a grid, and every case below.

use std::io::{self, Write};
use std::time::SystemTime;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use chrono::{DateTime, Utc};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use sha2::{Digest, Sha256};

use super::case::{Part, WORDS, marked};
use super::svg;
use super::text::Text;
use crate::contract::{clauses, letters, title};
use crate::event::{Outcome, RunEvent, Summary, Tally};
use crate::plan::{Rerun, Shard};
use crate::report::causes::{self, Cause};
use crate::report::groups::Groups;
use crate::words::seconds;

const STYLE: &str = include_str!("page.css");
const CODE: &str = include_str!("page.js");

/// How many cases that want to be looked at are open from the start, at most.
const OPEN: usize = 5;

/// A page, as far as the run has come.
pub(super) struct Page {
    about: Option<About>,
    targets: Vec<TargetPart>,
    /// How many cases there are to be.
    cases: usize,
    summary: Option<Summary>,
    rerun: Rerun,
}

/// What the run says of itself.
struct About {
    kvspec: String,
    suite: String,
    at: SystemTime,
    shard: Option<Shard>,
}

/// What the page holds of one target.
struct TargetPart {
    name: String,
    version: Option<String>,
    about: Result<String, String>,
    groups: Groups,
    tally: Tally,
    causes: Vec<Cause>,
    parts: Vec<Part>,
}

impl Page {
    /// An empty page; `rerun` is the command that runs one case, up to what names the case.
    pub fn new(rerun: Rerun) -> Self {
        Self { about: None, targets: Vec::new(), cases: 0, summary: None, rerun }
    }

    /// Takes in what happened.
    pub fn take(&mut self, event: &RunEvent<'_>) {
        match event {
            RunEvent::Started { kvspec, suite, at, cases, shard } => {
                let (kvspec, suite) = (kvspec.to_string(), suite.to_string());
                self.about = Some(About { kvspec, suite, at: *at, shard: *shard });
                self.cases = *cases;
            }
            RunEvent::TargetStarted { name, about, version, .. } => {
                let about = about.map(String::from).map_err(String::from);
                let (groups, tally, causes) = <(Groups, Tally, Vec<Cause>)>::default();
                let (name, version) = (name.to_string(), version.map(String::from));
                let parts = Vec::new();
                let target = TargetPart { name, version, about, groups, tally, causes, parts };
                self.targets.push(target);
            }
            RunEvent::CaseFinished { outcome } => self.case(outcome),
            RunEvent::TargetFinished { tally, .. } => {
                if let Some(target) = self.targets.last_mut() {
                    target.tally = (*tally).clone();
                }
            }
            RunEvent::Finished { summary } => self.summary = Some((*summary).clone()),
            RunEvent::CaseStarted { .. } => {}
        }
    }

    fn case(&mut self, outcome: &Outcome) {
        let index = self.targets.len().saturating_sub(1);
        let Some(target) = self.targets.last_mut() else { return };
        let rerun = outcome.case.rerun(&self.rerun);
        target.groups.add(outcome);
        target.tally.add(outcome);
        causes::add(&mut target.causes, outcome);
        target.parts.push(Part::of(outcome, index, &rerun));
    }

    /// How many cases are over.
    pub fn done(&self) -> usize {
        self.targets.iter().map(|target| target.parts.len()).sum()
    }

    /// Writes the page as HTML; if it is `live`, it asks for what comes after so many cases.
    pub fn write(&self, out: &mut dyn Write, live: Option<usize>) -> io::Result<()> {
        let head = html! {
            (DOCTYPE)
            (PreEscaped("<html lang=en>"))
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta name="color-scheme" content="light dark";
                meta http-equiv="Content-Security-Policy" content=(policy());
                // Without one a browser would ask for a file of its own accord.
                link rel="icon" href="data:,";
                title { "kvspec: " (Text(&self.headline())) }
                style { (PreEscaped(STYLE)) }
            }
        };
        let top = html! {
            (svg::symbols())
            header { h1 { "kvspec" } (self.told()) }
            div #grid { (self.grid()) }
            (filters(&self.targets))
            details.how { summary { "How to read a timeline" } (svg::legend()) (how()) }
        };
        let live = live.map(|done| format!(" data-live={done}")).unwrap_or_default();
        write!(out, "{}<body{live}>{}<main>", head.0, top.0)?;
        self.sections(out)?;
        let code = html! { script { (PreEscaped(CODE)) } };
        writeln!(out, "</main>{}{}</body></html>", contract().0, code.0)
    }

    /// What the run amounts to, in a few words: the numbers of each target, those that want to be looked at first.
    pub fn headline(&self) -> String {
        let told: Vec<_> = self.in_order().map(|(_, target)| target.headline()).collect();
        if told.is_empty() { "nothing yet".into() } else { told.join("; ") }
    }

    /// The targets with their places in the run, those that want to be looked at first.
    fn in_order(&self) -> impl Iterator<Item = (usize, &TargetPart)> {
        let targets = || self.targets.iter().enumerate();
        let wanting = targets().filter(|(_, target)| target.is_wanting());
        wanting.chain(targets().filter(|(_, target)| !target.is_wanting()))
    }

    /// What was run, when, and what became of it.
    pub fn told(&self) -> Markup {
        let done = self.done();
        html! {
            div #told {
                @for (_, target) in self.in_order() { p.big { (Text(&target.headline())) } }
                @if self.targets.is_empty() { p.big { "nothing yet" } }
                @if let Some(reason) = self.summary.as_ref().and_then(|one| one.ended_early.as_ref()) {
                    p.why { "the run ended early: " (Text(reason)) }
                }
                @for target in &self.targets {
                    @for cause in causes::lines(&target.causes) {
                        p.why { (Text(&target.name)) ": " (Text(&cause)) }
                    }
                    @if let Some(left) = &target.tally.left {
                        p.m { (Text(&target.name)) ": " (Text(&left.sentence())) }
                    }
                }
                p.m {
                    @match &self.summary {
                        Some(summary) => { (done) " cases in " (seconds(summary.took)) },
                        None => { "running: " (done) " of " (self.cases) " cases are over" },
                    }
                    @if let Some(About { kvspec, suite, at, shard }) = &self.about {
                        " · " (DateTime::<Utc>::from(*at).format("%Y-%m-%d %H:%M UTC"))
                        " · kvspec " (Text(kvspec)) " · suite " (Text(suite))
                        @if let Some(shard) = shard { " · shard " (shard) }
                    }
                }
            }
        }
    }

    /// The verdicts by backend and group of clauses.
    pub fn grid(&self) -> Markup {
        let letters = letters();
        html! {
            table {
                tr {
                    th { "backend" }
                    @for letter in &letters { th title=(title(letter).unwrap_or_default()) { (letter) } }
                    th { "all" }
                }
                @for (index, target) in self.targets.iter().enumerate() {
                    tr {
                        th { a href={ "#b" (index) } { (Text(&target.name)) } }
                        @for letter in &letters {
                            (cell(target.groups.tally(letter), index, letter))
                        }
                        (cell(Some(&target.tally), index, ""))
                    }
                }
            }
            p.m.key {
                @for letter in &letters { span { b { (letter) } " " (title(letter).unwrap_or_default()) } " " }
            }
        }
    }

    fn sections(&self, out: &mut dyn Write) -> io::Result<()> {
        let wanting = |part: &&Part| part.is_wanting();
        let wanting = self.targets.iter().flat_map(|target| &target.parts).filter(wanting).count();
        for (index, target) in self.in_order() {
            write!(out, "<section id=b{index} data-b={index}>{}", heading(target).0)?;
            let is_folded =
                self.targets.len() > 1 && self.summary.is_some() && !target.is_wanting();
            if is_folded {
                let summary = html! { summary { "all " (target.parts.len()) " cases" } };
                write!(out, "<details class=all>{}", summary.0)?;
            }
            let mut parts: Vec<_> = target.parts.iter().collect();
            parts.sort_by(|a, b| (a.rank, &a.name).cmp(&(b.rank, &b.name)));
            for part in parts {
                part.write(out, part.is_wanting() && wanting <= OPEN)?;
            }
            write!(out, "{}</section>", if is_folded { "</details>" } else { "" })?;
        }
        Ok(())
    }

    /// The cases that ended after the first `done`, in that order: each with the place and the heading of its section.
    #[cfg(feature = "cli")]
    pub fn since(&self, done: usize) -> impl Iterator<Item = (usize, Markup, &Part)> {
        let parts =
            self.targets.iter().enumerate().flat_map(|(index, target)| {
                target.parts.iter().map(move |part| (index, target, part))
            });
        parts.skip(done).map(|(index, target, part)| (index, heading(target), part))
    }
}

impl TargetPart {
    /// Whether a case wants to be looked at.
    fn is_wanting(&self) -> bool {
        self.parts.iter().any(Part::is_wanting)
    }

    /// What it is called and what became of its cases.
    fn headline(&self) -> String {
        let words = WORDS.map(|word| if word == "known" { "known to fail" } else { word });
        let version = self.version.as_ref().map(|version| format!(" {version}"));
        let told = told(counts(&self.tally), words);
        let told = if told.is_empty() { "nothing yet" } else { &told };
        format!("{}{}: {told}", self.name, version.unwrap_or_default())
    }
}

/// The contract, which clauses on the page link to.
fn contract() -> Markup {
    html! {
        details #contract {
            summary { "The contract" }
            @for clause in clauses() {
                p id={ "clause-" (clause.id) } {
                    b { (clause.id) } " " (marked(&clause.sentence)) " " span.m { (clause.level.to_string()) " · " (clause.source) }
                }
            }
        }
    }
}

fn heading(target: &TargetPart) -> Markup {
    html! {
        h2 { (Text(&target.name)) }
        p.m {
            @match &target.about {
                Ok(about) => (Text(about)),
                Err(reason) => { "not there: " (Text(reason)) },
            }
        }
    }
}

/// How many cases of a tally came to each of [`WORDS`].
fn counts(tally: &Tally) -> [usize; WORDS.len()] {
    let skipped = tally.skipped.values().sum();
    let Tally { failed, errored, unclear, unfinished, known, passed, .. } = *tally;
    [failed, errored, unclear, unfinished, known, passed, skipped]
}

/// The counts that are not zero, each with its word.
fn told(counts: [usize; WORDS.len()], words: [&str; WORDS.len()]) -> String {
    let told = words.iter().zip(counts).filter(|(_, count)| *count > 0);
    told.map(|(word, count)| format!("{count} {word}")).collect::<Vec<_>>().join(", ")
}

fn cell(tally: Option<&Tally>, index: usize, letter: &str) -> Markup {
    let tally = tally.filter(|tally| tally.cases() > 0);
    let Some(tally) = tally else { return html! { td { "·" } } };
    let counts = counts(tally);
    let worst = counts.iter().position(|count| *count > 0).unwrap_or_default();
    let judged = tally.cases() - tally.skipped.values().sum::<usize>();
    html! {
        td.(WORDS[worst]) title=(told(counts, WORDS)) {
            a href={ "#b" (index) } data-b=(index) data-g=(letter) {
                @if judged == 0 { "skip" }
                @else if tally.passed == judged { (judged) }
                @else { (tally.passed) "/" (judged) }
            }
        }
    }
}

/// What narrows the cases down; it works with scripts only, and is not there without.
fn filters(targets: &[TargetPart]) -> Markup {
    html! {
        form #filters hidden {
            input #q type="search" placeholder="name or title" aria-label="name or title";
            select #fb aria-label="backend" {
                option value="" { "every backend" }
                @for (index, target) in targets.iter().enumerate() { option value=(index) { (Text(&target.name)) } }
            }
            select #fg aria-label="group of clauses" {
                option value="" { "every group" }
                @for letter in letters() {
                    option value=(letter) { (letter) ": " (title(letter).unwrap_or_default()) }
                }
            }
            @for (rank, word) in WORDS.iter().enumerate() {
                button type="button" name="r" value=(rank) aria-pressed="true" { (word) " " span { } }
            }
            button type="reset" { "all" }
            output #count { }
        }
    }
}

fn how() -> Markup {
    html! {
        p.m {
            "The commands are on top, by number; the one that was answered otherwise than expected is red. Half of the \
             width is shared evenly among them, the other half goes by the time that each took, so that what happened \
             at one moment can be distinguished. A key lives from the write that made it to the delete or expiry that ended \
             it. A watch's events stand where the script asked for them. Point at anything to have it named."
        }
    }
}

/// What a browser may do with the page: run its own script, and nothing that came in from elsewhere.
fn policy() -> String {
    let hash = BASE64_STANDARD.encode(Sha256::digest(CODE));
    format!(
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{hash}'; connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'"
    )
}
