//! Reports of one run with a pass, a failure, an error, a skip and a known failure, read by parsers that others wrote.

#[path = "report/badge.rs"]
mod badge;
#[path = "report/command.rs"]
mod command;
#[path = "report/formats.rs"]
mod formats;
#[path = "report/github.rs"]
mod github;
#[path = "report/html.rs"]
mod html;
#[path = "report/junit.rs"]
mod junit;
#[path = "sample/mod.rs"]
mod sample;
#[path = "report/schema.rs"]
mod schema;

use sample::{KNOWN, SCRIPTS, outcomes, recorded, replayed, run, scenarios, values};
