//! Runs a local `etcd` program as a child process, on free loopback ports and with its data in a temporary folder.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::child::{Child, Kind, free_ports, runnable};
use super::super::guard::{Facts, Guarded, Stop};
use super::super::{Origin, StartError, token};
use super::check::{self, Checked};
use super::{PRODUCT, ServerOptions, Start};
use crate::backend::etcd::Access;

/// The `etcd` program.
pub(super) const ETCD: Kind = Kind {
    program: "etcd",
    variable: "KVSPEC_ETCD",
    folder: "kvspec-etcd-",
    settings: "ETCD_",
    port_taken: "address already in use",
};

/// Finds the etcd program to run: the one that `options` name, else the first `etcd` on `PATH`, else the one of the
/// wanted version that `scripts/setup` fetched; says where it looked if there is none.
pub fn program(options: &ServerOptions) -> Result<PathBuf, String> {
    let found = ETCD.find(options.program.as_deref());
    match &options.cache {
        Some(cache) if options.program.is_none() && found.is_err() => {
            let version = options.tag.trim_start_matches('v');
            let fetched = cache.join(format!("etcd-{version}")).join(ETCD.program);
            let reason = || format!("no etcd program on PATH or at {}", fetched.display());
            runnable(&fetched).then(|| fetched.clone()).ok_or_else(reason)
        }
        _ => found,
    }
}

/// Starts `program` and waits until it passes its check.
pub(super) async fn start(
    program: PathBuf,
    start: Start,
    mut stop: Stop,
) -> Result<(Facts<Access>, Box<dyn Guarded>), StartError> {
    let spawn = async || {
        let (mut etcd, access) = Etcd::spawn(&program, start)?;
        let checked = etcd.ready(&access, start.startup, &mut stop).await;
        Ok((etcd.child, checked.map(|checked| (access, checked.version))))
    };
    let (child, (access, version)) = ETCD.start(&program, spawn).await?;
    let origin = Origin::Process { program, pid: child.pid };
    Ok((Facts { access, product: PRODUCT.into(), version, origin }, Box::new(child)))
}

/// An etcd that was just started.
struct Etcd {
    child: Child,
    /// The name of the cluster's only member, which distinguishes this one from another etcd on the same port.
    member: String,
}

impl Etcd {
    fn spawn(program: &Path, start: Start) -> Result<(Self, Access), String> {
        let [client, peer] = free_ports()?;
        let member = format!("s1-{}", token());
        let client = format!("http://127.0.0.1:{client}");
        let peer = format!("http://127.0.0.1:{peer}");
        let child = ETCD.spawn(program, |folder| {
            let flags = flags(&member, &folder.join("data"), &client, &peer);
            flags.into_iter().chain(start.flags().map(Into::into)).collect()
        })?;
        Ok((Self { child, member }, Access { endpoints: vec![client], ..Access::default() }))
    }

    async fn ready(
        &mut self,
        access: &Access,
        startup: Duration,
        stop: &mut Stop,
    ) -> Result<Checked, StartError> {
        let ended = async || self.child.exit_reason();
        let checked = stop.unless(check::ready(access, startup, ended)).await?;
        match checked.members.contains(&self.member) {
            true => Ok(checked),
            false => Err(StartError::PortTaken("its port was taken by another etcd".into())),
        }
    }
}

/// The flags of etcd's release page, on loopback.
pub(super) fn flags(member: &str, data: &Path, client: &str, peer: &str) -> Vec<String> {
    [
        ("name", member),
        ("data-dir", &data.to_string_lossy()),
        ("listen-client-urls", client),
        ("advertise-client-urls", client),
        ("listen-peer-urls", peer),
        ("initial-advertise-peer-urls", peer),
        ("initial-cluster", &format!("{member}={peer}")),
        ("initial-cluster-token", "tkn"),
        ("initial-cluster-state", "new"),
        ("log-level", "info"),
        ("logger", "zap"),
        ("log-outputs", "stderr"),
    ]
    .iter()
    .flat_map(|(flag, value)| [format!("--{flag}"), (*value).to_owned()])
    .collect()
}
