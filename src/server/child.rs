//! Runs a server's program as a child process, with its data and its log in a temporary folder that goes with it.

use std::env;
use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use async_trait::async_trait;
use tokio::process::Command;
use tokio::time::timeout;

use super::guard::{Guarded, LeftBehind};
use super::owner::{self, OwnFolder};
use super::{StartError, last_line};

/// How often a child may find its ports taken, which another process must hit within milliseconds.
const TRIES: usize = 3;
/// How long a server may take to end by itself; its data is thrown away, so nothing is lost by a kill.
const GRACE: Duration = Duration::from_secs(1);
/// How long a killed process may take to be gone.
const KILL: Duration = Duration::from_secs(5);

/// A kind of program that is run as a child.
pub(super) struct Kind {
    /// The program's name, by which it is found on `PATH`.
    pub program: &'static str,
    /// The variable that names another one.
    pub variable: &'static str,
    /// How the folders begin that hold a child's data and log; the owner follows.
    pub folder: &'static str,
    /// How the variables begin that would set it up otherwise.
    pub settings: &'static str,
    /// What it writes last if another process has its port.
    pub port_taken: &'static str,
}

impl Kind {
    /// Finds the program to run: the one that was named, else the first on `PATH`.
    pub fn find(&self, named: Option<&Path>) -> Result<PathBuf, String> {
        if let Some(path) = named {
            return match runnable(path) {
                true => Ok(path.to_owned()),
                false => Err(format!("{} is not a program that can be run", path.display())),
            };
        }
        let path = env::var_os("PATH").unwrap_or_default();
        let mut candidates = env::split_paths(&path).map(|folder| folder.join(self.program));
        candidates.find(|path| runnable(path)).ok_or_else(|| {
            format!("no {} program on PATH ({} names one)", self.program, self.variable)
        })
    }

    /// Starts a child by `start`, again where it found its port taken; what failed is taken down.
    pub async fn start<T>(
        &self,
        program: &Path,
        mut start: impl AsyncFnMut() -> Result<(Child, Result<T, StartError>), String>,
    ) -> Result<(Child, T), StartError> {
        owner::sweep(self.folder);
        let mut tries = 1;
        loop {
            let (child, ready) = start().await?;
            let reason = match ready {
                Ok(ready) => return Ok((child, ready)),
                Err(reason) => reason,
            };
            Box::new(child).take_down().await.map_err(|left| format!("{reason}; {left}"))?;
            match reason {
                StartError::PortTaken(_) if tries < TRIES => tries += 1,
                reason => return Err(format!("{}: {reason}", program.display()).into()),
            }
        }
    }

    /// Starts the program with the arguments that it is given for its folder.
    pub fn spawn(
        &self,
        program: &Path,
        arguments: impl FnOnce(&Path) -> Vec<String>,
    ) -> Result<Child, String> {
        let folder = OwnFolder::new(self.folder)
            .map_err(|error| format!("no temporary folder could be made: {error}"))?;
        let arguments = arguments(folder.path());
        let launch = Launch { program: program.into(), arguments, settings: self.settings };
        let (process, pid) = launch.start(folder.path())?;
        Ok(Child { process, pid, folder, launch, port_taken: self.port_taken })
    }
}

/// Reports whether a path leads to a program.
pub(super) fn runnable(path: &Path) -> bool {
    fs::metadata(path).is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

/// How a child is started.
struct Launch {
    program: PathBuf,
    arguments: Vec<String>,
    settings: &'static str,
}

impl Launch {
    fn start(&self, folder: &Path) -> Result<(tokio::process::Child, u32), String> {
        let log = File::create(folder.join("log")).and_then(|log| Ok((log.try_clone()?, log)));
        let (out, err) = log.map_err(|error| format!("no log file could be made: {error}"))?;
        let mut command = Command::new(&self.program);
        command.args(&self.arguments);
        command.stdin(Stdio::null()).stdout(out).stderr(err).kill_on_drop(true);
        // Settings of another server in the environment are not meant for this one.
        for (name, _) in
            env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with(self.settings))
        {
            command.env_remove(name);
        }
        die_with_parent(&mut command);
        let child = command
            .spawn()
            .map_err(|error| format!("{} could not be started: {error}", self.program.display()))?;
        let pid = child.id().ok_or("it ended before it had a process id")?;
        Ok((child, pid))
    }
}

/// A child process and the folder that goes with it.
pub(super) struct Child {
    process: tokio::process::Child,
    pub pid: u32,
    folder: OwnFolder,
    launch: Launch,
    port_taken: &'static str,
}

impl Child {
    /// Says how the child ended and what it last wrote; `None` while it runs.
    pub fn exit_reason(&mut self) -> Option<StartError> {
        let status = self.process.try_wait().ok().flatten()?;
        let log = fs::read(self.folder.path().join("log")).unwrap_or_default();
        let last = last_line(&log);
        let is_port_taken = last.contains(self.port_taken);
        let reason = format!("ended with {status} before it was ready; {last}");
        Some(if is_port_taken { StartError::PortTaken(reason) } else { StartError::Other(reason) })
    }

    /// Starts the program that has ended again, as it was started before: in the same folder and by the same arguments.
    ///
    /// Called on the thread that started it first, whose end kills the process.
    #[cfg_attr(not(feature = "etcd"), expect(dead_code, reason = "only an etcd is started again"))]
    pub fn start_again(&mut self) -> Result<(), String> {
        (self.process, self.pid) = self.launch.start(self.folder.path())?;
        Ok(())
    }

    /// Ends the process: at once, or by a request that it has some time to obey.
    pub async fn end(&mut self, grace: Duration) -> io::Result<()> {
        if self.process.try_wait()?.is_some() {
            return Ok(());
        }
        if !grace.is_zero() {
            terminate(self.pid);
            if timeout(grace, self.process.wait()).await.is_ok() {
                return Ok(());
            }
        }
        self.process.start_kill()?;
        let killed = timeout(KILL, self.process.wait()).await;
        killed
            .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "it outlived its kill"))?
            .map(drop)
    }
}

#[async_trait(?Send)]
impl Guarded for Child {
    async fn take_down(mut self: Box<Self>) -> Result<(), LeftBehind> {
        let (pid, path) = (self.pid, self.folder.path().display().to_string());
        let ended = self.end(GRACE).await;
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

/// Finds loopback ports that were free a moment ago; held together, so that they differ.
pub(super) fn free_ports<const N: usize>() -> Result<[u16; N], String> {
    let bind = || TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let listeners = (0..N).map(|_| bind()).collect::<io::Result<Vec<_>>>();
    let ports = listeners.and_then(|listeners| {
        listeners.iter().map(|listener| Ok(listener.local_addr()?.port())).collect()
    });
    let ports: Vec<_> = ports.map_err(|error| format!("no free port on 127.0.0.1: {error}"))?;
    ports.try_into().map_err(|_| "no free port on 127.0.0.1".into())
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
        // spawned the child ends, which is the guard's and ends only once the child is gone.
        unsafe { command.pre_exec(tie) };
    }
}

fn terminate(pid: u32) {
    // SAFETY: a system call on plain numbers; the child is not reaped yet, so the id is still its own.
    unsafe { libc::kill(pid as libc::pid_t, libc::SIGTERM) };
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind {
        program: "sh",
        variable: "KVSPEC_SH",
        folder: "kvspec-child-",
        settings: "CHILD_",
        port_taken: "taken",
    };

    #[test]
    fn a_program_that_is_not_there_is_said_to_be() {
        let missing = Kind { program: "kvspec-no-such-program", ..KIND };
        let reason = missing.find(None).unwrap_err();
        assert_eq!(reason, "no kvspec-no-such-program program on PATH (KVSPEC_SH names one)");
        assert!(KIND.find(Some(Path::new("/"))).unwrap_err().contains("not a program"));
        assert!(KIND.find(None).is_ok());
    }

    #[test]
    fn free_ports_differ() {
        let [a, b, c] = free_ports().unwrap();
        assert!(a != b && b != c && a != c);
    }
}
