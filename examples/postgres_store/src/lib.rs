//! A store on PostgreSQL: SQL transactions, a pool of connections, LISTEN and NOTIFY, and a sweeper that ends leases.
//!
//! It has leases, revisions and watches, and no transactions. The pool lives in a runtime of its own: kvspec runs each case
//! in a runtime that ends with it, and a connection ends with the runtime that it was opened in.

mod change;
mod database;
mod store;

pub use database::Database;
pub use store::Client;
