//! The names of tests on the command line: as scenarios are called, or as cargo prints them.

use libtest_mimic::{Arguments, Trial};

use crate::plan;

/// What the command line asks for by name.
pub(super) struct Names {
    /// The filter as it was written.
    said: Option<String>,
    is_exact: bool,
}

impl Names {
    /// Reads the filters of the command line, and has each look as cargo prints names.
    pub(super) fn take(arguments: &mut Arguments) -> Self {
        let names = Self { said: arguments.filter.clone(), is_exact: arguments.exact };
        for filter in arguments.filter.iter_mut().chain(&mut arguments.skip) {
            *filter = printed(filter);
        }
        names
    }

    /// The one scenario that is asked for, if it is one by its whole name: the others need not be read.
    pub(super) fn only(&self) -> Option<String> {
        let said = printed(self.said.as_deref().filter(|_| self.is_exact)?);
        // The kind of a test is in brackets before its name.
        let (_, scenario) = said.rsplit(' ').next()?.split_once("::")?;
        Some(scenario.replace("::", "/"))
    }

    /// Refuses a filter that matches no test, if it can only mean one of these.
    ///
    /// `cargo test FILTER` gives the filter to every test program of a package, most of which have no test of that name:
    /// a filter is taken for one of a scenario if it has a slash, or begins with a backend and a folder of the suite.
    /// Under nextest (`is_alone`), which asks for nothing but listed tests, every name that is not there is refused.
    pub(super) fn check(
        &self,
        arguments: &Arguments,
        tests: &[Trial],
        is_alone: bool,
    ) -> Result<(), String> {
        let Some(said) = &self.said else { return Ok(()) };
        let by_name = Arguments {
            filter: arguments.filter.clone(),
            exact: arguments.exact,
            ..Arguments::default()
        };
        if tests.iter().any(|test| !by_name.is_filtered_out(test)) {
            return Ok(());
        }
        let names: Vec<_> = tests.iter().map(Trial::name).collect();
        let close = plan::close_name(&printed(said), &names, "::");
        let hint = close.map_or(String::new(), |close| format!(" (did you mean '{close}'?)"));
        let problem = format!("no test is called '{said}'{hint}; `--list` names them all");
        if is_alone && self.is_exact || said.contains('/') || is_of_suite(&printed(said), &names) {
            return Err(problem);
        }
        eprintln!("note: {problem}");
        Ok(())
    }
}

/// A name as cargo prints it, of one that may be a scenario's or a path of a failure: `scenarios/core/add/empty.kv:7`.
fn printed(name: &str) -> String {
    let script = name.rsplit_once(".kv").filter(|(_, line)| {
        line.is_empty() || line.strip_prefix(':').is_some_and(|line| line.parse::<usize>().is_ok())
    });
    let name = script.map_or(name, |(name, _)| name.strip_prefix("scenarios/").unwrap_or(name));
    name.replace('/', "::")
}

/// Whether the name begins with a backend and a folder of the suite, as the names of tests do.
fn is_of_suite(name: &str, tests: &[&str]) -> bool {
    let start = |name: &str| {
        let mut parts = name.split("::");
        Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
    };
    let start_of_name = start(name);
    start_of_name.is_some() && tests.iter().any(|test| start(test) == start_of_name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;

    #[rstest]
    #[case("core/watch/burst", "core::watch::burst")]
    #[case("mine::core::watch::burst", "mine::core::watch::burst")]
    #[case("mine/core/watch", "mine::core::watch")]
    #[case("scenarios/core/watch/burst.kv:12", "core::watch::burst")]
    #[case("scenarios/core/watch/burst.kv", "core::watch::burst")]
    #[case("laws/greeting.kv:x", "laws::greeting.kv:x")]
    fn a_name_is_read_in_every_form_that_is_printed(#[case] said: &str, #[case] read: &str) {
        assert_eq!(printed(said), read);
    }

    fn checked(filter: &str, extra: &[&str]) -> Result<(), String> {
        let test = |name: &str| Trial::test(name, || Ok(()));
        let tests = [test("mine::core::watch::burst"), test("mine::lease::grant")];
        let mut arguments =
            Arguments::from_iter(["conformance", filter].iter().chain(extra).copied());
        let names = Names::take(&mut arguments);
        names.check(&arguments, &tests, extra.contains(&"--nocapture"))
    }

    #[rstest]
    #[case::part("burst", &[])]
    #[case::scenario("core/watch/burst", &[])]
    #[case::whole("mine::core::watch::burst", &["--exact"])]
    #[case::of_another_program("tests::parses", &[])]
    #[case::of_a_module_called_like_the_backend("mine::tests::parses", &[])]
    #[case::skipped("burst", &["--skip", "burst"])]
    fn a_filter_that_matches_or_may_be_meant_for_others_is_taken(
        #[case] filter: &str,
        #[case] extra: &[&str],
    ) {
        assert_eq!(checked(filter, extra), Ok(()));
    }

    #[rstest]
    #[case::slash("core/watch/brust", &[], "'core/watch/brust' (did you mean 'mine::core::watch::burst'?)")]
    #[case::backend("mine::core::watch::brust", &[], "'mine::core::watch::brust' (did you mean")]
    #[case::exact_without_backend("core/watch/burst", &["--exact"], "'core/watch/burst' (did you mean")]
    #[case::nextest("gone", &["--exact", "--nocapture"], "no test is called 'gone'; `--list`")]
    fn a_filter_that_can_only_mean_a_scenario_and_matches_none_is_refused(
        #[case] filter: &str,
        #[case] extra: &[&str],
        #[case] said: &str,
    ) {
        let refused = checked(filter, extra).unwrap_err();
        assert!(refused.contains(said), "{refused}");
    }
}
