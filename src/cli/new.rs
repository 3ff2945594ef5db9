//! `kvspec new DIR`: a crate with a small store that passes, to begin one's own with.

use std::fs;
use std::path::Path;

use super::args::NewArgs;
use super::{Problem, exit, said};

const STORE: &str = include_str!("../../examples/toy_store/store.rs");

const CONFORMANCE: &str = r#"//! What a coordination store must do, clause by clause: `cargo test`.

use std::process::ExitCode;

use kvspec::backend::Fresh;
use kvspec::harness::Harness;
use CRATE::Toy;

fn main() -> ExitCode {
    // `on_virtual_time` is for stores that sleep on tokio's timers and on nothing else.
    let toy = Fresh::new("toy", Toy::default, Toy::client).on_virtual_time();
    Harness::new().backend(toy).scenarios("scenarios").run()
}
"#;

const SCENARIO: &str = r#"# A scenario of the crate's own: a key that is written twice reads as the last value.
# source: scripts in this folder run with the suite; `cargo doc --open -p kvspec` has the language
update greeting hello
update greeting world
read greeting
list ""
---
read greeting: world
list "": greeting
"#;

const NEXTEST: &str = r#"# For `cargo nextest run`.

[profile.default]
# Cases on the wall clock wait more than they work.
test-threads = 32

# All but the conformance test works more than it waits.
[test-groups]
work = { max-threads = "num-cpus" }

[[profile.default.overrides]]
filter = "not binary(conformance)"
test-group = "work"
"#;

/// Writes the crate into a folder that does not exist yet.
pub(super) fn new(args: &NewArgs) -> Result<u8, Problem> {
    let folder = args.folder.as_path();
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_name) {
        return Err(said(format!(
            "invalid crate name '{name}': expected small letters, digits, - and _"
        )));
    }
    let source = source(args.path.as_deref())?;
    let shown = folder.display();
    fs::create_dir(folder).map_err(|error| said(format!("cannot create {shown}: {error}")))?;
    let files = [
        ("Cargo.toml", manifest(name, &source)),
        (".gitignore", "/target\n".into()),
        (".config/nextest.toml", NEXTEST.into()),
        ("src/lib.rs", STORE.into()),
        ("tests/conformance.rs", CONFORMANCE.replace("CRATE", &name.replace('-', "_"))),
        ("scenarios/greeting.kv", SCENARIO.into()),
    ];
    for (file, text) in files {
        write(&folder.join(file), &text)?;
    }
    println!("{shown} is made: a small store that passes the suite. Put yours in its place:");
    println!("  cd {shown} && cargo test");
    Ok(exit::PASSED)
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| said(format!("{} could not be written: {error}", path.display())))
}

/// Where the crate takes kvspec from, as the manifest writes it.
fn source(path: Option<&Path>) -> Result<String, Problem> {
    let repository = env!("CARGO_PKG_REPOSITORY");
    let built_in = Path::new(env!("CARGO_MANIFEST_DIR"));
    match path {
        Some(path) => from_folder(path),
        None if env!("KVSPEC_IS_PUBLISHED") == "true" => {
            Ok(format!("version = \"{}\"", env!("CARGO_PKG_VERSION")))
        }
        None if !repository.is_empty() => Ok(format!("git = {repository:?}")),
        None if built_in.join("Cargo.toml").is_file() => from_folder(built_in),
        None => Err(said(
            "cannot name a kvspec that cargo finds: this one is not published, and the folder that it was built in is \
             gone; name a clone by --path DIR",
        )),
    }
}

fn from_folder(path: &Path) -> Result<String, Problem> {
    let path = path.canonicalize().map_err(|error| said(format!("{}: {error}", path.display())))?;
    if !path.join("Cargo.toml").is_file() {
        return Err(said(format!(
            "invalid --path '{}': expected a clone of kvspec",
            path.display()
        )));
    }
    Ok(format!("path = {:?}", path.display().to_string()))
}

fn manifest(name: &str, source: &str) -> String {
    format!(
        r#"[package]
name = "{name}"
version = "0.1.0"
edition = "2024"

[dependencies]
async-trait = "0.1"
kvspec = {{ {source}, default-features = false }}
tokio = {{ version = "1", features = ["rt", "sync", "time"] }}
tokio-stream = "0.1"

[[test]]
name = "conformance"
harness = false
"#
    )
}
