//! Serves a store in memory as etcd would, with the faults that its arguments name, until it is ended.
//!
//! `cargo run --example partial_etcd -- no=DeleteRange delay=5` prints the endpoint to give to `kvspec run --endpoints`;
//! `before=127.0.0.1:2379 delay=5` is a proxy, which makes every call of another server 5 ms slower.

#[path = "../tests/support/mod.rs"]
mod support;

use support::{Faults, Served};

fn main() -> Result<(), String> {
    let words: Vec<_> = std::env::args().skip(1).collect();
    let faults: Faults = words.join(" ").parse()?;
    let server = Served::memory(faults);
    println!("{}", server.endpoint());
    loop {
        std::thread::park();
    }
}
