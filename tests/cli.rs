//! The command as its users run it: what it prints, and what it exits with.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

#[path = "cli/early.rs"]
mod early;
#[path = "cli/explore.rs"]
mod explore;
#[path = "cli/list.rs"]
mod list;
#[path = "cli/new.rs"]
mod new;
#[path = "cli/refused.rs"]
mod refused;
#[path = "cli/run.rs"]
mod run;
#[path = "cli/self_check.rs"]
mod self_check;
#[path = "cli/serve.rs"]
mod serve;
#[path = "cli/server.rs"]
mod server;

/// Everything in the environment that changes what the command does.
const VARIABLES: &[&str] = &[
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "ETCDCTL_CACERT",
    "ETCDCTL_CERT",
    "ETCDCTL_KEY",
    "ETCDCTL_PASSWORD",
    "ETCDCTL_USER",
    "ETCD_ENDPOINTS",
    "FORCE_COLOR",
    "GITHUB_ACTIONS",
    "GITHUB_STEP_SUMMARY",
    "KVSPEC_REQUIRE_SERVER",
    "NO_COLOR",
];

/// The command with these arguments, in an environment that says nothing.
fn kvspec<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    for name in VARIABLES {
        command.env_remove(name);
    }
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// The command where no server can be had: no Docker, no `etcd` program, none that was fetched.
fn lonely<A: AsRef<OsStr>>(args: impl IntoIterator<Item = A>) -> Command {
    let mut command = kvspec(args);
    command.env("DOCKER_HOST", "unix:///nonexistent").env("PATH", "").env_remove("KVSPEC_ETCD");
    command.env("XDG_CACHE_HOME", "/nonexistent");
    command
}

/// What became of a command.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    fn of(command: &mut Command) -> Self {
        command.output().expect("kvspec starts").into()
    }

    /// Checks the exit code, and shows everything where it is another.
    #[track_caller]
    fn exits(self, code: i32) -> Self {
        assert_eq!(self.code, Some(code), "{self:#?}");
        self
    }

    #[track_caller]
    fn says(self, words: &str) -> Self {
        assert!(self.out.contains(words), "no '{words}' in {self:#?}");
        self
    }

    #[track_caller]
    fn warns(self, words: &str) -> Self {
        assert!(self.err.contains(words), "no '{words}' in {self:#?}");
        self
    }

    /// Checks that nothing is said of `words` anywhere.
    #[track_caller]
    fn hides(self, words: &str) -> Self {
        assert!(!self.out.contains(words) && !self.err.contains(words), "'{words}' in {self:#?}");
        self
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).expect("the output is UTF-8");
        Self { code: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }
}

/// A folder of scripts, each given by its path and text.
fn scripts(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().expect("a temporary folder");
    for (path, text) in files {
        let path = folder.path().join(path);
        fs::create_dir_all(path.parent().expect("it lies in the folder")).expect("a folder");
        fs::write(path, text).expect("a script");
    }
    folder
}
