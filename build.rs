//! Has the crate built again when a scenario of the embedded suite changes.

fn main() {
    println!("cargo::rerun-if-changed=scenarios");
}
