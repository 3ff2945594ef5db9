//! `kvspec new NAME`: a crate with a small store that passes, to begin one's own with.

use std::fs;
use std::path::Path;

use super::args::NewArgs;
use super::{Problem, exit, said};

const STORE: &str = include_str!("../../examples/toy_store/store.rs");

const CONFORMANCE: &str = r#"//! What a coordination store must do, law by law: `cargo test`.

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

const SCENARIO: &str = r#"# A law of your own: what is written twice is read once.
# source: scripts in this folder run beside the suite; `cargo doc --open -p kvspec` has the language
update greeting hello
update greeting world
read greeting
list ""
---
read greeting: world
list "": greeting
"#;

/// Writes the crate into a folder of its name, which must not exist yet.
pub(super) fn new(args: &NewArgs) -> Result<u8, Problem> {
    let name = &args.name;
    let is_name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(is_name) {
        return Err(said(format!(
            "'{name}' is no name for a crate: small letters, digits, - and _ only"
        )));
    }
    let folder = Path::new(name);
    fs::create_dir(folder).map_err(|error| said(format!("{name} could not be made: {error}")))?;
    let files = [
        ("Cargo.toml", manifest(args)?),
        (".gitignore", "/target\n".into()),
        ("src/lib.rs", STORE.into()),
        ("tests/conformance.rs", CONFORMANCE.replace("CRATE", &name.replace('-', "_"))),
        ("scenarios/greeting.kv", SCENARIO.into()),
    ];
    for (file, text) in files {
        write(&folder.join(file), &text)?;
    }
    println!("{name} is made: a small store that passes the suite. Put yours in its place:");
    println!("  cd {name} && cargo test");
    Ok(exit::PASSED)
}

fn write(path: &Path, text: &str) -> Result<(), Problem> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let written = fs::create_dir_all(folder).and_then(|()| fs::write(path, text));
    written.map_err(|error| said(format!("{} could not be written: {error}", path.display())))
}

fn manifest(args: &NewArgs) -> Result<String, Problem> {
    let source = match &args.path {
        None => format!("version = \"{}\"", env!("CARGO_PKG_VERSION")),
        Some(path) => {
            let path = path
                .canonicalize()
                .map_err(|error| said(format!("{}: {error}", path.display())))?;
            format!("path = {:?}", path.display().to_string())
        }
    };
    let name = &args.name;
    Ok(format!(
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
    ))
}
