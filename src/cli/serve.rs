//! `kvspec serve -- CMD`: one server for a command that starts many processes, such as nextest.

use std::process::{Child, Command, ExitStatus};
use std::time::Duration;

use owo_colors::Stream;
use tokio::runtime::Builder;

use super::args::ServeArgs;
use super::{Problem, exit, said};
use crate::backend::etcd::Access;
use crate::report::paint::Paint;
use crate::runner::Abort;
use crate::server::{self, Server};
use crate::signal::Signals;

/// Runs the command with the server's endpoints in its environment, takes the server down, and gives the command's exit
/// code.
pub(super) fn serve(args: &ServeArgs) -> Result<u8, Problem> {
    let abort = Abort::new();
    let signals = Signals::listen(abort.clone()).map_err(said)?;
    let runtime = Builder::new_current_thread().enable_all().build().map_err(said)?;
    let options = args.server.options()?;
    let server = runtime.block_on(async {
        tokio::select! {
            found = server::find(&options) => found.map_err(|none| said(Paint::auto(Stream::Stderr).bad(none))),
            () = abort.thrown() => Err(said("interrupted while looking for a server")),
        }
    })?;
    eprintln!(
        "kvspec: etcd {}, {}, at {}",
        server.version(),
        server.origin(),
        server.access().endpoints.join(",")
    );
    let done = spawn(args, &server).and_then(|child| runtime.block_on(wait(child, &abort)));
    let stopped = runtime.block_on(server.stop());
    let code = done?.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(exit::UNJUDGED);
    stopped.map_err(said)?;
    Ok(signals.exit_code().unwrap_or(code))
}

fn spawn(args: &ServeArgs, server: &Server) -> Result<Child, Problem> {
    let [program, rest @ ..] = args.command.as_slice() else {
        return Err(said("there is no command to run"));
    };
    let mut command = Command::new(program);
    command.args(rest).envs(environment(server.access()));
    command
        .spawn()
        .map_err(|error| said(format!("{} could not be started: {error}", program.display())))
}

/// What tells a kvspec in the command's processes where the server is.
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

/// How often the child is looked at: it is a child of std's, since its end must not depend on a runtime.
const LOOK: Duration = Duration::from_millis(20);

/// Waits for the command; a process told to end passes that on.
async fn wait(mut child: Child, abort: &Abort) -> Result<ExitStatus, Problem> {
    let mut is_told = false;
    loop {
        if let Some(status) = child.try_wait().map_err(said)? {
            return Ok(status);
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = abort.thrown(), if !is_told => {
                is_told = true;
                tell_to_end(&child);
            }
        }
    }
}

fn tell_to_end(child: &Child) {
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: kill has no memory effects, and the child was not waited for yet, so the id is still its own.
        unsafe { libc::kill(pid, libc::SIGTERM) };
    }
}
