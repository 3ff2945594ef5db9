//! `kvspec serve -- CMD`: one server for a command that starts many processes, such as nextest.

use std::io::{self, IsTerminal};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::Instant;

use super::args::ServeArgs;
use super::{Problem, exit, said};
use crate::backend::etcd::Access;
use crate::builtin::etcd_options;
use crate::report::paint::{Paint, Stream};
use crate::runner::Abort;
use crate::server::etcd::{self, EtcdServer};
use crate::signal::Signals;

/// How often the command is looked at: it is a child of std's, since its end must not depend on a runtime.
const LOOK: Duration = Duration::from_millis(20);
/// How long after the first signal the command is asked more plainly, and then made, to end. The sum leaves time to take
/// down the server within the two seconds that Ctrl-C may last.
const ASK_AGAIN: Duration = Duration::from_millis(1000);
const KILL: Duration = Duration::from_millis(1400);

/// Runs the command with the server's endpoints in its environment, takes the server down, and gives the command's exit
/// code.
pub(super) fn serve(args: &ServeArgs) -> Result<u8, Problem> {
    let abort = Abort::new();
    let signals = Signals::listen(abort.clone()).map_err(said)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(said)?;
    let options = etcd_options(args.server.given()).map_err(said)?;
    let server = runtime.block_on(async {
        tokio::select! {
            found = etcd::find(&options) => found.map_err(|none| said(Paint::auto(Stream::Stderr).bad(none))),
            () = abort.thrown() => Err(said("interrupted while looking for a server")),
        }
    })?;
    eprintln!(
        "kvspec: etcd {}, {}, at {}",
        server.version(),
        server.source(),
        server.access().endpoints.join(",")
    );
    let done = spawn(args, &server).and_then(|child| runtime.block_on(wait(child, &signals)));
    let stopped = runtime.block_on(server.stop());
    let code = code(done?);
    stopped.map_err(said)?;
    Ok(signals.exit_code().unwrap_or(code))
}

/// The exit code of the command; as in a shell, 128 and the number of the signal that ended it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or(status.signal().map(|number| 128 + number));
    code.and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::UNJUDGED)
}

fn spawn(args: &ServeArgs, server: &EtcdServer) -> Result<Child, Problem> {
    let [program, rest @ ..] = args.command.as_slice() else {
        return Err(said("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(rest);
    // What is set for another server must not be tried on this one.
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.envs(environment(server.access()));
    if server.is_ours() {
        command.env("KVSPEC_DISPOSABLE", "1");
    }
    command
        .spawn()
        .map_err(|error| said(format!("{} could not be started: {error}", program.display())))
}

/// Every variable that may name the server to a kvspec.
const VARIABLES: [&str; 6] = [
    "ETCD_ENDPOINTS",
    "ETCDCTL_CACERT",
    "ETCDCTL_CERT",
    "ETCDCTL_KEY",
    "ETCDCTL_USER",
    "ETCDCTL_PASSWORD",
];

/// The variables that name the server to a kvspec in the command's processes.
fn environment(access: &Access) -> Vec<(&'static str, std::ffi::OsString)> {
    let mut variables = vec![("ETCD_ENDPOINTS", access.endpoints.join(",").into())];
    if let Some(tls) = &access.tls {
        variables.extend(tls.ca.iter().map(|file| ("ETCDCTL_CACERT", file.into())));
        if let Some((cert, key)) = &tls.client {
            variables.extend([("ETCDCTL_CERT", cert.into()), ("ETCDCTL_KEY", key.into())]);
        }
    }
    if let Some(user) = &access.user {
        variables.extend([
            ("ETCDCTL_USER", user.name.as_str().into()),
            ("ETCDCTL_PASSWORD", user.password.as_str().into()),
        ]);
    }
    variables
}

/// Waits for the command; a signal that this process is sent is passed on, and must be obeyed in time.
async fn wait(mut child: Child, signals: &Signals) -> Result<ExitStatus, Problem> {
    let mut told: Option<Instant> = None;
    let mut is_asked_again = false;
    loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            return Ok(status);
        }
        match (told, signals.received()) {
            (None, Some(number)) => {
                told = Some(Instant::now());
                pass_on(&child, number);
            }
            (Some(since), _) if since.elapsed() > KILL => {
                child.kill().map_err(said)?;
                return child.wait().map_err(said);
            }
            (Some(since), _) if since.elapsed() > ASK_AGAIN && !is_asked_again => {
                is_asked_again = true;
                send(&child, libc::SIGTERM);
            }
            _ => {}
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Sends a signal to the command, unless the terminal has done so: many programs take a second Ctrl-C for impatience.
fn pass_on(child: &Child, number: i32) {
    if number != libc::SIGINT || !io::stdin().is_terminal() {
        send(child, number);
    }
}

fn send(child: &Child, number: i32) {
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: kill has no memory effects, and the child was not waited for yet, so the id is still its own.
        unsafe { libc::kill(pid, number) };
    }
}
