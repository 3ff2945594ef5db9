//! The suite against a PostgreSQL server: `KVSPEC_POSTGRES='host=… user=…' cargo test`; skipped if the variable is not set.

use std::process::ExitCode;
use std::time::Duration;

use kvspec::backend::Shared;
use kvspec::harness::Harness;
use kvspec::store::Limits;
use postgres_store::Database;

fn main() -> ExitCode {
    let Ok(address) = std::env::var("KVSPEC_POSTGRES") else {
        eprintln!("skipped: KVSPEC_POSTGRES names no PostgreSQL server");
        return ExitCode::SUCCESS;
    };
    let database = match Database::open(&address) {
        Ok(database) => database,
        Err(error) => {
            eprintln!("cannot open the database: {error}; check KVSPEC_POSTGRES");
            return ExitCode::FAILURE;
        }
    };
    // Leases are ended by a sweeper that looks once a second.
    let limits = Limits::default().with_expiry_lag(Duration::from_secs(2));
    let shared = Shared::new("postgres", move || {
        let client = database.client();
        async { Ok(client) }
    });
    let known = concat!(env!("CARGO_MANIFEST_DIR"), "/known-failures.txt");
    Harness::new().backend(shared.with_limits(limits).disposable()).known_failures(known).run()
}
