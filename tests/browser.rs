//! The page in a real browser: chromium without a window, driven by chromedriver. Ignored with the reason where there is
//! none; `KVSPEC_REQUIRE_BROWSER=1` makes that a failure.

use std::process::ExitCode;
use std::sync::{Arc, OnceLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

#[path = "browser/driver.rs"]
mod driver;
#[path = "browser/live.rs"]
mod live;
#[path = "browser/page.rs"]
mod page;
#[path = "sample/mod.rs"]
mod sample;
#[path = "browser/session.rs"]
mod session;

use driver::{Driver, Tab};

/// Set to anything but `0` or nothing, it makes a browser that is not there a failure instead of a skip.
const REQUIRE: &str = "KVSPEC_REQUIRE_BROWSER";

/// What a test does in a tab of its own.
type Test = for<'a> fn(&'a Tab) -> futures_util::future::LocalBoxFuture<'a, ()>;

/// Every test, by its name.
const TESTS: &[(&str, Test)] = &[
    ("a_page_renders_and_the_console_is_clean", |tab| Box::pin(page::renders(tab))),
    ("a_page_fits_every_width", |tab| Box::pin(page::fits(tab))),
    ("the_grid_is_readable_on_a_telephone", |tab| Box::pin(page::grid_is_narrow(tab))),
    ("what_did_not_pass_is_on_top", |tab| Box::pin(page::failures_come_first(tab))),
    ("filters_narrow_the_cases_down", |tab| Box::pin(page::filters(tab))),
    ("a_cell_of_the_grid_narrows_the_cases_down", |tab| Box::pin(page::cells(tab))),
    ("a_page_reads_without_scripts", |tab| Box::pin(page::reads_without_scripts(tab))),
    ("a_name_in_the_address_opens_its_case", |tab| Box::pin(page::opens_by_address(tab))),
    ("keys_that_would_be_markup_do_no_harm", |tab| Box::pin(page::does_no_harm(tab))),
    ("a_thousand_cases_stay_small", |tab| Box::pin(page::stays_small(tab))),
    ("a_live_page_hears_of_every_case", |tab| Box::pin(live::hears(tab))),
    ("a_live_page_is_for_this_machine", |tab| Box::pin(live::is_for_this_machine(tab))),
    ("a_run_is_watched_from_the_command_line", |tab| Box::pin(live::command(tab))),
];

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // A browser is heavy: on two cores two of them have enough to do.
    arguments.test_threads.get_or_insert(2);
    let driver = Arc::new(OnceLock::new());
    let trial = |(name, test): &(&str, Test)| {
        let (driver, test) = (driver.clone(), *test);
        Trial::ignorable_test(*name, move || match driver.get_or_init(Driver::start) {
            Ok(driver) => driver.run(test),
            Err(reason) if is_required() => Err(Failed::from(reason)),
            Err(reason) => Ok(Completion::ignored_with(reason.clone())),
        })
    };
    let conclusion = libtest_mimic::run(&arguments, TESTS.iter().map(trial).collect());
    if let Some(Err(reason)) = driver.get() {
        eprintln!("browser: {reason}");
    }
    // The exit would leave the driver and its browsers.
    drop(driver);
    conclusion.exit_code()
}

fn is_required() -> bool {
    std::env::var(REQUIRE).is_ok_and(|value| !matches!(value.as_str(), "" | "0"))
}
