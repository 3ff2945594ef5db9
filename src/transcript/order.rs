//! In which order and batches a watch delivered revisions, and what is wrong with that.

use serde::{Deserialize, Serialize};

/// The revisions that a watch delivered, batch by batch, since it was last asked.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Order {
    /// The last revision before those that the watch may deliver, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub opened: Option<i64>,
    /// The last revision before these.
    pub after: Option<i64>,
    /// The revision of each event of each batch, those of fences included; `None` where the store has no revisions.
    pub batches: Vec<Vec<Option<i64>>>,
}

impl Order {
    /// Whether nothing was delivered.
    pub fn is_empty(&self) -> bool {
        self.batches.is_empty()
    }

    /// The last revision that came.
    pub fn last(&self) -> Option<i64> {
        self.batches.iter().flatten().rev().find_map(|revision| known(*revision)).or(self.after)
    }

    /// What is wrong with the order, each flaw once: revisions must not fall, none may come in two batches, and none may be
    /// from before the watch. A store none of whose events has a revision is judged by none.
    pub fn flaws(&self) -> Vec<&'static str> {
        let mut flaws = Vec::new();
        let revisions = || self.batches.iter().flatten().copied();
        // Where not even the last event is newer, the revision at the opening counts something else.
        let opened = self.opened.filter(|opened| self.last().is_some_and(|last| last > *opened));
        if revisions().filter_map(known).any(|one| opened.is_some_and(|opened| one <= opened)) {
            flaws.push("an event is older than its watch");
        }
        if self.last().is_some() && revisions().any(|one| one == Some(0)) {
            flaws.push("an event has mod_revision 0, though others have theirs");
        }
        let mut last = self.after;
        for batch in &self.batches {
            for (index, revision) in batch.iter().enumerate() {
                let revision = known(*revision);
                let flaw = match (last, &revision) {
                    (Some(last), Some(now)) if *now < last => {
                        Some("an older revision came after a newer one")
                    }
                    // Within a batch one revision may have many events; over two it must not be spread.
                    (Some(last), Some(now)) if *now == last && index == 0 => {
                        Some("one revision came in two batches")
                    }
                    _ => None,
                };
                flaws.extend(flaw.filter(|flaw| !flaws.contains(flaw)));
                last = revision.or(last);
            }
        }
        flaws
    }
}

/// The revision of an event; none where it says 0, which is none.
fn known(revision: Option<i64>) -> Option<i64> {
    revision.filter(|revision| *revision > 0)
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;

    const OLDER: &str = "an older revision came after a newer one";
    const SPREAD: &str = "one revision came in two batches";

    #[rstest]
    #[case::nothing(None, vec![], &[])]
    #[case::rising(Some(3), vec![vec![4, 5], vec![7]], &[])]
    #[case::a_revision_of_many_events(None, vec![vec![4, 4, 4], vec![5]], &[])]
    #[case::spread(None, vec![vec![4, 4], vec![4, 5]], &[SPREAD])]
    #[case::spread_over_two_answers(Some(4), vec![vec![4]], &[SPREAD])]
    #[case::falling(Some(4), vec![vec![3], vec![2]], &[OLDER])]
    #[case::falling_within_a_batch(None, vec![vec![4, 3]], &[OLDER])]
    #[case::both(Some(4), vec![vec![4], vec![2], vec![2]], &[SPREAD, OLDER])]
    fn the_order_of_revisions_is_judged(
        #[case] after: Option<i64>,
        #[case] batches: Vec<Vec<i64>>,
        #[case] flaws: &[&str],
    ) {
        let batch = |batch: Vec<i64>| batch.into_iter().map(Some).collect();
        let batches = batches.into_iter().map(batch).collect();
        let order = Order { opened: None, after, batches };
        assert_eq!(order.flaws(), flaws);
    }

    #[test]
    fn a_store_without_revisions_has_no_order() {
        for none in [None, Some(0)] {
            let batches = vec![vec![none, none], vec![none]];
            let order = Order { opened: Some(3), after: None, batches };
            assert_eq!((order.flaws(), order.last()), (Vec::new(), None));
        }
    }

    #[rstest]
    #[case::newer(4, &[])]
    #[case::at_the_opening(3, &["an event is older than its watch"])]
    #[case::without_one(0, &["an event has mod_revision 0, though others have theirs"])]
    fn an_event_is_newer_than_its_watch_and_has_a_revision(
        #[case] first: i64,
        #[case] flaws: &[&str],
    ) {
        let batches = vec![vec![Some(first)], vec![Some(5)]];
        let order = Order { opened: Some(3), after: None, batches };
        assert_eq!(order.flaws(), flaws);
    }

    #[test]
    fn a_watch_whose_opening_counts_something_else_is_not_judged_by_it() {
        let order = Order { opened: Some(900), after: None, batches: vec![vec![Some(5)]] };
        assert_eq!(order.flaws(), Vec::<&str>::new());
    }
}
