//! The script of a failure as it was run, with the answers that were wrong.

use super::paint::Paint;
use crate::scenario::Scenario;
use crate::scenario::lines::blocks;
use crate::verdict::{DiffLine, Mismatch};

/// How many lines are shown; of a longer script the first ones, and the last ones before the end of the failure.
const SHOWN: usize = 40;
/// How many of these are the first ones.
const FIRST: usize = 10;

/// A line as it is shown.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Line<'a> {
    /// A line of the script that was as expected, or says nothing of the store.
    Plain(usize, &'a str),
    /// The command that was answered otherwise than expected.
    Command(usize, &'a str),
    /// An answer that the script expects and the store did not give.
    Expected(usize, &'a str),
    /// An answer that the store gave and the script does not expect.
    Observed(&'a str),
}

impl Line<'_> {
    fn shown(&self, paint: Paint) -> String {
        match self {
            Self::Plain(number, text) => {
                paint.faint(format!("    {number:>3} │ {text}").trim_end())
            }
            Self::Command(number, text) => {
                paint.head(format!("  > {number:>3} │ {text}").trim_end())
            }
            Self::Expected(number, text) => paint.good(format!("  - {number:>3} │ {text}")),
            Self::Observed(text) => paint.bad(format!("  +     │ {text}")),
        }
    }
}

/// The script from its first command to the end of the block that failed, with the expected and the observed answers;
/// `None` if the difference does not fit the script.
pub(super) fn failed(scenario: &Scenario, mismatch: &Mismatch, paint: Paint) -> Option<String> {
    let lines = merged(scenario, mismatch)?;
    let left_out = lines.len().saturating_sub(SHOWN);
    let mut text = String::new();
    for (index, line) in lines.iter().enumerate() {
        if left_out > 0 && index == FIRST {
            text.push_str(&paint.faint("      … │"));
            text.push('\n');
        }
        if left_out == 0 || index < FIRST || index >= FIRST + left_out {
            text.push_str(&line.shown(paint));
            text.push('\n');
        }
    }
    Some(text)
}

fn merged<'a>(scenario: &'a Scenario, mismatch: &'a Mismatch) -> Option<Vec<Line<'a>>> {
    let script: Vec<_> = scenario.text.lines().collect();
    let blocks = blocks(&scenario.text);
    let (first, _) = *blocks.first()?.commands.first()?;
    let changes = changes(&script, mismatch)?;
    let changed = changes.iter().map(|(line, _)| *line).max()?;
    let is_within = |end: &usize| *end >= changed.max(mismatch.line);
    let last = blocks.iter().map(|block| block.expected.end - 1).find(is_within);
    let last = last.unwrap_or(changed).min(script.len());
    let mut lines = Vec::new();
    for (number, text) in (first..=last).map(|number| (number, script[number - 1])) {
        let here: Vec<_> = changes.iter().filter(|(line, _)| *line == number).collect();
        let observed = here.iter().filter_map(|(_, change)| match change {
            DiffLine::Observed(text) => Some(Line::Observed(text)),
            DiffLine::Expected(_) | DiffLine::Same(_) => None,
        });
        let is_expected = |change: &DiffLine| matches!(change, DiffLine::Expected(_));
        lines.push(match here.iter().any(|(_, change)| is_expected(change)) {
            true => Line::Expected(number, text),
            false if number == mismatch.line => Line::Command(number, text),
            false => Line::Plain(number, text),
        });
        lines.extend(observed);
    }
    Some(lines)
}

/// The changes of a difference, each with the line of the script that it is at, or that it comes after.
fn changes<'a>(script: &[&str], mismatch: &'a Mismatch) -> Option<Vec<(usize, &'a DiffLine)>> {
    let mut changes = Vec::new();
    let mut from = 0;
    for hunk in mismatch.diff.split(|line| *line == DiffLine::Same(None)) {
        let of_script: Vec<_> = hunk.iter().filter_map(of_script).collect();
        let leading = hunk.iter().take_while(|line| matches!(line, DiffLine::Same(_))).count();
        let at = (from..=script.len().checked_sub(of_script.len())?).find(|at| {
            let is_late = !changes.is_empty() || at + leading >= mismatch.line;
            is_late && script[*at..].iter().zip(&of_script).all(|(one, other)| one == other)
        })?;
        from = at;
        for line in hunk {
            from += usize::from(of_script_line(line));
            if !matches!(line, DiffLine::Same(_)) {
                changes.push((from, line));
            }
        }
    }
    Some(changes)
}

fn of_script(line: &DiffLine) -> Option<&str> {
    match line {
        DiffLine::Same(text) => text.as_deref(),
        DiffLine::Expected(text) => Some(text),
        DiffLine::Observed(_) => None,
    }
}

fn of_script_line(line: &DiffLine) -> bool {
    of_script(line).is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::difference;

    const SCRIPT: &str = "# A title.\nupdate k v\nread k\n---\nread k: v\n\n# Twice.\nread k\n---\nv\n\nlist k\n---\nk\n";

    fn shown(script: &str, observed: &str, line: usize) -> Option<String> {
        let scenario = Scenario::parse("a".as_ref(), "nowhere/a.kv".into(), script.into()).unwrap();
        let mismatch = Mismatch {
            missing: None,
            line,
            command: String::new(),
            clause: None,
            diff: difference(script, observed),
            notes: Vec::new(),
        };
        failed(&scenario, &mismatch, Paint::default())
    }

    #[test]
    fn a_script_is_shown_from_its_first_command_to_the_end_of_the_block() {
        let observed = SCRIPT.replace("\nv\n", "\n(none)\nerror: closed\n");
        let expected = "      2 │ update k v
      3 │ read k
      4 │ ---
      5 │ read k: v
      6 │
      7 │ # Twice.
  >   8 │ read k
      9 │ ---
  -  10 │ v
  +     │ (none)
  +     │ error: closed
";
        assert_eq!(shown(SCRIPT, &observed, 8).unwrap(), expected);
    }

    #[test]
    fn an_answer_that_is_missing_or_too_much_has_its_place() {
        let missing = SCRIPT.replace("read k: v\n", "");
        let shown_missing = shown(SCRIPT, &missing, 3).unwrap();
        assert!(shown_missing.ends_with("  >   3 │ read k\n      4 │ ---\n  -   5 │ read k: v\n"));
        let more = SCRIPT.replace("\nk\n", "\nk\nl\n");
        let shown_more = shown(SCRIPT, &more, 12).unwrap();
        assert!(
            shown_more.ends_with("  >  12 │ list k\n     13 │ ---\n     14 │ k\n  +     │ l\n")
        );
    }

    #[test]
    fn blocks_that_are_the_same_are_told_apart_by_the_line_of_the_command() {
        let script = format!("# A title.\n{}", "read k\n---\n(none)\n\n".repeat(20));
        let mut lines: Vec<_> = script.lines().collect();
        lines[59] = "v";
        let shown = shown(&script, &format!("{}\n", lines.join("\n")), 58).unwrap();
        assert!(shown.contains("  >  58 │ read k\n     59 │ ---\n  -  60 │ (none)\n"), "{shown}");
        assert_eq!(shown.lines().count(), SHOWN + 1);
        assert!(shown.starts_with("      2 │ read k\n") && shown.contains("\n      … │\n"));
    }

    #[test]
    fn a_difference_of_another_script_does_not_fit() {
        assert_eq!(shown(SCRIPT, SCRIPT, 3), None);
        let scenario = Scenario::parse("a".as_ref(), "nowhere/a.kv".into(), SCRIPT.into()).unwrap();
        let diff = vec![DiffLine::Expected("w".into())];
        let mismatch = Mismatch {
            line: 3,
            command: String::new(),
            clause: None,
            missing: None,
            diff,
            notes: Vec::new(),
        };
        assert_eq!(failed(&scenario, &mismatch, Paint::default()), None);
    }
}
