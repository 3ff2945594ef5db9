//! An etcd of the tests' own: a store behind etcd's gRPC API, each call of which can be missing, refused, wrong or slow.

mod faults;
mod kv;
mod lease;
mod proxy;
mod range;
mod served;
mod watch;

pub use self::faults::Faults;
pub use self::served::Served;
