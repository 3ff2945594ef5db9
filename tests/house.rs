//! What the repository says of itself holds.

use std::fs;
use std::path::Path;

use kvspec::scenario::{self, command};
use kvspec::store::ErrorKind;

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The crate's manual, as plain Markdown.
fn manual() -> String {
    let lines = read("src/lib.rs");
    lines
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{line}\n"))
        .collect()
}

#[test]
fn the_readme_shows_a_scenario_as_it_is() {
    let readme = read("README.md");
    assert!(readme.contains(&read("scenarios/core/watch/two-updates-one-key.kv")));
}

#[test]
fn the_manual_has_every_command() {
    let manual = manual();
    for command::Help { usage, help, .. } in command::HELP {
        let line = format!("\n | `{}` | {help} |\n", usage.replace('|', "\\|"));
        assert!(manual.contains(&line), "the manual's table of commands lacks:{line}");
    }
}

#[test]
fn the_manual_has_every_need() {
    let manual = manual();
    for need in scenario::Need::ALL {
        assert!(manual.contains(&format!("`{}`", need.name())), "the manual lacks {need:?}");
    }
}

#[test]
fn the_manual_has_every_kind_of_error() {
    let (_, kinds) =
        manual().split_once("# Kinds of errors").map(|(a, b)| (a.len(), b.to_string())).unwrap();
    for kind in ErrorKind::ALL {
        let line = format!("| `{kind:?}` | `{kind}` |");
        assert!(kinds.contains(&line), "the manual's table lacks {kind:?}");
    }
}

#[test]
fn the_manual_has_every_flag_of_a_backend() {
    let manual = manual();
    for flag in kvspec::builtin::ALL.iter().flat_map(|one| one.flags) {
        let flag = format!("`--{}`", flag.name);
        assert!(manual.contains(&flag), "the manual lacks {flag}");
    }
}

#[cfg(feature = "etcd")]
#[test]
fn the_manual_has_every_variable() {
    let manual = manual();
    let options = read("src/server/etcd/options.rs") + &read("src/server/redis/mod.rs");
    let table = options.lines().filter_map(|line| line.trim().strip_prefix("/// | `"));
    for name in table.flat_map(|line| line.split('|').next().unwrap().split('`')) {
        assert!(name.len() < 4 || manual.contains(&format!("`{name}`")), "the manual lacks {name}");
    }
}
