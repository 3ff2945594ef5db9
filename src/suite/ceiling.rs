//! How many cases may run at once on a store: more while it answers quickly, fewer when it does not.

use std::time::{Duration, Instant};

use crate::runner::Sample;

/// How many cases may run at once before anything was measured.
const FIRST: usize = 24;

/// More would only make threads.
const MOST: usize = 256;

/// How often the ceiling looks at what was measured, and how long a fall lasts before the next.
pub(super) const LOOK: Duration = Duration::from_millis(50);
const FALL: Duration = Duration::from_millis(500);

/// A median that is so many times the fastest call says that calls wait for each other. Below the first bound that is no
/// hindrance, for the ends of TTLs are judged to half a second; above the second it is, whatever the store is.
const SLOWED: u32 = 4;
const QUICK: Duration = Duration::from_millis(150);
const SLOW: Duration = Duration::from_millis(300);

/// How many cases may run at once.
#[derive(Debug)]
pub(super) enum Ceiling {
    /// So many, whatever is seen.
    Fixed(usize),
    /// As the answer times allow.
    Seen(Seen),
}

/// A number that follows the answer times.
#[derive(Debug)]
pub(super) struct Seen {
    now: usize,
    /// Whether calls were ever seen to wait for each other; before that the number doubles.
    has_fallen: bool,
    looked: Instant,
    fell: Instant,
}

impl Ceiling {
    pub fn seen() -> Self {
        let now = Instant::now();
        Self::Seen(Seen { now: FIRST, has_fallen: false, looked: now, fell: now })
    }

    /// How many cases may run at once now.
    pub fn now(&self) -> usize {
        match self {
            Self::Fixed(count) => *count,
            Self::Seen(seen) => seen.now,
        }
    }

    /// Whether it is time for another look at what was measured.
    pub fn is_due(&self) -> bool {
        matches!(self, Self::Seen(seen) if seen.looked.elapsed() >= LOOK)
    }

    /// Takes in what was measured since the last look, while so many cases run.
    pub fn take(&mut self, sample: &Sample, running: usize) {
        let Self::Seen(seen) = self else { return };
        seen.looked = Instant::now();
        if is_slow(sample) {
            seen.fall(running);
        } else if running >= seen.now {
            seen.rise();
        }
    }
}

impl Seen {
    fn rise(&mut self) {
        let more = if self.has_fallen { (self.now / 8).max(1) } else { self.now };
        self.now = (self.now + more).min(MOST);
    }

    fn fall(&mut self, running: usize) {
        if self.has_fallen && self.fell.elapsed() < FALL {
            return;
        }
        self.now = (self.now.min(running) * 3 / 4).max(1);
        self.has_fallen = true;
        self.fell = Instant::now();
    }
}

/// From which time on a call is slow, next to the fastest one that was seen.
pub(super) fn slow(fastest: Option<Duration>) -> Duration {
    fastest.map_or(SLOW, |fastest| (fastest * SLOWED).clamp(QUICK, SLOW))
}

/// Whether calls wait for each other: most that ended were slow, most of those under way began long ago, or the store has
/// no room for another client.
pub(super) fn is_slow(sample: &Sample) -> bool {
    let has_waited = sample.median.is_some_and(|median| median > slow(sample.fastest));
    sample.refused > 0 || has_waited || 2 * sample.overdue > sample.under_way.max(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(median: u64) -> Sample {
        let millis = Duration::from_millis;
        let (fastest, median) = (Some(millis(1)), Some(millis(median)));
        Sample { fastest, median, ..Sample::default() }
    }

    #[test]
    fn it_doubles_while_answers_are_quick_and_all_places_are_taken() {
        let mut ceiling = Ceiling::seen();
        ceiling.take(&sample(2), FIRST - 1);
        assert_eq!(ceiling.now(), FIRST);
        ceiling.take(&sample(2), FIRST);
        assert_eq!(ceiling.now(), 2 * FIRST);
    }

    #[test]
    fn it_falls_below_what_runs_when_answers_are_slow_and_then_rises_by_steps() {
        let mut ceiling = Ceiling::seen();
        ceiling.take(&sample(400), 20);
        assert_eq!(ceiling.now(), 15);
        // What runs still is not held against it again at once.
        ceiling.take(&sample(400), 20);
        assert_eq!(ceiling.now(), 15);
        ceiling.take(&sample(2), 15);
        assert_eq!(ceiling.now(), 16);
    }

    #[test]
    fn calls_that_hang_are_slow_though_none_has_ended() {
        let mut ceiling = Ceiling::seen();
        let hanging = Sample { under_way: 4, overdue: 4, ..Sample::default() };
        ceiling.take(&hanging, 8);
        assert_eq!(ceiling.now(), 6);
    }

    #[test]
    fn a_fixed_one_follows_nothing() {
        let mut ceiling = Ceiling::Fixed(7);
        ceiling.take(&sample(4000), 7);
        assert_eq!((ceiling.now(), ceiling.is_due()), (7, false));
    }
}
