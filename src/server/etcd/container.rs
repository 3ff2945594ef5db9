//! Runs etcd in a container that only this machine can reach, and removes containers that a killed run left behind.

use std::collections::HashMap;
use std::env;
use std::error::Error;
use std::future::Future;
use std::path::Path;
use std::pin::pin;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use testcontainers::bollard::Docker;
use testcontainers::bollard::errors::Error as DockerError;
use testcontainers::bollard::models::{
    ContainerSummary, ContainerSummaryStateEnum, HostConfig, PortBinding,
};
use testcontainers::bollard::query_parameters::{
    ListContainersOptionsBuilder, RemoveContainerOptionsBuilder,
};
use testcontainers::core::client::{ClientError, docker_client_instance};
use testcontainers::core::{ContainerPort, Mount};
use testcontainers::runners::AsyncRunner;
use testcontainers::{
    ContainerAsync, ContainerRequest, GenericImage, ImageExt, TestcontainersError,
};
use tokio::time::timeout;

use super::super::guard::{Facts, Guarded, LeftBehind, Stop};
use super::super::owner::{self, FORGOTTEN, OwnFolder, Standing};
use super::super::{Origin, StartError, last_line, one_line, token};
use super::{PRODUCT, Start, check};
use crate::backend::etcd::Access;

/// How long the Docker engine may take to say that it is there.
const PING: Duration = Duration::from_secs(3);
/// How long one request to the engine may take that neither pulls nor starts anything.
const REQUEST: Duration = Duration::from_secs(10);
/// How long an image may take to be pulled.
const PULL: Duration = Duration::from_secs(180);
/// Between two looks for a container that the engine is just creating, which takes it some ten milliseconds.
const LOOK: Duration = Duration::from_millis(50);

/// The command of etcd's release page.
const COMMAND: &str = "/usr/local/bin/etcd --name s1 --data-dir /etcd-data \
    --listen-client-urls http://0.0.0.0:2379 --advertise-client-urls http://0.0.0.0:2379 \
    --listen-peer-urls http://0.0.0.0:2380 --initial-advertise-peer-urls http://0.0.0.0:2380 \
    --initial-cluster s1=http://0.0.0.0:2380 --initial-cluster-token tkn --initial-cluster-state new \
    --log-level info --logger zap --log-outputs stderr";

const CLIENT_PORT: ContainerPort = ContainerPort::Tcp(2379);

/// The labels by which a later run knows whose container it sees: the process id, for people, and the folder that the
/// process owns for as long as the container is there.
const OWNER: &str = "kvspec.owner";
const OWNER_FOLDER: &str = "kvspec.owner-folder";
/// How the names of those folders begin.
const FOLDER: &str = "kvspec-container-";
/// The label that no two containers share.
const SERVER: &str = "kvspec.server";

/// Starts a container and waits until the server in it passes its check.
pub(super) async fn start(
    image: String,
    tag: String,
    start: Start,
    mut stop: Stop,
) -> Result<(Facts<Access>, Box<dyn Guarded>), StartError> {
    let name = format!("{image}:{tag}");
    let docker = stop.unless(engine()).await?;
    // A container that stays until the next sweep is no reason not to test.
    let _ = stop.unless(sweep(&docker)).await;
    stop.unless(provide(&docker, &name, &image, &tag)).await?;
    let folder = OwnFolder::new(FOLDER)
        .map_err(|error| format!("no temporary folder could be made: {error}"))?;
    let request = |server: &str| request(image, tag, start, server, folder.path());
    let inner = create(&docker, request, &mut stop).await?;
    let container = Container { docker, id: inner.id().to_owned(), inner, folder };
    match stop.unless(container.ready(start.startup)).await {
        Ok((access, version)) => {
            let origin = Origin::Container { image: name, id: container.id.clone() };
            Ok((Facts { access, product: PRODUCT.into(), version, origin }, Box::new(container)))
        }
        Err(reason) => {
            let reason = format!("{name}: {reason}");
            Box::new(container).take_down().await.map_err(|left| format!("{reason}; {left}"))?;
            Err(reason.into())
        }
    }
}

/// Connects to the Docker engine of this machine.
async fn engine() -> Result<Docker, String> {
    let host = env::var("DOCKER_HOST").ok().filter(|host| !host.is_empty());
    if let Some(host) = host.as_deref().filter(|host| !is_local(host)) {
        // A port that is published on its loopback cannot be reached from here, and etcd without a password on any
        // other address is open to all.
        return Err(format!(
            "the Docker engine {host} is on another machine: name endpoints instead"
        ));
    }
    let at = host.unwrap_or_else(|| "/var/run/docker.sock".into());
    let unreachable = |reason: String| format!("Docker is not reachable at {at}: {reason}");
    let docker = docker_client_instance().await.map_err(|error| unreachable(cause(error)))?;
    match timeout(PING, docker.ping()).await {
        Ok(Ok(_)) => Ok(docker),
        Ok(Err(error)) => Err(unreachable(words(&error))),
        Err(_) => Err(unreachable(format!("no answer within {} s", PING.as_secs()))),
    }
}

fn is_local(host: &str) -> bool {
    let Some((scheme, rest)) = host.split_once("://") else { return true };
    let address = rest.split('/').next().unwrap_or_default();
    let name = address.rsplit_once(':').map_or(address, |(name, _)| name);
    matches!(scheme, "unix" | "npipe") || matches!(name, "localhost" | "127.0.0.1" | "[::1]")
}

/// Makes sure that the image is here, so that creating a container of it is quick.
async fn provide(docker: &Docker, name: &str, image: &str, tag: &str) -> Result<(), String> {
    match timeout(REQUEST, docker.inspect_image(name)).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(DockerError::DockerResponseServerError { status_code: 404, .. })) => {}
        Ok(Err(error)) => {
            return Err(format!("Docker cannot look up {name}: {}", words(&error)));
        }
        Err(_) => return Err("Docker does not answer".into()),
    }
    let reason = match timeout(PULL, GenericImage::new(image, tag).pull_image()).await {
        Ok(Ok(_)) => return Ok(()),
        Ok(Err(error)) => cause(error),
        Err(_) => format!("not done within {} s", PULL.as_secs()),
    };
    Err(format!(
        "the image {name} is not here and could not be pulled: {reason}; scripts/etcd-image builds it"
    ))
}

/// Creates and starts the container; whatever came of it is removed again where that fails or is cut short.
async fn create(
    docker: &Docker,
    request: impl FnOnce(&str) -> ContainerRequest<GenericImage>,
    stop: &mut Stop,
) -> Result<ContainerAsync<GenericImage>, String> {
    let server = token();
    let mut creating = pin!(request(&server).start());
    let created = tokio::select! {
        created = &mut creating => created.map_err(|error| format!("the container did not start: {}", cause(error))),
        () = stop.asked() => {
            abandon(docker, creating, &server).await;
            Err(Stop::REASON.to_owned())
        }
    };
    match created {
        Ok(container) => Ok(container),
        Err(reason) => match remove_labelled(docker, &server).await {
            Ok(()) => Err(reason),
            Err(error) => Err(format!(
                "{reason}; a container labelled {SERVER}={server} was left behind: {error}"
            )),
        },
    }
}

/// Takes back a container that is being created: the engine goes on with it even if no one waits for its answer.
async fn abandon<T>(docker: &Docker, creating: impl Future<Output = T>, server: &str) {
    let removing = async {
        loop {
            // Tried until the creation is over, one way or the other.
            let _ = remove_labelled(docker, server).await;
            tokio::time::sleep(LOOK).await;
        }
    };
    let over = async {
        tokio::select! {
            _ = creating => (),
            () = removing => (),
        }
    };
    // After the deadline the engine hangs, and only a later sweep can help.
    let _ = timeout(REQUEST, over).await;
}

fn request(
    image: String,
    tag: String,
    start: Start,
    server: &str,
    owned: &Path,
) -> ContainerRequest<GenericImage> {
    GenericImage::new(image, tag)
        .with_exposed_port(CLIENT_PORT)
        .with_cmd(COMMAND.split_ascii_whitespace().chain(start.flags()))
        .with_label(OWNER, std::process::id().to_string())
        .with_label(OWNER_FOLDER, owned.to_string_lossy())
        .with_label(SERVER, server)
        // In memory, for speed: what survives a crash of the machine is not under test. A stopped container loses it,
        // so whoever tests a restart must mount something else.
        .with_mount(Mount::tmpfs_mount("/etcd-data"))
        .with_startup_timeout(start.startup)
        .with_host_config_modifier(publish_on_loopback)
}

/// Publishes the client port on loopback, where testcontainers would publish it on all addresses.
fn publish_on_loopback(config: &mut HostConfig) {
    let binding = PortBinding { host_ip: Some("127.0.0.1".into()), host_port: Some("0".into()) };
    config.publish_all_ports = Some(false);
    config.port_bindings = Some(HashMap::from([("2379/tcp".to_owned(), Some(vec![binding]))]));
}

/// A container that was started.
struct Container {
    docker: Docker,
    id: String,
    inner: ContainerAsync<GenericImage>,
    folder: OwnFolder,
}

impl Container {
    async fn ready(&self, startup: Duration) -> Result<(Access, String), StartError> {
        let port = match self.inner.get_host_port_ipv4(CLIENT_PORT).await {
            Ok(port) => port,
            Err(error) => {
                return Err(self.exit_reason().await.unwrap_or_else(|| cause(error).into()));
            }
        };
        let access =
            Access { endpoints: vec![format!("http://127.0.0.1:{port}")], ..Access::default() };
        let checked = check::ready(&access, startup, async || self.exit_reason().await).await?;
        Ok((access, checked.version))
    }

    /// Says how the server ended and what it last wrote, if it has ended.
    async fn exit_reason(&self) -> Option<StartError> {
        if self.inner.is_running().await.unwrap_or(true) {
            return None;
        }
        let code = self
            .inner
            .exit_code()
            .await
            .ok()
            .flatten()
            .map_or("unknown".into(), |code| code.to_string());
        let log = self.inner.stderr_to_vec().await.unwrap_or_default();
        let last = last_line(&log);
        Some(format!("ended with exit code {code} before it was ready; {last}").into())
    }
}

#[async_trait(?Send)]
impl Guarded for Container {
    async fn take_down(self: Box<Self>) -> Result<(), LeftBehind> {
        let Self { docker, id, inner, folder } = *self;
        let removed = remove(&docker, &id).await;
        match removed {
            // Its own removal would find nothing to remove, and block on asking.
            Ok(()) => std::mem::forget(inner),
            Err(_) => drop(inner),
        }
        drop(folder);
        removed.map_err(|reason| LeftBehind {
            what: format!("container {}", id.get(..12).unwrap_or(&id)),
            reason: format!("{reason}; `docker rm -f` removes it"),
        })
    }
}

/// Removes containers whose owner has ended without removing them, and then the folders of such owners.
async fn sweep(docker: &Docker) -> Result<(), String> {
    let mut are_all_removed = true;
    for container in labelled(docker, OWNER_FOLDER.to_owned()).await? {
        if let Some(id) = container.id.as_deref().filter(|_| is_left(&container)) {
            // Another run may be sweeping it too, and what cannot be removed must not hold up this run.
            are_all_removed &= matches!(timeout(REQUEST, try_remove(docker, id)).await, Ok(Ok(())));
        }
    }
    if are_all_removed {
        owner::sweep(FOLDER);
    }
    Ok(())
}

fn is_left(container: &ContainerSummary) -> bool {
    let labels = container.labels.as_ref();
    let Some(folder) = labels.and_then(|labels| labels.get(OWNER_FOLDER)) else { return false };
    match owner::standing(Path::new(folder)) {
        Standing::Lives => false,
        Standing::Gone => true,
        // It may belong to a run in another container, or on a machine that shares the engine.
        Standing::Unseen => {
            container.state != Some(ContainerSummaryStateEnum::RUNNING) && is_old(container.created)
        }
    }
}

fn is_old(created: Option<i64>) -> bool {
    let created = created.and_then(|created| u64::try_from(created).ok()).map(Duration::from_secs);
    let age =
        created.and_then(|created| SystemTime::now().duration_since(UNIX_EPOCH + created).ok());
    age.is_some_and(|age| age > FORGOTTEN)
}

async fn remove_labelled(docker: &Docker, server: &str) -> Result<(), String> {
    for id in labelled(docker, format!("{SERVER}={server}"))
        .await?
        .into_iter()
        .filter_map(|container| container.id)
    {
        remove(docker, &id).await?;
    }
    Ok(())
}

async fn labelled(docker: &Docker, label: String) -> Result<Vec<ContainerSummary>, String> {
    let filters = HashMap::from([("label", vec![label])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let listed = timeout(REQUEST, docker.list_containers(Some(options))).await;
    listed.map_err(|_| "Docker does not answer".to_owned())?.map_err(|error| words(&error))
}

/// Removes a container and its anonymous volumes, and waits until it is gone.
async fn remove(docker: &Docker, id: &str) -> Result<(), String> {
    let mut last = "Docker does not answer".to_owned();
    let removing = async {
        // The engine refuses while it starts the container or removes it for another, and may then still fail to.
        while let Err(reason) = try_remove(docker, id).await {
            last = reason;
            tokio::time::sleep(LOOK).await;
        }
    };
    let removed = timeout(REQUEST, removing).await;
    removed.map_err(|_| last)
}

async fn try_remove(docker: &Docker, id: &str) -> Result<(), String> {
    let options = RemoveContainerOptionsBuilder::new().force(true).v(true).build();
    match docker.remove_container(id, Some(options)).await {
        Ok(()) | Err(DockerError::DockerResponseServerError { status_code: 404, .. }) => Ok(()),
        Err(error) => Err(words(&error)),
    }
}

/// Says what the engine answered, without what wraps it.
fn cause(error: impl Into<TestcontainersError>) -> String {
    match error.into() {
        TestcontainersError::Client(
            ClientError::Init(err)
            | ClientError::PullImage { err, .. }
            | ClientError::CreateContainer(err)
            | ClientError::StartContainer(err)
            | ClientError::InspectContainer(err),
        ) => words(&err),
        other => words(&other),
    }
}

/// Says the innermost reason of an error: what wraps it here is about the HTTP client, not Docker.
fn words(error: &(dyn Error + 'static)) -> String {
    if let Some(DockerError::DockerResponseServerError { message, .. }) = error.downcast_ref() {
        return one_line(message);
    }
    match error.source() {
        Some(source) => words(source),
        None => one_line(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    #[rstest]
    #[case("unix:///var/run/docker.sock", true)]
    #[case("tcp://localhost:2375", true)]
    #[case("tcp://127.0.0.1:2375", true)]
    #[case("tcp://[::1]:2375", true)]
    #[case("tcp://build.example:2376", false)]
    #[case("https://10.0.0.7", false)]
    #[case("ssh://me@10.0.0.7", false)]
    fn only_an_engine_of_this_machine_is_local(#[case] host: &str, #[case] is_local: bool) {
        assert_eq!(super::is_local(host), is_local);
    }
}
