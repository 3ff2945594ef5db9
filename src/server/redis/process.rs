//! Runs a local `redis-server` program as a child process, on a free loopback port and with nothing kept on disk.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::super::Origin;
use super::super::child::{Child, Kind, free_ports};
use super::super::keeper::{Facts, Kept, Stop};
use super::super::ready::ready;
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
) -> Result<(Facts<Address>, Box<dyn Kept>), String> {
    let start = async || {
        let (mut child, address) = spawn(&program)?;
        let checked = examine(&mut child, &address, startup, &mut stop).await;
        Ok((child, checked.map(|checked| (address, checked.version))))
    };
    let (child, (access, version)) = REDIS.start(&program, start).await?;
    let origin = Origin::Process { program, pid: child.pid };
    Ok((Facts { access, version, origin }, Box::new(child)))
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
) -> Result<Checked, String> {
    let pid = child.pid;
    let died = async || child.obituary();
    let checked = stop.unless(ready(startup, async || check(address).await, died)).await?;
    match checked.pid {
        Some(told) if told != pid => {
            Err(format!("its port was taken by another redis: {} of its own", REDIS.port_taken))
        }
        _ => Ok(checked),
    }
}

/// The arguments of a server for this machine alone, that keeps nothing and tells what happens to its keys.
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
