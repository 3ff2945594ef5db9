//! etcd by its v3 API, and the flags that say which.

use std::sync::Arc;

use super::served::Served;
use super::{Builtin, Flag, Given};
use crate::backend::etcd::{Access, EtcdBackend, Tls, User};
use crate::runner::Abort;
use crate::server::etcd::{EtcdServer, OwnEtcd, ServerChoice, ServerOptions, endpoints, find};
use crate::target::Target;

/// etcd.
pub static ETCD: Builtin = Builtin {
    name: "etcd",
    is_default: true,
    heading: "etcd server",
    flags: FLAGS,
    takes_program: true,
    target: |given, abort| Ok(etcd_target(options(given)?, abort)),
    known: include_str!("../../known-failures/etcd.txt"),
};

/// Which etcd to run against. What is not given is read from the environment.
pub(super) const FLAGS: &[Flag] = &[
    Flag::new(
        "endpoints",
        "URL,…",
        "Client URLs of the server to test, separated by commas [env: ETCD_ENDPOINTS]",
    )
    .address("with-endpoints"),
    Flag::new(
        "server",
        "auto|endpoints|container|process",
        "Where the server comes from [default: auto]",
    ),
    Flag::switch(
        "disposable",
        "Scenarios may compact the server's history [env: KVSPEC_DISPOSABLE]",
    ),
    Flag::new("cacert", "FILE", "CA certificate of the server, PEM [env: ETCDCTL_CACERT]"),
    Flag::new("cert", "FILE", "Client certificate, PEM [env: ETCDCTL_CERT]").requires("key"),
    Flag::new("key", "FILE", "Client key, PEM [env: ETCDCTL_KEY]").requires("cert"),
    Flag::new(
        "user",
        "NAME",
        "User name; the password is read from ETCDCTL_PASSWORD [env: ETCDCTL_USER]",
    ),
];

/// What the environment says, and over it what the command line says.
pub fn options(given: &Given) -> Result<ServerOptions, String> {
    let mut options = ServerOptions::from_env().map_err(|error| error.to_string())?;
    options.disposable |= given.has("disposable");
    if let Some(program) = &given.program {
        let (choice, program, access) =
            (ServerChoice::Process, Some(program.clone()), Access::default());
        return Ok(ServerOptions { choice, program, access, ..options });
    }
    let said = |error| format!("--endpoints: {error}");
    if let Some(list) = given.text("endpoints") {
        options.access.endpoints = endpoints(list).map_err(said)?;
    }
    choose(given, &mut options)?;
    log_in(given, &mut options.access)?;
    Ok(options)
}

/// Which ways may be tried; a server that was named must be one that is.
fn choose(given: &Given, options: &mut ServerOptions) -> Result<(), String> {
    if let Some(choice) = given.text("server") {
        options.choice = choice.parse().map_err(|error| format!("--server: {error}"))?;
    }
    match options.choice {
        ServerChoice::Container | ServerChoice::Process if given.has("endpoints") => Err(format!(
            "--endpoints conflicts with --server {}: that server would not be tested",
            options.choice
        )),
        ServerChoice::Container | ServerChoice::Process => {
            options.access.endpoints.clear();
            Ok(())
        }
        ServerChoice::Endpoints if options.access.endpoints.is_empty() => {
            Err("--server endpoints needs --endpoints or ETCD_ENDPOINTS".into())
        }
        ServerChoice::Endpoints | ServerChoice::Auto => Ok(()),
    }
}

fn log_in(given: &Given, access: &mut Access) -> Result<(), String> {
    let [ca, cert, key] = ["cacert", "cert", "key"].map(|name| given.path(name));
    if ca.is_some() || cert.is_some() {
        let tls = access.tls.get_or_insert_with(Tls::default);
        tls.ca = ca.or(tls.ca.take());
        tls.client = cert.zip(key).or(tls.client.take());
    }
    if let Some(name) = given.text("user") {
        let password = std::env::var("ETCDCTL_PASSWORD")
            .map_err(|_| "--user needs the password in ETCDCTL_PASSWORD")?;
        access.user = Some(User { name: name.into(), password });
    }
    Ok(())
}

/// etcd on whatever server `options` find, once it is first asked for; looking for one ends with `abort`.
pub fn etcd_target(options: ServerOptions, abort: Abort) -> Target {
    let by_options = options.clone();
    let backend = move |server: &EtcdServer| {
        let own = match server.is_ours() {
            true => OwnEtcd::find(&by_options, server.version()),
            false => OwnEtcd::forbidden(),
        };
        let backend = EtcdBackend::new(server.access().clone()).reopening(own);
        let backend = backend.disposable(server.is_ours() || by_options.disposable);
        Arc::new(backend.of_version(server.version())) as _
    };
    served(&ETCD, "", options, backend).target(abort)
}

/// A target on the etcd that `options` find.
pub(super) fn served<B>(
    builtin: &'static Builtin,
    by: &'static str,
    options: ServerOptions,
    backend: B,
) -> Served<impl AsyncFn() -> Result<EtcdServer, crate::server::NoServer> + Send + Sync, B> {
    let endpoints = &options.access.endpoints;
    let given = (!endpoints.is_empty()).then(|| endpoints.join(","));
    let is_named = given.is_some() || options.choice != ServerChoice::Auto;
    let find = async move || find(&options).await;
    Served { builtin, is_named, given, by, find, backend }
}
