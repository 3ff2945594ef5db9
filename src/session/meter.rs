//! How long the calls of a store take: what the number of cases that run at once follows.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::store::{ErrorKind, Result};

/// Measures how long the calls of a store take, over all cases that share it. Its copies share what was measured.
#[derive(Debug, Clone, Default)]
pub struct Meter {
    measured: Arc<Mutex<Measured>>,
}

#[derive(Debug, Default)]
struct Measured {
    fastest: Option<Duration>,
    /// How long the calls took that ended since the last sample, and when that was.
    ended: Vec<Duration>,
    sampled: Option<Instant>,
    /// How long calls were seen to wait for each other, and how many ended meanwhile.
    crowded: (Duration, u32),
    /// When each call began that has not ended yet.
    under_way: BTreeMap<u64, Instant>,
    begun: u64,
    refused: usize,
    /// The shortest time between two batches of one watch that were due already.
    pace: Option<Duration>,
    /// Whether any watch ever delivered an event, and whether one was waited for in vain.
    has_delivered: bool,
    was_silent: bool,
}

/// What was measured since the last sample.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sample {
    /// The fastest call since the meter was made; `None` before the first one.
    pub fastest: Option<Duration>,
    /// The median of the calls that ended since the last sample; `None` if there was none.
    pub median: Option<Duration>,
    /// How many calls ended since the last sample.
    pub ended: u32,
    /// The time since the last sample.
    pub over: Duration,
    /// How many calls are under way.
    pub under_way: usize,
    /// How many of them began longer ago than `long`.
    pub overdue: usize,
    /// How many clients could not be opened since the last sample.
    pub refused: usize,
}

impl Meter {
    /// A meter that has measured nothing.
    pub fn new() -> Self {
        Self::default()
    }

    fn measured(&self) -> MutexGuard<'_, Measured> {
        self.measured.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Measures a call from now until it ends. One that is dropped before counts too, for whoever waited gave it up; one
    /// that is refused does not, for the client may do that by itself.
    pub async fn time<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let timed = self.begin();
        let answer = call.await;
        if answer.is_err() {
            self.measured().under_way.remove(&timed.number);
        }
        answer
    }

    /// Notes what became of a wait for an event.
    pub fn note_event<T>(&self, awaited: &Result<T>) {
        let mut measured = self.measured();
        match awaited {
            Ok(_) => measured.has_delivered = true,
            Err(error) => measured.was_silent |= error.kind == ErrorKind::DeadlineExceeded,
        }
    }

    /// Whether no watch has ever delivered an event, though one was waited for as long as a call may take.
    pub fn is_silent(&self) -> bool {
        let measured = self.measured();
        measured.was_silent && !measured.has_delivered
    }

    /// Notes how long there was between two batches of one watch that were due already.
    pub fn note_pace(&self, pace: Option<Duration>) {
        let mut measured = self.measured();
        measured.pace = measured.pace.into_iter().chain(pace).min();
    }

    /// The shortest time between two batches of one watch, as far as one had to wait for the other.
    pub fn pace(&self) -> Option<Duration> {
        self.measured().pace
    }

    fn begin(&self) -> Call {
        let mut measured = self.measured();
        measured.begun += 1;
        let number = measured.begun;
        measured.under_way.insert(number, Instant::now());
        Call { meter: self.clone(), number }
    }

    /// Notes a call that took so long.
    pub fn note(&self, took: Duration) {
        let mut measured = self.measured();
        measured.fastest = Some(measured.fastest.map_or(took, |fastest| fastest.min(took)));
        measured.ended.push(took);
    }

    /// Notes that a client could not be opened.
    pub fn refused(&self) {
        self.measured().refused += 1;
    }

    /// Notes that calls waited for each other while this was measured.
    pub fn note_crowded(&self, sample: &Sample) {
        let (over, ended) = &mut self.measured().crowded;
        *over += sample.over;
        *ended = ended.saturating_add(sample.ended);
    }

    /// How long the store takes for one call of those that wait for each other; `None` if none was seen to wait.
    pub fn crowded(&self) -> Option<Duration> {
        let (over, ended) = self.measured().crowded;
        over.checked_div(ended)
    }

    /// The fastest call so far.
    pub fn fastest(&self) -> Option<Duration> {
        self.measured().fastest
    }

    /// What was measured since the last sample; a call that began longer ago than `long` is overdue.
    pub fn sample(&self, long: Duration) -> Sample {
        let mut measured = self.measured();
        let mut ended = std::mem::take(&mut measured.ended);
        ended.sort_unstable();
        let now = Instant::now();
        let before = measured.sampled.replace(now).unwrap_or(now);
        let overdue = measured.under_way.values().filter(|began| began.elapsed() > long).count();
        Sample {
            fastest: measured.fastest,
            median: ended.get(ended.len() / 2).copied(),
            ended: u32::try_from(ended.len()).unwrap_or(u32::MAX),
            over: now - before,
            under_way: measured.under_way.len(),
            overdue,
            refused: std::mem::take(&mut measured.refused),
        }
    }
}

/// A call that is under way.
struct Call {
    meter: Meter,
    number: u64,
}

impl Drop for Call {
    fn drop(&mut self) {
        let began = self.meter.measured().under_way.remove(&self.number);
        if let Some(began) = began {
            self.meter.note(began.elapsed());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_has_the_median_since_the_last_one_and_the_fastest_of_all() {
        let meter = Meter::new();
        [5, 1, 9].into_iter().for_each(|millis| meter.note(Duration::from_millis(millis)));
        let sample = meter.sample(Duration::from_secs(1));
        assert_eq!(sample.median, Some(Duration::from_millis(5)));
        let later = meter.sample(Duration::from_secs(1));
        assert_eq!((later.median, later.fastest), (None, Some(Duration::from_millis(1))));
    }

    #[tokio::test]
    async fn a_call_is_under_way_until_it_ends_or_is_given_up() {
        let meter = Meter::new();
        let call = meter.begin();
        assert_eq!(meter.sample(Duration::ZERO).under_way, 1);
        assert_eq!(meter.sample(Duration::ZERO).overdue, 1);
        assert_eq!(meter.sample(Duration::from_secs(60)).overdue, 0);
        drop(call);
        assert_eq!(meter.time(async { Ok(7) }).await, Ok(7));
        let sample = meter.sample(Duration::ZERO);
        assert_eq!(sample.under_way, 0);
        assert!(sample.median.is_some());
    }
}
