//! Two stores side by side: where the same script was answered differently, whatever the contract says.

use crate::event::Outcome;
use crate::transcript::End;
use crate::verdict::{DiffLine, Verdict, difference, observed_text};

/// What the runs of one scenario on two stores amount to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Comparison {
    /// Both answered the same.
    Same,
    /// They answered differently: the script as each answered it.
    Different(Vec<DiffLine>),
    /// One of them was not run, or could not be judged: why.
    Unclear(String),
}

/// Compares what one scenario was seen to answer on two stores.
pub fn compare(one: &Outcome, other: &Outcome) -> Comparison {
    if let Some(reason) = [one, other].into_iter().find_map(unclear) {
        return Comparison::Unclear(reason);
    }
    match (text(one), text(other)) {
        (Some(one), Some(other)) if one == other => Comparison::Same,
        (Some(one), Some(other)) => Comparison::Different(difference(&one, &other)),
        _ => Comparison::Unclear("a transcript does not fit the script".into()),
    }
}

/// Why a run has no verdict, if it has none.
fn unclear(outcome: &Outcome) -> Option<String> {
    let backend = &outcome.case.backend;
    match &outcome.verdict {
        Verdict::Skipped(reason) | Verdict::Unclear(reason) | Verdict::Errored(reason) => {
            Some(format!("{backend}: {reason}"))
        }
        _ => None,
    }
}

fn text(outcome: &Outcome) -> Option<String> {
    let transcript = outcome.transcript.as_ref()?;
    let is_whole = matches!(transcript.end, End::Finished | End::LeftBehind(_) | End::Collapsed(_));
    is_whole.then(|| observed_text(&outcome.case.scenario, transcript).ok()).flatten()
}
