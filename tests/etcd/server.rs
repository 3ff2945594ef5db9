//! A real etcd as a child process, for as long as a test runs.

use std::fs::File;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use kvspec::backend::etcd::Access;
use tempfile::TempDir;

/// How long an etcd may take to serve; it is seen to take about a second, most of it an election.
const START_TIMEOUT: Duration = Duration::from_secs(30);

/// A running etcd with an empty data folder, both gone when this is dropped.
pub struct Etcd {
    command: Command,
    child: Child,
    folder: TempDir,
    client_port: u16,
    metrics_port: u16,
    scheme: &'static str,
}

impl Etcd {
    /// The server that all tests running at this moment share; the last of them ends it.
    pub fn shared() -> Option<Arc<Etcd>> {
        static SHARED: Mutex<Weak<Etcd>> = Mutex::new(Weak::new());
        let mut shared = SHARED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(running) = shared.upgrade() {
            return Some(running);
        }
        let started = Arc::new(Etcd::own(&[])?);
        *shared = Arc::downgrade(&started);
        Some(started)
    }

    /// A server of the test's own, with more flags; `None` and a notice where there is no etcd program.
    pub fn own(flags: &[String]) -> Option<Etcd> {
        let program = program()?;
        // Another process may take a port between the moment it is found free and the moment etcd listens on it.
        let mut last = String::new();
        for _ in 0..3 {
            match Self::start(&program, flags) {
                Ok(etcd) => return Some(etcd),
                Err(error) => last = error,
            }
        }
        panic!("{} did not start: {last}", program.display());
    }

    fn start(program: &Path, flags: &[String]) -> Result<Etcd, String> {
        let folder =
            tempfile::Builder::new().prefix("kvspec-etcd-").tempdir().map_err(|e| e.to_string())?;
        let [client_port, peer_port, metrics_port] = free_ports();
        let scheme =
            if flags.iter().any(|flag| flag.starts_with("--cert-file")) { "https" } else { "http" };
        let client = format!("{scheme}://127.0.0.1:{client_port}");
        let peer = format!("http://127.0.0.1:{peer_port}");
        let log = folder.path().join("log");
        let mut command = Command::new(program);
        command
            .args(["--name", "s1", "--logger", "zap", "--log-level", "warn", "--unsafe-no-fsync"])
            // Or etcd opens a connection to itself, to be counted among those of its clients.
            .arg("--enable-grpc-gateway=false")
            .arg("--data-dir")
            .arg(folder.path().join("data"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("s1={peer}")])
            .args(["--listen-metrics-urls", &format!("http://127.0.0.1:{metrics_port}")])
            .args(flags)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(File::create(&log).map_err(|e| e.to_string())?);
        let child = command.spawn().map_err(|e| e.to_string())?;
        let mut etcd = Etcd { command, child, folder, client_port, metrics_port, scheme };
        etcd.wait_until_healthy().map_err(|e| format!("{e}: {}", etcd.log()))?;
        Ok(etcd)
    }

    /// Asks for health on the metrics port, which stays plain HTTP where clients must speak TLS.
    fn wait_until_healthy(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + START_TIMEOUT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait().map_err(|e| e.to_string())? {
                return Err(format!("it ended with {status}"));
            }
            if self.metrics("/health").is_ok_and(|health| health.contains("\"health\":\"true\"")) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Err(format!("not healthy after {START_TIMEOUT:?}"))
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// The way to this server, without TLS files and without a user.
    pub fn access(&self) -> Access {
        Access { endpoints: vec![self.endpoint()], ..Access::default() }
    }

    /// The URL that clients use.
    pub fn endpoint(&self) -> String {
        format!("{}://127.0.0.1:{}", self.scheme, self.client_port)
    }

    /// The local ports of the established connections to this server's client port.
    pub fn connections(&self) -> Vec<String> {
        let listing = std::fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp is readable");
        let remote = format!("0100007F:{:04X}", self.client_port);
        let lines = listing.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
        let established =
            lines.filter(|fields| fields.len() > 3 && fields[2] == remote && fields[3] == "01");
        established.map(|fields| fields[1].to_owned()).collect()
    }

    /// How many watches the server serves.
    pub fn watchers(&self) -> usize {
        let metrics = self.metrics("/metrics").expect("metrics");
        let count = metrics
            .lines()
            .find_map(|line| line.strip_prefix("etcd_debugging_mvcc_watcher_total "));
        count.and_then(|count| count.trim().parse().ok()).expect("a count of watchers")
    }

    /// Reads a page of the metrics port.
    fn metrics(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.metrics_port))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(format!("GET {path} HTTP/1.0\r\n\r\n").as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }

    /// Ends the server without a chance to say goodbye.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Starts the killed server again, with its data and on its ports.
    pub fn restart(&mut self) {
        self.child = self.command.spawn().expect("etcd starts again");
        self.wait_until_healthy().expect("etcd is healthy again");
    }

    /// Stops the server's process where it stands: its connections stay, and nothing is answered.
    pub fn pause(&self) {
        let stop = format!("kill -STOP {}", self.child.id());
        let status = Command::new("sh").args(["-c", &stop]).status();
        assert!(status.is_ok_and(|status| status.success()), "cannot pause etcd");
    }
}

impl Drop for Etcd {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The etcd program to test against, as kvspec finds it.
fn program() -> Option<PathBuf> {
    let options = kvspec::server::etcd::ServerOptions::from_env().expect("a sound environment");
    let found = kvspec::server::etcd::program(&options);
    if let Err(reason) = &found {
        assert!(
            std::env::var_os("KVSPEC_REQUIRE_SERVER").is_none(),
            "{reason}: scripts/setup fetches one (KVSPEC_REQUIRE_SERVER forbids to go on)"
        );
        // Not `eprintln!`, whose output a passing test swallows.
        let _ = writeln!(
            std::io::stderr(),
            "\n*** NOT TESTED: {reason}; scripts/setup fetches one ***\n"
        );
    }
    found.ok()
}

/// Ports that nobody listens on, found together so that they differ.
fn free_ports() -> [u16; 3] {
    let listeners =
        [(); 3].map(|()| TcpListener::bind("127.0.0.1:0").expect("a free port on loopback"));
    listeners.map(|listener| listener.local_addr().expect("a bound address").port())
}
