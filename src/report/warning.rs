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
        text.push('\n');
        text.push_str(&paint.bad(line));
    }
    writeln!(io::stderr().lock(), "{text}")
}
