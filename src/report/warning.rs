//! The red warning that a target is not there.

use std::io::{self, Write};

use super::paint::Paint;
use crate::target::Unavailable;

/// Warns in red that a target is not there, and why.
///
/// Goes to the process's stderr itself, so that no test capture hides it.
pub fn warn(unavailable: &Unavailable, paint: Paint) -> io::Result<()> {
    let mut lines = unavailable.story.lines();
    let mut text = paint.loud(lines.next().unwrap_or_default());
    for line in lines {
        for line in folded(line, paint) {
            text.push('\n');
            text.push_str(&paint.bad(line));
        }
    }
    writeln!(io::stderr().lock(), "{text}")
}

/// A line within the width of the terminal; the second column of a reason stays one.
fn folded(line: &str, paint: Paint) -> Vec<String> {
    let reason = line.strip_prefix("  ").and_then(|line| line.split_once("  "));
    let Some((_, reason)) = reason else { return paint.wrap(line, 0) };
    let indent = line.len() - reason.trim_start().len();
    let mut lines = paint.wrap(reason, indent);
    lines[0].replace_range(..indent, &line[..indent]);
    lines
}
