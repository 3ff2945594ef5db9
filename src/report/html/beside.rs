//! A script next to what was observed, line by line.

use similar::{DiffOp, TextDiff};

/// One row of the two: lines of the script count from 1.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Row<'a> {
    /// The line of the script, its number first.
    pub expected: Option<(usize, &'a str)>,
    /// The line that was observed.
    pub observed: Option<&'a str>,
    /// Whether the two are the same.
    pub is_same: bool,
}

/// Puts two texts side by side, so that lines that are the same are in the same row.
pub(super) fn beside<'a>(expected: &'a str, observed: &'a str) -> Vec<Row<'a>> {
    let (left, right): (Vec<_>, Vec<_>) = (expected.lines().collect(), observed.lines().collect());
    let diff = TextDiff::from_slices(&left, &right);
    diff.ops().iter().flat_map(|op| rows(op, &left, &right)).collect()
}

fn rows<'a>(op: &DiffOp, left: &[&'a str], right: &[&'a str]) -> Vec<Row<'a>> {
    let (old, new) = (op.old_range(), op.new_range());
    let is_same = matches!(op, DiffOp::Equal { .. });
    let row = |index: usize| {
        let (at, to) = (old.start + index, new.start + index);
        let expected = (at < old.end).then(|| (at + 1, left[at]));
        let observed = (to < new.end).then(|| right[to]);
        Row { expected, observed, is_same }
    };
    (0..old.len().max(new.len())).map(row).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_have_what_belongs_together() {
        let rows = beside("a\nb\nc\nd\n", "a\nx\ny\nz\nd\n");
        let told: Vec<_> = rows.iter().map(|row| (row.expected, row.observed)).collect();
        let expected = [
            (Some((1, "a")), Some("a")),
            (Some((2, "b")), Some("x")),
            (Some((3, "c")), Some("y")),
            (None, Some("z")),
            (Some((4, "d")), Some("d")),
        ];
        assert_eq!(told, expected);
        assert_eq!(
            rows.iter().map(|row| row.is_same).collect::<Vec<_>>(),
            [true, false, false, false, true]
        );
    }
}
