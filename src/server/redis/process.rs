//! Runs a local `redis-server` program as a child process, on a free loopback port and with nothing kept on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::child::{Child, Kind, free_ports};
use super::super::guard::{Facts, Guarded, Stop};
use super::super::ready::ready;
use super::super::{Origin, StartError};
use super::check::{Checked, check};
use crate::backend::redis::Address;

/// The `redis-server` program.
pub(super) const REDIS: Kind = Kind {
    program: "redis-server",
    variable: "KVSPEC_REDIS",
    folder: "kvspec-redis-",
    settings: "REDIS_",
    port_taken: "Failed listening on port",
};

/// Starts `program` and waits until it passes its check.
pub(super) async fn start(
    program: PathBuf,
    startup: Duration,
    mut stop: Stop,
) -> Result<(Facts<Address>, Box<dyn Guarded>), StartError> {
    let start = async || {
        let (mut child, address) = spawn(&program)?;
        let checked = examine(&mut child, &address, startup, &mut stop).await;
        Ok((child, checked.map(|checked| (address, checked))))
    };
    let (child, (access, checked)) = REDIS.start(&program, start).await?;
    let Checked { product, version, .. } = checked;
    let origin = Origin::Process { program, pid: child.pid };
    Ok((Facts { access, product, version, origin }, Box::new(child)))
}

fn spawn(program: &Path) -> Result<(Child, Address), String> {
    let [port] = free_ports()?;
    let child = REDIS.spawn(program, |folder| arguments(port, folder))?;
    let address = Address::parse(&format!("redis://127.0.0.1:{port}"));
    Ok((child, address.map_err(|error| error.to_string())?))
}

async fn examine(
    child: &mut Child,
    address: &Address,
    startup: Duration,
    stop: &mut Stop,
) -> Result<Checked, StartError> {
    let pid = child.pid;
    let ended = async || child.exit_reason();
    let checked = stop.unless(ready(startup, async || check(address).await, ended)).await?;
    match checked.pid {
        Some(other) if other != pid => {
            Err(StartError::PortTaken("its port was taken by another redis".into()))
        }
        _ => Ok(checked),
    }
}

/// The arguments of a server for this machine alone, that keeps nothing and reports what happens to its keys.
fn arguments(port: u16, folder: &Path) -> Vec<String> {
    [
        ("port", port.to_string().as_str()),
        ("bind", "127.0.0.1"),
        ("dir", &folder.to_string_lossy()),
        ("save", ""),
        ("appendonly", "no"),
        ("daemonize", "no"),
        ("notify-keyspace-events", "Kg$xe"),
    ]
    .iter()
    .flat_map(|(name, value)| [format!("--{name}"), (*value).to_owned()])
    .collect()
}
