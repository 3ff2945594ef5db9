//! Has the crate built again when a scenario of the embedded suite changes, and tells it whether it is a published one.

use std::path::Path;

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
    // Cargo puts this file into every package, and a clone has none.
    let is_published = Path::new("Cargo.toml.orig").exists();
    println!("cargo::rustc-env=KVSPEC_IS_PUBLISHED={is_published}");
}
