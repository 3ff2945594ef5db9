//! A run in GitHub Actions: an annotation a failure, and a summary of the step in Markdown.

use std::collections::BTreeMap;
use std::io::{self, Write};

use super::Reporter;
use super::causes::{self, Cause};
use super::failure::describe;
use super::paint::Paint;
use crate::event::{Left, Outcome, RunEvent, Summary, Tally};
use crate::plan::Rerun;
use crate::verdict::Verdict;
use crate::words::seconds;

/// How many bytes of failures the summary of a step may hold: GitHub takes 1 MiB of summary and drops a longer one.
const ROOM: usize = 900 * 1024;

/// Writes annotations, and the summary of the step, once the run is over.
pub struct Github<A, S> {
    annotations: A,
    summary: Option<S>,
    /// What was not as it should be, reported only when no progress bar is in the way.
    told: Vec<String>,
    details: String,
    left_out: usize,
    targets: Vec<String>,
    causes: BTreeMap<String, Vec<Cause>>,
    rerun: Rerun,
}

impl<A: Write, S: Write> Github<A, S> {
    /// Annotations to `annotations`, and Markdown to `summary` if there is one; `rerun` is the command that runs one
    /// case, up to what names the case.
    pub fn new(annotations: A, summary: Option<S>, rerun: impl Into<Rerun>) -> Self {
        Self {
            annotations,
            summary,
            told: Vec::new(),
            details: String::new(),
            left_out: 0,
            targets: Vec::new(),
            causes: BTreeMap::new(),
            rerun: rerun.into(),
        }
    }

    fn case(&mut self, outcome: &Outcome) {
        causes::add(self.causes.entry(outcome.case.backend.clone()).or_default(), outcome);
        if outcome.is_unfinished() {
            return;
        }
        let (level, line) = match &outcome.verdict {
            Verdict::Passed | Verdict::Skipped(_) | Verdict::Known(..) => return,
            Verdict::Failed(mismatch) => ("error", mismatch.line),
            Verdict::Stale(_) | Verdict::Errored(_) => ("error", 1),
            Verdict::Unclear(_) => ("warning", 1),
        };
        let (backend, scenario) = (&outcome.case.backend, &outcome.case.scenario);
        let rerun = outcome.case.rerun(&self.rerun);
        let text = describe(outcome, &rerun, Paint::new(false));
        let title = format!("{backend}: {}", scenario.name);
        // A script that is part of the program is not a file of the checkout.
        let place = match scenario.path.is_file() {
            true => format!("file={},line={line},", property(&scenario.path.to_string_lossy())),
            false => String::new(),
        };
        self.told.push(format!(
            "::{level} {place}title={}::{}",
            property(&title),
            message(&outdented(&text))
        ));
        self.detail(&title, &text);
    }

    fn detail(&mut self, title: &str, text: &str) {
        if self.details.len() + text.len() > ROOM {
            self.left_out += 1;
            return;
        }
        let fence = fence(text);
        let title = inline(title);
        self.details.push_str(&format!(
            "\n<details><summary>{title}</summary>\n\n{fence}diff\n{}\n{fence}\n\n</details>\n",
            outdented(text)
        ));
    }

    fn finish(&mut self, summary: &Summary) -> io::Result<()> {
        for line in &self.told {
            writeln!(self.annotations, "{line}")?;
        }
        if let Some(reason) = &summary.ended_early {
            let reason = message(&format!("the run ended early: {reason}"));
            writeln!(self.annotations, "::error title=kvspec::{reason}")?;
        }
        self.annotations.flush()?;
        let text = self.markdown(summary);
        let Some(out) = &mut self.summary else { return Ok(()) };
        out.write_all(text.as_bytes())?;
        out.flush()
    }

    fn markdown(&self, summary: &Summary) -> String {
        let mut text = String::from(
            "## kvspec\n\n| backend | passed | failed | known | unclear | skipped | time |\n\
             |---|--:|--:|--:|--:|--:|--:|\n",
        );
        for (name, tally) in &summary.tallies {
            text.push_str(&row(name, tally));
        }
        text.push('\n');
        self.targets.iter().for_each(|line| text.push_str(line));
        for (name, tally) in &summary.tallies {
            let causes =
                self.causes.get(name).map_or_else(Vec::new, |causes| causes::lines(causes));
            for cause in causes.iter().chain(&tally.left.as_ref().map(Left::sentence)) {
                text.push_str(&format!("- {}: {}\n", inline(name), inline(cause)));
            }
            for (reason, count) in &tally.skipped {
                let (name, reason) = (inline(name), inline(reason));
                text.push_str(&format!("- {name}: {count} skipped: {reason}\n"));
            }
        }
        if let Some(reason) = &summary.ended_early {
            text.push_str(&format!("\n**The run ended early: {}**\n", inline(reason)));
        }
        text.push_str(&self.details);
        if self.left_out > 0 {
            text.push_str(&format!("\n… and {} more, for which no room is left.\n", self.left_out));
        }
        text
    }
}

impl<A: Write, S: Write> Reporter for Github<A, S> {
    fn take(&mut self, event: &RunEvent<'_>) -> io::Result<()> {
        match event {
            RunEvent::TargetStarted { name, about, .. } => {
                let about = match about {
                    Ok(about) => inline(about),
                    Err(reason) => format!("not there: {}", inline(reason)),
                };
                self.targets.push(format!("- {}: {about}\n", inline(name)));
            }
            RunEvent::CaseFinished { outcome } => self.case(outcome),
            RunEvent::Finished { summary } => self.finish(summary)?,
            RunEvent::Started { .. }
            | RunEvent::CaseStarted { .. }
            | RunEvent::TargetFinished { .. } => {}
        }
        Ok(())
    }
}

fn row(name: &str, tally: &Tally) -> String {
    format!(
        "| {} | {} | {} | {} | {} | {} | {} |\n",
        inline(name),
        tally.passed,
        tally.failed + tally.errored,
        tally.known,
        tally.unclear + tally.unfinished,
        tally.skipped.values().sum::<usize>(),
        seconds(tally.took)
    )
}

/// Text as the message of a workflow command.
fn message(text: &str) -> String {
    text.trim_end().replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// Text as a property of a workflow command.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

/// Text that Markdown and HTML take for nothing but text, in one line.
fn inline(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\n' | '\r' => escaped.push(' '),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '#' | '~' => escaped.extend(['\\', c]),
            c => escaped.push(c),
        }
    }
    escaped
}

/// A fence that is longer than any in the text.
fn fence(text: &str) -> String {
    let longest = text.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    "`".repeat(longest.max(2) + 1)
}

/// The text without the indent that all its lines have, so that a diff's signs stand first.
fn outdented(text: &str) -> String {
    let lines = text.trim_end().lines().map(|line| line.strip_prefix("  ").unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_command_would_read_is_escaped() {
        assert_eq!(property("C:\\a,b 100%\nc"), "C%3A\\a%2Cb 100%25%0Ac");
        assert_eq!(message("a\r\n::error::x\n"), "a%0D%0A::error::x");
    }

    #[test]
    fn what_markdown_would_read_is_escaped() {
        assert_eq!(inline("<script>a|b*`\n"), "&lt;script&gt;a\\|b\\*\\` ");
        assert_eq!(fence("a ```` b"), "`````");
        assert_eq!(fence("plain"), "```");
    }
}
