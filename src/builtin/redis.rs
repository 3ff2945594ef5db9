//! Redis, and the flag that says which.

use std::sync::Arc;

use super::served::Served;
use super::{Builtin, Flag, Given};
use crate::backend::redis::{self, Address};
use crate::runner::Abort;
use crate::server::redis::{RedisOptions, RedisServer, find};
use crate::target::Target;

pub(super) static REDIS: Builtin = Builtin {
    name: "redis",
    heading: "redis server",
    flags: &[Flag::new(
        "redis-url",
        "URL",
        "Server to test, redis://host:port/database; set a URL with a password in the environment [env: REDIS_URL]",
    )
    .address("with-redis-url")],
    takes_program: true,
    target: |given, abort| Ok(redis_target(options(given)?, abort)),
    known: include_str!("../../known-failures/redis.txt"),
    ..Builtin::PLAIN
};

/// What the environment says, and over it what the command line says.
fn options(given: &Given) -> Result<RedisOptions, String> {
    if given.program.is_some() {
        return Ok(RedisOptions { program: given.program.clone(), ..RedisOptions::default() });
    }
    let Some(url) = given.text("redis-url") else {
        return RedisOptions::from_env().map_err(|error| error.to_string());
    };
    let address = Address::parse(url).map_err(|bad| format!("--redis-url: {}", bad.message))?;
    if address.has_password() {
        // Everybody on this machine can read the arguments of a command.
        return Err(
            "--redis-url: a password cannot be an argument: set the URL in REDIS_URL".into()
        );
    }
    Ok(RedisOptions { address: Some(address), ..RedisOptions::default() })
}

/// Redis on whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
pub fn redis_target(options: RedisOptions, abort: Abort) -> Target {
    let given = options.address.as_ref().map(Address::to_string);
    let find = async move || find(&options).await;
    let backend = |server: &RedisServer| {
        Arc::new(redis::backend(server.access().clone(), server.version())) as _
    };
    let (builtin, is_named) = (&REDIS, given.is_some());
    Served { builtin, is_named, given, by: "", find, backend }.target(abort)
}
