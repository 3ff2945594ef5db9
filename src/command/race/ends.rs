//! Renewals around the end of a TTL: when each round does what, and how often what is there is looked at.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::{try_join, try_join_all};
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::{Instant, sleep, sleep_until};

use super::Field;
use crate::store::{Call, ErrorKind, Result};

/// What every key or lease is asked for first: the floor of many stores.
pub(super) const FIRST: Duration = Duration::from_secs(2);

/// How many times each round renews: at the end of what it was granted first, and of what it was granted then.
pub(super) const RENEWALS: usize = 2;

/// The ends are spread over so long a time: two sweeps of a store that looks for ends each second.
const SPREAD: Duration = Duration::from_millis(2200);

/// Every second round renews close to its end …
const CLOSE: Duration = Duration::from_millis(200);
/// … from so long before it, …
const BEFORE: Duration = Duration::from_millis(60);
/// … and the others up to so long after it, when a sweep of each second may not have come yet.
const AFTER: Duration = Duration::from_millis(1000);

/// How long between looks at what is still there.
const LOOK: Duration = Duration::from_millis(150);

/// The rounds of a race, and what was promised in them.
pub(super) struct Ends {
    start: Instant,
    step: Duration,
    /// A race has no more calls under way than it has clients, so that it leaves room for others.
    permits: Semaphore,
    until: Mutex<Until>,
}

/// What is known of the end of the race.
struct Until {
    /// When all is over that was promised so far.
    promised: Instant,
    /// Whether all rounds were made.
    is_over: bool,
}

impl Ends {
    fn new(rounds: usize, clients: usize) -> Self {
        let start = Instant::now();
        Self {
            start,
            step: SPREAD / u32::try_from(rounds).unwrap_or(u32::MAX).max(1),
            permits: Semaphore::new(clients),
            until: Mutex::new(Until { promised: start, is_over: false }),
        }
    }

    fn until(&self) -> MutexGuard<'_, Until> {
        self.until.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the moment in which a round begins; `false` where the store is too slow for it.
    pub async fn begins(&self, round: usize) -> bool {
        sleep_until(self.start + self.step * u32::try_from(round).unwrap_or(u32::MAX)).await;
        let _turn = self.turn().await;
        self.start.elapsed() <= SPREAD + CLOSE
    }

    /// Waits until one more call may be under way.
    pub async fn turn(&self) -> SemaphorePermit<'_> {
        self.permits.acquire().await.expect("the semaphore is never closed")
    }

    /// Waits for the moment in which a round renews what ends at `end`. The moments of all rounds cover the time around
    /// their ends closely, so that some lie within every step of a store that looks for ends and then deletes.
    pub async fn renewal(&self, round: usize, end: Instant) {
        let number = u32::try_from(round / 2).unwrap_or(0);
        let within = |span: Duration, step: u32| {
            let millis = u32::try_from(span.as_millis()).unwrap_or(u32::MAX);
            Duration::from_millis(u64::from(number.wrapping_mul(step) % millis))
        };
        let moment = match round % 2 {
            0 => end - BEFORE + within(CLOSE, 37),
            _ => end + within(AFTER, 397),
        };
        sleep_until(moment).await;
    }

    /// Takes in that a renewal was acknowledged that holds until then.
    pub fn promise(&self, until: Instant) {
        let mut seen = self.until();
        seen.promised = seen.promised.max(until);
    }

    /// Whether nothing that was promised is still to be looked at.
    fn is_over(&self, now: Instant) -> bool {
        let until = self.until();
        until.is_over && until.promised <= now
    }
}

impl Field {
    /// Makes all rounds, and looks all the while what is there, until every renewed TTL has expired.
    pub(super) async fn renewals(
        &self,
        one: impl AsyncFn(usize, &Ends) -> Result<()>,
    ) -> Result<()> {
        let ends = Ends::new(self.rounds, self.clients.len());
        let rounds = async {
            try_join_all((0..self.rounds).map(|round| one(round, &ends))).await?;
            ends.until().is_over = true;
            Ok(())
        };
        try_join(rounds, self.look(&ends)).await.map(drop)
    }

    async fn look(&self, ends: &Ends) -> Result<()> {
        let mut is_over = false;
        while !is_over {
            sleep(LOOK).await;
            is_over = ends.is_over(Instant::now());
            match self.record(0, None, Call::List { prefix: self.key.clone() }).await {
                // A list of nothing may be an error of the store's own, which other scripts ask about.
                Err(error) if error.kind != ErrorKind::KeyNotFound => return Err(error),
                Ok(_) | Err(_) => {}
            }
        }
        Ok(())
    }
}
