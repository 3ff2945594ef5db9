//! Makes a program smaller that two stores answer differently.

use std::time::{Duration, Instant};

use proptest::strategy::ValueTree;

use super::genes::{Genes, tree};
use super::walk::{Model, Walked};

/// How long one program is made smaller at most.
const LONGEST: Duration = Duration::from_secs(120);

/// The smallest program found that `differs`, beginning with the one of that number; with what `differs` gave for it.
///
/// First what it is drawn from is made smaller, then commands are left out one by one.
pub(super) fn shrink<D>(
    model: &Model,
    (seed, number): (u64, u64),
    first: (Walked, D),
    differs: &mut dyn FnMut(&Walked) -> Option<D>,
) -> (Walked, D) {
    let end = Instant::now() + LONGEST;
    let smaller = simplify(model, tree(seed, number), first, differs, end);
    leave_out(model, smaller, differs, end)
}

fn simplify<D>(
    model: &Model,
    mut tree: impl ValueTree<Value = Genes>,
    mut best: (Walked, D),
    differs: &mut dyn FnMut(&Walked) -> Option<D>,
    end: Instant,
) -> (Walked, D) {
    while tree.simplify() {
        loop {
            if Instant::now() > end {
                return best;
            }
            let walked = model.draw(&tree.current());
            // What no command was drawn from changes nothing.
            if walked.program == best.0.program {
                break;
            }
            if let Some(seen) = differs(&walked) {
                best = (walked, seen);
                break;
            }
            if !tree.complicate() {
                return best;
            }
        }
    }
    best
}

/// Leaves out one command after the other, from the end on, until none can be.
fn leave_out<D>(
    model: &Model,
    mut best: (Walked, D),
    differs: &mut dyn FnMut(&Walked) -> Option<D>,
    end: Instant,
) -> (Walked, D) {
    let mut at = best.0.program.steps.len();
    let mut has_changed = false;
    loop {
        if at == 0 {
            if !std::mem::take(&mut has_changed) {
                return best;
            }
            at = best.0.program.steps.len();
        }
        at -= 1;
        if Instant::now() > end {
            return best;
        }
        let mut steps = best.0.program.steps.clone();
        if at >= steps.len() {
            continue;
        }
        steps.remove(at);
        if steps.is_empty() {
            return best;
        }
        let Some(walked) = model.replay(&best.0.program, &steps) else { continue };
        if let Some(seen) = differs(&walked) {
            best = (walked, seen);
            has_changed = true;
        }
    }
}
