//! `kvspec new`: a crate that cargo can resolve.

use std::fs;
use std::path::Path;

use tempfile::TempDir;

use super::{Ran, kvspec};

#[test]
fn a_new_crate_names_a_kvspec_that_is_there() {
    let folder = TempDir::new().unwrap();
    Ran::of(kvspec(["new", "demo"]).current_dir(&folder)).exits(0).says("cd demo && cargo test");
    let manifest = fs::read_to_string(folder.path().join("demo/Cargo.toml")).unwrap();
    let tree = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
    let source = match env!("CARGO_PKG_REPOSITORY") {
        "" => format!("path = {:?}", tree.display().to_string()),
        repository => format!("git = {repository:?}"),
    };
    assert!(manifest.contains(&source), "{manifest}");
    for file in [".config/nextest.toml", "src/lib.rs", "tests/conformance.rs"] {
        assert!(folder.path().join("demo").join(file).is_file(), "{file}");
    }
}

#[test]
fn a_new_crate_has_the_last_name_of_its_folder() {
    let folder = TempDir::new().unwrap();
    let made = folder.path().join("demo");
    let ran = Ran::of(kvspec(["new"]).arg(&made)).exits(0);
    ran.says(&format!("cd {} && cargo test", made.display()));
    let manifest = fs::read_to_string(made.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"demo\""), "{manifest}");
    Ran::of(kvspec(["new"]).arg(&made)).exits(2).warns("cannot create ");
}

#[test]
fn a_folder_without_kvspec_is_refused() {
    let folder = TempDir::new().unwrap();
    let ran = Ran::of(kvspec(["new", "demo", "--path", "."]).current_dir(&folder)).exits(2);
    ran.warns("expected a clone of kvspec");
    assert!(!folder.path().join("demo").exists());
}
