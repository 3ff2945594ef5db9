//! The suite that travels in the crate is whole, and each of its scenarios says what it is for.

use std::collections::BTreeMap;

use kvspec::contract;
use kvspec::scenario::lines::blocks;
use kvspec::scenario::words::quote;
use kvspec::scenario::{self, Reading, Scenario};
use rstest::rstest;

fn all() -> Vec<Scenario> {
    scenario::embedded().expect("the embedded suite is well-formed")
}

#[track_caller]
fn each_must(rule: &str, keeps: impl Fn(&Scenario) -> bool) {
    let all = all();
    let breaking: Vec<_> = all.iter().filter(|one| !keeps(one)).map(|one| &one.name).collect();
    assert!(breaking.is_empty(), "{rule}: {breaking:?}");
}

#[test]
fn each_states_its_law_in_one_sentence() {
    each_must("a title ends with a full stop", |one| one.title.ends_with('.'));
    each_must("a title begins with a capital or a number", |one| {
        one.title.starts_with(|c: char| c.is_ascii_uppercase() || c.is_ascii_digit())
    });
    each_must("a title is one line that can be read", |one| (15..160).contains(&one.title.len()));
}

#[test]
fn no_two_state_the_same_law() {
    let mut laws: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for one in all() {
        laws.entry(one.title.to_lowercase()).or_default().push(one.name);
    }
    laws.retain(|_, names| names.len() > 1);
    assert!(laws.is_empty(), "{laws:?}");
}

#[test]
fn each_names_clauses_of_the_contract_and_its_source() {
    each_must("a scenario names its clauses", |one| !one.clauses.is_empty());
    each_must("a scenario names its source", |one| one.source.len() > 5);
    let known: Vec<_> = contract::clauses().iter().map(|clause| clause.id.clone()).collect();
    each_must("a clause stands in the contract", |one| {
        one.clauses.iter().all(|clause| known.contains(clause))
    });
}

#[test]
fn each_is_named_in_kebab_case() {
    let is_word = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let is_kebab = |part: &str| part.split('-').all(is_word);
    each_must("a name is kebab-case", |one| one.name.split('/').all(is_kebab));
    each_must("a name has two or three parts", |one| {
        (2..=3).contains(&one.name.split('/').count())
    });
    each_must("a file is named as its scenario", |one| {
        let is_second =
            matches!(one.reading, Reading::WhenAsked(_)) && one.text.contains("# unread: too\n");
        let name = if is_second { one.name.trim_end_matches("-unread") } else { &one.name };
        one.path.to_string_lossy() == format!("scenarios/{name}.kv")
    });
}

#[test]
fn each_is_written_tidily() {
    each_must("no line ends with a blank", |one| {
        one.text.lines().all(|line| line.trim_end() == line)
    });
    each_must("a file ends with one line end", |one| {
        one.text.ends_with('\n') && !one.text.ends_with("\n\n")
    });
    each_must("lines end as they do on Unix", |one| !one.text.contains('\r'));
    each_must("a scenario expects something", |one| {
        let lines: Vec<_> = one.text.lines().collect();
        blocks(&one.text).iter().any(|block| lines[block.expected.start - 1] != "ok")
    });
}

#[test]
fn they_are_sorted_and_each_name_is_there_once() {
    let names: Vec<_> = all().into_iter().map(|one| one.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "{names:?}");
}

#[rstest]
#[case("core/add/", 4)]
#[case("core/delete/", 4)]
#[case("core/read/", 3)]
#[case("core/list/", 4)]
#[case("core/ttl/", 4)]
#[case("core/watch/", 4)]
#[case("core/isolation/", 3)]
#[case("core/limits/", 3)]
#[case("core/liveness/", 4)]
#[case("core/cleanup/", 4)]
#[case("lease/", 4)]
#[case("walkthrough/", 1)]
#[case("", 100)]
fn no_folder_runs_empty(#[case] folder: &str, #[case] least: usize) {
    let found = all().iter().filter(|one| one.name.starts_with(folder)).count();
    assert!(found >= least, "{found} scenarios in '{folder}', at least {least} must be there");
}

#[test]
fn the_embedded_suite_is_the_folder() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios");
    let files = scenario::from_dir(folder.as_ref()).expect("the folder is well-formed");
    let told = |all: &[Scenario]| -> Vec<_> {
        all.iter().map(|one| (one.name.clone(), one.text.clone())).collect()
    };
    assert!(told(&files) == told(&all()), "the crate was built from other files");
}

#[test]
fn every_command_of_the_suite_prints_as_its_script_has_it() {
    let mut others = Vec::new();
    for scenario in scenario::embedded().unwrap() {
        let lines: Vec<_> = scenario.text.lines().collect();
        for (line, command) in &scenario.commands {
            let written = lines[line - 1];
            let written = match written.split_once(": ") {
                Some((client, rest)) if client.chars().all(char::is_alphanumeric) => rest,
                _ => written,
            };
            // A word may stand in quotes that it does not need.
            let bare =
                |word: &str| match word.strip_prefix('"').and_then(|word| word.strip_suffix('"')) {
                    Some(word) if quote(word.as_bytes()) == word => word.to_string(),
                    _ => word.into(),
                };
            let written = written.split(' ').map(bare).collect::<Vec<_>>().join(" ");
            if command.to_string() != written {
                others.push(format!("{}:{line}: {written} is {command}", scenario.path.display()));
            }
        }
    }
    assert!(others.is_empty(), "{}", others.join("\n"));
}
