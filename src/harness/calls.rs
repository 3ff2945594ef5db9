//! The tests about one function each: what they find decides which others of the target run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use crate::missing::is_about_a_call;
use crate::plan::{Case, Plan};
use crate::scenario::Scenario;
use crate::suite::{Calls, Floor};
use crate::target::{Ready, Target};

/// Such tests of all targets, and what they found.
#[derive(Default)]
pub(super) struct Asked {
    cases: BTreeMap<String, Vec<Case>>,
    scenarios: Vec<Arc<Scenario>>,
    found: Mutex<BTreeMap<String, Arc<OnceLock<Calls>>>>,
}

impl Asked {
    /// Those of a plan that are wanted: what no test would show is not looked for.
    pub fn of(plan: &Plan, is_wanted: impl Fn(&Case) -> bool) -> Self {
        let mut asked = Self::default();
        for share in &plan.shares {
            let all = share.cases.iter().map(|case| case.scenario.clone());
            asked.scenarios = all.collect();
            let about = share.cases.iter().filter(|case| is_about_a_call(&case.scenario.name));
            let wanted = about.filter(|case| is_wanted(case)).cloned().collect();
            asked.cases.insert(share.target.name().into(), wanted);
        }
        asked
    }

    /// Runs those of a target when this is first asked, and lets its other tests know what is missing.
    pub fn find(&self, floor: &Floor, target: &Target, ready: &Ready) -> Arc<OnceLock<Calls>> {
        let mut found = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        let found = found.entry(target.name().into()).or_default().clone();
        found.get_or_init(|| {
            let cases = self.cases.get(target.name()).into_iter().flatten();
            let cases: Vec<_> = cases.map(|case| case.settled(target)).collect();
            Calls::find(floor, target, ready, &cases, self.scenarios.iter().map(Arc::as_ref))
        });
        found
    }
}
