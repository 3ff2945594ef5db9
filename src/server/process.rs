//! Runs a local `etcd` program as a child process, on free loopback ports and with its data in a temporary folder.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::check::{self, Checked};
use super::keeper::{Facts, Kept, LeftBehind, Stop};
use super::owner::{FORGOTTEN, Owner, Standing};
use super::{Origin, Start, last_words, token};
use crate::backend::etcd::Access;

/// How often the child may find its ports taken, which another process must hit within milliseconds.
const TRIES: usize = 3;
/// How long etcd may take to end by itself; its data is thrown away, so nothing is lost by a kill.
const GRACE: Duration = Duration::from_secs(1);
/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(5);
/// How the folders begin that hold a child's data and log; the owner follows.
const FOLDER: &str = "kvspec-etcd-";

/// Finds the program to run: the one that was named, else the first `etcd` on `PATH`.
pub(super) fn program(named: Option<&Path>) -> Result<PathBuf, String> {
    if let Some(path) = named {
        return match runnable(path) {
            true => Ok(path.to_owned()),
            false => Err(format!("{} is not a program that can be run", path.display())),
        };
    }
    let path = env::var_os("PATH").unwrap_or_default();
    let found =
        env::split_paths(&path).map(|folder| folder.join("etcd")).find(|path| runnable(path));
    found.ok_or_else(|| "no etcd program on PATH (KVSPEC_ETCD names one)".into())
}

fn runnable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// Starts `program` and waits until it passes its check.
pub(super) async fn start(
    program: PathBuf,
    start: Start,
    mut stop: Stop,
) -> Result<(Facts, Box<dyn Kept>), String> {
    sweep();
    let mut tries = 1;
    loop {
        let (process, access) = Process::spawn(&program, start)?;
        match process.ready(&access, start.startup, &mut stop).await {
            (process, Ok(checked)) => {
                let origin = Origin::Process { program, pid: process.pid };
                return Ok((Facts { access, version: checked.version, origin }, Box::new(process)));
            }
            (process, Err(reason)) => {
                Box::new(process).take_down().await.map_err(|left| format!("{reason}; {left}"))?;
                if tries == TRIES || !reason.contains("address already in use") {
                    return Err(format!("{}: {reason}", program.display()));
                }
                tries += 1;
            }
        }
    }
}

/// A child process and the folder that goes with it.
struct Process {
    child: Child,
    pid: u32,
    /// The name of the cluster's only member, by which another etcd on the same port is told from this one.
    member: String,
    folder: TempDir,
}

impl Process {
    fn spawn(program: &Path, start: Start) -> Result<(Self, Access), String> {
        let folder =
            folder().map_err(|error| format!("no temporary folder could be made: {error}"))?;
        let log =
            File::create(folder.path().join("log")).and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|error| format!("no log file could be made: {error}"))?;
        let [client, peer] =
            free_ports().map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
        let member = format!("s1-{}", token());
        let client = format!("http://127.0.0.1:{client}");
        let mut command = Command::new(program);
        command.args(flags(
            &member,
            &folder.path().join("data"),
            &client,
            &format!("http://127.0.0.1:{peer}"),
        ));
        command.args(start.flags());
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
        // Settings of another etcd in the environment are not meant for this one.
        for (name, _) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("ETCD_"))
        {
            command.env_remove(name);
        }
        die_with_parent(&mut command);
        let child = command
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", program.display()))?;
        let pid = child.id().ok_or("it ended before it had a process id")?;
        Ok((
            Self { child, pid, member, folder },
            Access { endpoints: vec![client], ..Access::default() },
        ))
    }

    async fn ready(
        mut self,
        access: &Access,
        startup: Duration,
        stop: &mut Stop,
    ) -> (Self, Result<Checked, String>) {
        let log = self.folder.path().join("log");
        let child = &mut self.child;
        let died = async || child.try_wait().ok().flatten().map(|status| obituary(status, &log));
        let checked = stop.unless(check::ready(access, startup, died)).await;
        let checked = checked.and_then(|checked| match checked.members.contains(&self.member) {
            true => Ok(checked),
            false => Err("its port was taken by another etcd: address already in use".to_owned()),
        });
        (self, checked)
    }

    async fn end(&mut self) -> io::Result<()> {
        if self.child.try_wait()?.is_some() {
            return Ok(());
        }
        terminate(self.pid);
        if timeout(GRACE, self.child.wait()).await.is_ok() {
            return Ok(());
        }
        self.child.start_kill()?;
        let killed = timeout(KILL, self.child.wait()).await;
        killed
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it outlived its kill"))?
            .map(drop)
    }
}

#[async_trait(?Send)]
impl Kept for Process {
    async fn take_down(mut self: Box<Self>) -> Result<(), LeftBehind> {
        let (pid, path) = (self.pid, self.folder.path().display().to_string());
        let ended = self.end().await;
        let ended = ended.map_err(|error| LeftBehind {
            what: format!("process {pid}"),
            reason: error.to_string(),
        });
        let emptied = self.folder.close();
        let emptied = emptied.map_err(|error| LeftBehind {
            what: format!("folder {path}"),
            reason: error.to_string(),
        });
        ended.and(emptied)
    }
}

/// The flags of etcd's release page, on loopback.
fn flags(member: &str, data: &Path, client: &str, peer: &str) -> Vec<String> {
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

/// Finds ports that were free a moment ago; held together, so that they differ.
fn free_ports() -> io::Result<[u16; 2]> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let (client, peer) = (bind()?, bind()?);
    Ok([client.local_addr()?.port(), peer.local_addr()?.port()])
}

/// Lets the child live no longer than this process, and lets the terminal's Ctrl-C reach only this process.
fn die_with_parent(command: &mut Command) {
    // In the foreground group it would be ended by Ctrl-C while kvspec still has keys to delete.
    command.process_group(0);
    #[cfg(target_os = "linux")]
    {
        let parent = std::process::id();
        let tie = move || {
            // SAFETY: both are plain system calls, which are allowed between fork and exec.
            let orphan = unsafe {
                if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) != 0 {
                    return Err(io::Error::last_os_error());
                }
                libc::getppid() as u32 != parent
            };
            // The parent ended before the tie was made, and will not end again.
            if orphan { Err(io::Error::from_raw_os_error(libc::ECHILD)) } else { Ok(()) }
        };
        // SAFETY: the closure makes two system calls and allocates nothing. The signal comes when the thread that
        // spawned the child ends, which is the keeper's and ends only once the child is gone.
        unsafe { command.pre_exec(tie) };
    }
}

fn terminate(pid: u32) {
    // SAFETY: a system call on plain numbers; the child is not reaped yet, so the id is still its own.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGTERM) };
}

/// Says how a child ended and what it last wrote.
fn obituary(status: ExitStatus, log: &Path) -> String {
    let log = fs::read(log).unwrap_or_default();
    format!("ended with {status} before it was ready; {}", last_words(&log))
}

fn folder() -> io::Result<TempDir> {
    let prefix = match Owner::this() {
        Some(Owner { pid, start, namespace, boot }) => {
            format!("{FOLDER}{pid}-{start}-{namespace}-{boot}.")
        }
        None => FOLDER.to_owned(),
    };
    tempfile::Builder::new().prefix(&prefix).tempdir()
}

/// Reads the owner out of a folder's name.
fn owner_of(name: &str) -> Option<Owner> {
    let (owner, _) = name.strip_prefix(FOLDER)?.rsplit_once('.')?;
    let mut parts = owner.splitn(4, '-');
    Some(Owner {
        pid: parts.next()?.parse().ok()?,
        start: parts.next()?.parse().ok()?,
        namespace: parts.next()?.parse().ok()?,
        boot: parts.next()?.to_owned(),
    })
}

/// Removes the folders of children whose owner was killed; what cannot be removed is left for another time.
fn sweep() {
    let entries = fs::read_dir(env::temp_dir()).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(owner) = name.to_str().and_then(owner_of) else { continue };
        // Of the entry itself and not of what a link points to; and only this user's own.
        let Ok(meta) = entry.metadata() else { continue };
        // SAFETY: a system call without arguments that cannot fail.
        if !meta.is_dir() || meta.uid() != unsafe { libc::geteuid() } {
            continue;
        }
        let is_old = meta
            .modified()
            .ok()
            .and_then(|time| time.elapsed().ok())
            .is_some_and(|age| age > FORGOTTEN);
        let is_left = match owner.standing() {
            Standing::Lives => false,
            Standing::Gone => true,
            Standing::Unseen => is_old,
        };
        if is_left {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_names_its_owner() {
        let folder = folder().unwrap();
        let name = folder.path().file_name().unwrap().to_str().unwrap();
        assert_eq!(owner_of(name), Owner::this());
        assert_eq!(owner_of("kvspec-etcd-mine"), None);
    }
}
