//! etcd by its v2 API.

use std::sync::Arc;

use super::Builtin;
use super::etcd::{FLAGS, options, served};
use crate::backend::etcd_v2::EtcdV2Backend;
use crate::runner::Abort;
use crate::server::etcd::{EtcdServer, ServerOptions};
use crate::target::Target;

pub(super) static ETCD_V2: Builtin = Builtin {
    name: "etcd-v2",
    heading: "etcd server",
    flags: FLAGS,
    takes_program: true,
    target: |given, abort| Ok(etcd_v2_target(options(given)?, abort)),
    known: include_str!("../../known-failures/etcd-v2.txt"),
    ..Builtin::PLAIN
};

/// The v2 API of whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
///
/// A server that kvspec starts is one of its own, with the v2 API switched on.
pub fn etcd_v2_target(options: ServerOptions, abort: Abort) -> Target {
    let options = ServerOptions { enable_v2: true, ..options };
    let backend = |server: &EtcdServer| {
        Arc::new(EtcdV2Backend::new(server.access().clone()).of_version(server.version())) as _
    };
    served(&ETCD_V2, " by its v2 API", options, backend).target(abort)
}
