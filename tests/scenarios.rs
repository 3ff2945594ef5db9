//! Scenario files: the embedded suite, what their headers say, what is said of wrong ones, and their words.

#[path = "scenarios/embedded.rs"]
mod embedded;
#[path = "scenarios/files.rs"]
mod files;
#[path = "scenarios/words.rs"]
mod words;
