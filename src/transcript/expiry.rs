//! When a key was seen to go, and what that amounts to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::words::seconds;

/// When a key was seen to go, against the time it was granted.
///
/// Every time here is a bound that holds however late the runner looked: a slow machine can make a judgement impossible,
/// never wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// What was waited for.
    pub name: String,
    /// The TTL that the store granted.
    #[serde(with = "crate::wire")]
    pub granted: Duration,
    /// How much later than granted it may go.
    #[serde(with = "crate::wire")]
    pub lag: Duration,
    /// How much the two clocks may differ.
    #[serde(with = "crate::wire")]
    pub tolerance: Duration,
    /// From before the request that granted it to the end of the first look that found it gone.
    #[serde(with = "crate::wire")]
    pub gone: Option<Duration>,
    /// From before the request to the start of the last look that found it there.
    #[serde(with = "crate::wire")]
    pub seen: Option<Duration>,
    /// How long the request took: by so much later it may have been granted.
    #[serde(with = "crate::wire")]
    pub request: Duration,
    /// Another key of the same lease that was there in a list that this one was gone from.
    pub apart_from: Option<String>,
}

/// What an [`Expiry`] amounts to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// It went within both bounds.
    OnTime,
    /// It was gone before its TTL had expired.
    Early,
    /// It was there after its time and the lag were over.
    Late,
    /// It was gone, and there again afterwards.
    Back,
    /// No one looked at the moments that matter.
    Unseen,
}

/// How long before its end a key may be out of sight and still be judged: a quarter of its time, between these.
const SHORTEST_BLINK: Duration = Duration::from_millis(500);
const LONGEST_BLINK: Duration = Duration::from_secs(1);

impl Expiry {
    /// Judges the moment on both sides.
    pub fn moment(&self) -> Moment {
        let late = self.request + self.granted + self.lag + self.tolerance;
        if self.gone.is_some_and(|gone| gone + self.tolerance < self.granted) {
            return Moment::Early;
        }
        if self.gone.zip(self.seen).is_some_and(|(gone, seen)| seen > gone) {
            return Moment::Back;
        }
        if self.seen.is_some_and(|seen| seen > late) {
            return Moment::Late;
        }
        // A key that was last seen long before its end may have gone too early, and one found gone long after it too late.
        // One that was over about when its grant was answered no one could have seen; that it went in time is judged.
        let is_too_short = self.granted < 2 * SHORTEST_BLINK && self.granted <= 2 * self.request;
        let blink = (self.granted / 4).clamp(SHORTEST_BLINK.min(self.granted / 2), LONGEST_BLINK);
        if (!is_too_short && self.seen.unwrap_or_default() + blink < self.granted)
            || self.gone.is_none_or(|gone| gone > late + Duration::from_millis(500))
        {
            return Moment::Unseen;
        }
        Moment::OnTime
    }

    pub(super) fn line(&self) -> String {
        let Self { name, granted, .. } = self;
        let granted = seconds(*granted);
        if let Some(other) = &self.apart_from {
            return format!("{name} was gone while {other}, of the same lease, was still there");
        }
        match self.moment() {
            Moment::OnTime => format!("{name} expired on time"),
            Moment::Early => {
                format!(
                    "{name} expired early: gone {} after the request, granted {granted}",
                    gone(self.gone)
                )
            }
            Moment::Late => {
                let seen = seconds(self.seen.unwrap_or_default());
                format!(
                    "{name} expired late: still there after {seen}, granted {granted} with a Limits::expiry_lag of {}",
                    seconds(self.lag)
                )
            }
            Moment::Back => {
                let seen = seconds(self.seen.unwrap_or_default());
                format!(
                    "{name} came back: gone {} after the request, there again at {seen}",
                    gone(self.gone)
                )
            }
            Moment::Unseen => format!("{name} went unseen: {}", self.unseen().unwrap_or_default()),
        }
    }

    /// Why the expiry is unclear, if it is.
    pub fn unseen(&self) -> Option<String> {
        (self.moment() == Moment::Unseen && self.apart_from.is_none()).then(|| {
            let seen =
                self.seen.map_or("never seen".into(), |at| format!("last seen at {}", seconds(at)));
            format!(
                "{}, granted {}, was {seen} and found gone at {}; no look was possible in between",
                self.name,
                seconds(self.granted),
                gone(self.gone)
            )
        })
    }
}

fn gone(gone: Option<Duration>) -> String {
    gone.map_or("no time".into(), seconds)
}
