//! What moves on a terminal while something is waited for. Without the feature `cli` nothing does.

#[cfg(feature = "cli")]
pub(crate) use self::shown::Waiting;

#[cfg(feature = "cli")]
pub(super) use self::shown::Bar;

#[cfg(feature = "cli")]
mod shown {
    use std::time::Duration;

    use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

    /// How often the time that is shown moves on.
    const TICK: Duration = Duration::from_millis(200);

    /// Shows on a terminal what is being waited for, until it is dropped.
    pub(crate) struct Waiting(ProgressBar);

    impl Waiting {
        /// Shows `what` on stderr, if that is a terminal.
        pub(crate) fn new(what: impl Into<String>) -> Self {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            let style = ProgressStyle::with_template("{elapsed} {wide_msg}");
            let bar = bar.with_style(style.expect("the template is well-formed"));
            let bar = bar.with_message(what.into());
            bar.enable_steady_tick(TICK);
            Self(bar)
        }

        /// Shows something else.
        pub(crate) fn say(&self, message: String) {
            self.0.set_message(message);
        }
    }

    impl Drop for Waiting {
        fn drop(&mut self) {
            self.0.finish_and_clear();
        }
    }

    /// How many cases are over, and which is being waited for.
    pub(in crate::report) struct Bar(ProgressBar);

    impl Bar {
        /// A bar on stderr.
        pub fn new() -> Option<Self> {
            let style = ProgressStyle::with_template("{pos}/{len} [{bar:24}] {elapsed} {wide_msg}");
            let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
            let style = style.expect("the template is well-formed").progress_chars("=> ");
            Some(Self(bar.with_style(style)))
        }

        pub fn begin(&self, cases: usize) {
            self.0.set_length(cases as u64);
            self.0.enable_steady_tick(TICK);
        }

        pub fn advance(&self) {
            self.0.inc(1);
        }

        pub fn say(&self, message: String) {
            self.0.set_message(message);
        }

        /// Does something while the bar is not there.
        pub fn suspend<T>(&self, what: impl FnOnce() -> T) -> T {
            self.0.suspend(what)
        }

        pub fn end(&self) {
            self.0.finish_and_clear();
        }
    }

    impl Drop for Bar {
        fn drop(&mut self) {
            self.end();
        }
    }
}

/// No bar.
#[cfg(not(feature = "cli"))]
pub(super) enum Bar {}

#[cfg(not(feature = "cli"))]
impl Bar {
    pub fn new() -> Option<Self> {
        None
    }

    pub fn begin(&self, _cases: usize) {
        match *self {}
    }

    pub fn advance(&self) {
        match *self {}
    }

    pub fn say(&self, _message: String) {
        match *self {}
    }

    pub fn suspend<T>(&self, _what: impl FnOnce() -> T) -> T {
        match *self {}
    }

    pub fn end(&self) {
        match *self {}
    }
}
