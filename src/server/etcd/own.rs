//! Starts an etcd for one case alone, which the case may kill and start again on the same data and ports.

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, mpsc, oneshot};

use super::super::child::{Child, free_ports};
use super::super::guard::{self, Facts, Guarded, LeftBehind, ServerGuard, Stop};
use super::super::{Origin, StartError, ready, token};
use super::forgetful::Forgetful;
use super::power::Disk;
use super::process::{self, ETCD, flags};
use super::{PRODUCT, ServerOptions, check};
use crate::backend::etcd::{Access, EtcdStore, Reopenable};
use crate::backend::{Ending, Instance};
use crate::store::{ErrorKind, Result, Store, StoreError};

/// How many servers may be starting at once: more would only slow down each other, and every case next to them.
static STARTING: Semaphore = Semaphore::const_new(2);

/// Short elections, so that a start takes a tenth of a second. A single member has no one to lose one to.
const FAST: [&str; 4] = ["--heartbeat-interval", "10", "--election-timeout", "100"];

/// How long a server may take until it answers, at first and on its data.
const STARTUP: Duration = Duration::from_secs(20);

/// How long a server that is closed in order may take to end.
const GRACE: Duration = Duration::from_secs(10);

/// How often a server that finds a port of its own taken is started again, and how long after that.
const TRIES: usize = 5;
const PAUSE: Duration = Duration::from_millis(200);

/// Starts an etcd for every case that asks for one.
#[derive(Debug)]
pub struct OwnEtcd {
    program: std::result::Result<PathBuf, String>,
}

impl OwnEtcd {
    /// The program that `options` name, if it is of `version`, that of the server which the other cases run on.
    pub fn find(options: &ServerOptions, version: &str) -> Self {
        let program = process::program(options).and_then(|program| {
            let found = version_of(&program)?;
            match found == version {
                true => Ok(program),
                false => Err(format!("{} is etcd {found}, not {version}", program.display())),
            }
        });
        let reason = |reason| format!("cannot start an etcd process to reopen: {reason}");
        Self { program: program.map_err(reason) }
    }

    /// None: the server that is tested is not one that kvspec may end.
    pub fn forbidden() -> Self {
        let reason = "the server was not started by kvspec, which therefore does not end it";
        Self { program: Err(reason.into()) }
    }
}

/// What `etcd --version` says.
fn version_of(program: &Path) -> std::result::Result<String, String> {
    let unknown = |reason: String| format!("{} --version: {reason}", program.display());
    let output = std::process::Command::new(program).arg("--version").output();
    let output = output.map_err(|error| unknown(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let version = text.lines().find_map(|line| line.strip_prefix("etcd Version: "));
    version.map(|version| version.trim().into()).ok_or_else(|| unknown("no version".into()))
}

#[async_trait]
impl Reopenable for OwnEtcd {
    fn cannot_reopen(&self, ending: Ending) -> Option<String> {
        match (&self.program, ending) {
            (Err(reason), _) => Some(reason.clone()),
            (Ok(_), Ending::PowerLoss) => Forgetful::cannot_mount(),
            (Ok(_), Ending::Clean | Ending::Crash) => None,
        }
    }

    async fn instance(&self, base_prefix: &[u8], endings: &[Ending]) -> Result<Box<dyn Instance>> {
        let loses_power = endings.contains(&Ending::PowerLoss);
        let program = self.program.clone().map_err(unavailable)?;
        let (orders, received) = mpsc::channel(1);
        let _permit = STARTING.acquire().await.map_err(|error| unavailable(error.to_string()))?;
        let started = guard::guard(move |stop| start(program, loses_power, received, stop)).await;
        let (guard, Facts { access, .. }) = started.map_err(unavailable)?;
        Ok(Box::new(Own { access, base_prefix: base_prefix.into(), orders, guard }))
    }
}

fn unavailable(reason: String) -> StoreError {
    StoreError::new(ErrorKind::Unavailable, reason)
}

/// An order to end the server in some way and start it again, and where to say how that went.
type Order = (Ending, oneshot::Sender<std::result::Result<(), String>>);

/// The server of one case.
struct Own {
    access: Access,
    base_prefix: Vec<u8>,
    orders: mpsc::Sender<Order>,
    guard: ServerGuard,
}

#[async_trait]
impl Instance for Own {
    async fn open(&self) -> Result<Box<dyn Store>> {
        Ok(Box::new(EtcdStore::connect(&self.access, self.base_prefix.as_slice()).await?))
    }

    async fn close(self: Box<Self>) -> Result<()> {
        self.guard.stop().await.map_err(|left| StoreError::new(ErrorKind::Other, left.to_string()))
    }

    // `ping` keeps its default: a server of this case alone that is gone fails the case, and ends no run.

    async fn reopen(&self, ending: Ending) -> Result<()> {
        let (tell, told) = oneshot::channel();
        let gone = |_| unavailable("the thread that holds the server has ended".into());
        self.orders.send((ending, tell)).await.map_err(|_| gone(()))?;
        let reopened = told.await.map_err(|_| gone(()))?;
        // Not `Unavailable`: an etcd that does not come back on its data has broken its promise.
        reopened.map_err(|reason| StoreError::new(ErrorKind::Other, reason))
    }
}

/// The server as the thread that holds it sees it.
struct Running {
    child: Child,
    disk: Disk,
    access: Access,
    orders: mpsc::Receiver<Order>,
}

async fn start(
    program: PathBuf,
    loses_power: bool,
    orders: mpsc::Receiver<Order>,
    mut stop: Stop,
) -> std::result::Result<(Facts<Access>, Box<dyn Guarded>), StartError> {
    let mut disk = Disk::of_this_thread(loses_power).map_err(StartError::from)?;
    let spawn = async || {
        let (mut child, access) = spawn(&program, &mut disk)?;
        let checked = stop.unless(checked(&mut child, &access)).await;
        Ok((child, checked.map(|version| (access, version))))
    };
    let (child, (access, version)) = ETCD.start(&program, spawn).await?;
    let origin = Origin::Process { program, pid: child.pid };
    let running = Running { child, disk, access: access.clone(), orders };
    Ok((Facts { access, product: PRODUCT.into(), version, origin }, Box::new(running)))
}

fn spawn(program: &Path, disk: &mut Disk) -> std::result::Result<(Child, Access), String> {
    let [client, peer] = free_ports()?.map(|port| format!("http://127.0.0.1:{port}"));
    let mut mounted = Ok(());
    let child = ETCD.spawn(program, |folder| {
        let member = format!("s1-{}", token());
        let data = disk.mount(folder).unwrap_or_else(|reason| {
            mounted = Err(reason);
            folder.into()
        });
        let flags = flags(&member, &data.join("data"), &client, &peer);
        flags.into_iter().chain(FAST.map(String::from)).collect()
    })?;
    mounted?;
    Ok((child, Access { endpoints: vec![client], ..Access::default() }))
}

async fn checked(child: &mut Child, access: &Access) -> std::result::Result<String, StartError> {
    let checked = check::ready(access, STARTUP, async || child.exit_reason()).await?;
    Ok(checked.version)
}

impl Running {
    async fn reopen(&mut self, ending: Ending) -> std::result::Result<(), String> {
        let grace = match ending {
            Ending::Clean => GRACE,
            Ending::Crash | Ending::PowerLoss => Duration::ZERO,
        };
        if ending == Ending::PowerLoss {
            self.disk.cut();
        }
        self.child.end(grace).await.map_err(|error| format!("it did not end: {error}"))?;
        if ending == Ending::PowerLoss {
            self.disk.restore()?;
        }
        let mut tries = 1;
        loop {
            self.child.start_again()?;
            match self.serves().await {
                Ok(()) => return Ok(()),
                // Another program was given the port meanwhile, mostly for a connection that soon ends.
                Err(StartError::PortTaken(_)) if tries < TRIES => {
                    tokio::time::sleep(PAUSE).await;
                }
                Err(reason) => return Err(format!("it did not start on its data: {reason}")),
            }
            tries += 1;
        }
    }
}

impl Running {
    /// Waits until the server answers a read. It must not be written to: the case counts its revisions.
    async fn serves(&mut self) -> std::result::Result<(), StartError> {
        let (access, child) = (&self.access, &mut self.child);
        let read = async || EtcdStore::connect(access, *b"/").await?.read(b"/").await.map(drop);
        ready::ready(STARTUP, read, async || child.exit_reason()).await
    }
}

#[async_trait(?Send)]
impl Guarded for Running {
    async fn serve(&mut self, stop: &mut Stop) {
        loop {
            let order = tokio::select! {
                () = stop.asked() => return,
                order = self.orders.recv() => order,
            };
            let Some((ending, tell)) = order else { return stop.asked().await };
            let reopened = self.reopen(ending);
            let reopened = tokio::select! {
                () = stop.asked() => return,
                reopened = reopened => reopened,
            };
            // No one listens any more if the case has ended.
            let _ = tell.send(reopened);
        }
    }

    async fn take_down(mut self: Box<Self>) -> std::result::Result<(), LeftBehind> {
        // A folder that is mounted cannot be deleted.
        let _ = self.child.end(Duration::ZERO).await;
        drop(self.disk);
        Box::new(self.child).take_down().await
    }
}
