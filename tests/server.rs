//! Tests that a server is found, checked and started, and that nothing of it stays.

#![cfg(feature = "etcd")]

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use etcd_client::{Client, GetOptions, PermissionType};
use kvspec::backend::etcd::{Access, Tls, User};
use kvspec::server::etcd::{
    EtcdServer, ServerChoice, ServerOptions, check, endpoints, find, none, program,
};
use kvspec::server::{Attempt, Origin, Way, take_down_all};
use rstest::rstest;
use serial_test::serial;

// ---- what the user chooses ----

#[rstest]
#[case("http://127.0.0.1:2379", &["http://127.0.0.1:2379"])]
#[case("https://a.example:2379/", &["https://a.example:2379"])]
#[case("a:1, b:2,", &["a:1", "b:2"])]
#[case("http://[::1]:2379", &["http://[::1]:2379"])]
fn endpoints_are_read(#[case] list: &str, #[case] expected: &[&str]) {
    assert_eq!(endpoints(list).unwrap(), expected);
}

#[rstest]
#[case("ftp://a:1", "'ftp://a:1' must begin with http:// or https://")]
#[case("a", "'a' has no port, such as :2379")]
#[case("a:0", "'a:0' has no port between 1 and 65535")]
#[case("a:65536", "'a:65536' has no port between 1 and 65535")]
#[case("http://:2379", "'http://:2379' has no host that can be read (write IPv6 as [::1]:2379)")]
#[case("::1:2379", "'::1:2379' has no host that can be read (write IPv6 as [::1]:2379)")]
#[case("a:1/v3", "'a:1/v3' must be a host and a port and nothing more")]
#[case(
    "http://root:hunter2@a:1",
    "an endpoint must not hold a user: give user and password apart, as by ETCDCTL_USER"
)]
fn an_endpoint_that_is_none_is_refused(#[case] list: &str, #[case] expected: &str) {
    assert_eq!(endpoints(list).unwrap_err().to_string(), expected);
}

fn options(vars: &[(&str, &str)]) -> Result<ServerOptions, String> {
    let var = |name: &str| {
        vars.iter().find(|(other, _)| *other == name).map(|(_, value)| OsString::from(value))
    };
    ServerOptions::from_vars(var).map_err(|error| error.to_string())
}

#[test]
fn an_empty_environment_gives_the_defaults() {
    let options = options(&[("KVSPEC_ETCD", "")]).unwrap();
    assert_eq!(options, ServerOptions::default());
    assert_eq!(format!("{}:{}", options.image, options.tag), "gcr.io/etcd-development/etcd:v3.5.1");
    assert_eq!(options.startup, Duration::from_secs(30));
}

#[test]
fn the_environment_is_read() {
    let options = options(&[
        ("ETCD_ENDPOINTS", "https://a:1,https://b:2"),
        ("ETCDCTL_CACERT", "ca.pem"),
        ("ETCDCTL_CERT", "cert.pem"),
        ("ETCDCTL_KEY", "key.pem"),
        ("ETCDCTL_USER", "root:a:b"),
        ("KVSPEC_ETCD", "/opt/etcd"),
    ])
    .unwrap();
    assert_eq!(options.access.endpoints, ["https://a:1", "https://b:2"]);
    let client = Some(("cert.pem".into(), "key.pem".into()));
    assert_eq!(options.access.tls, Some(Tls { ca: Some("ca.pem".into()), client, domain: None }));
    assert_eq!(options.access.user, Some(User { name: "root".into(), password: "a:b".into() }));
    assert_eq!(options.program, Some(PathBuf::from("/opt/etcd")));
}

#[test]
fn a_password_apart_leaves_the_colon_to_the_name() {
    let options = options(&[("ETCDCTL_USER", "a:b"), ("ETCDCTL_PASSWORD", "c")]).unwrap();
    assert_eq!(options.access.user, Some(User { name: "a:b".into(), password: "c".into() }));
}

#[rstest]
#[case("quay.example/etcd:v3.6.0", "quay.example/etcd", "v3.6.0")]
#[case("localhost:5000/etcd:v3.6.0", "localhost:5000/etcd", "v3.6.0")]
#[case("localhost:5000/etcd", "localhost:5000/etcd", "v3.5.1")]
#[case("etcd", "etcd", "v3.5.1")]
fn an_image_is_split_at_its_tag(#[case] text: &str, #[case] image: &str, #[case] tag: &str) {
    let options = options(&[("KVSPEC_ETCD_IMAGE", text)]).unwrap();
    assert_eq!((options.image.as_str(), options.tag.as_str()), (image, tag));
}

#[rstest]
#[case("ETCD_ENDPOINTS", "a", "ETCD_ENDPOINTS: 'a' has no port, such as :2379")]
#[case(
    "ETCD_ENDPOINTS",
    "",
    "ETCD_ENDPOINTS: invalid endpoints '': expected client URLs separated by commas, such as http://127.0.0.1:2379"
)]
#[case("ETCDCTL_CERT", "c", "ETCDCTL_CERT: it needs ETCDCTL_KEY too")]
#[case("ETCDCTL_KEY", "k", "ETCDCTL_KEY: it needs ETCDCTL_CERT too")]
#[case(
    "ETCDCTL_USER",
    "me",
    "ETCDCTL_USER: it has no password: write name:password or set ETCDCTL_PASSWORD"
)]
#[case("ETCDCTL_USER", ":hunter2", "ETCDCTL_USER: it has no name before the colon")]
#[case(
    "KVSPEC_ETCD_IMAGE",
    "a@sha256:0",
    "KVSPEC_ETCD_IMAGE: an image cannot be named by its digest here (write repository:tag)"
)]
#[case(
    "KVSPEC_ETCD_IMAGE",
    "a:",
    "KVSPEC_ETCD_IMAGE: expected the name of an image (write repository:tag)"
)]
fn a_variable_that_cannot_be_used_is_named(
    #[case] name: &str,
    #[case] value: &str,
    #[case] expected: &str,
) {
    assert_eq!(options(&[(name, value)]).unwrap_err(), expected);
}

#[rstest]
#[case("auto", ServerChoice::Auto)]
#[case("endpoints", ServerChoice::Endpoints)]
#[case("container", ServerChoice::Container)]
#[case("process", ServerChoice::Process)]
fn a_choice_is_read_and_written(#[case] text: &str, #[case] choice: ServerChoice) {
    assert_eq!(text.parse::<ServerChoice>().unwrap(), choice);
    assert_eq!(choice.to_string(), text);
}

#[test]
fn another_choice_is_refused() {
    let error = "docker".parse::<ServerChoice>().unwrap_err();
    assert_eq!(
        error.to_string(),
        "unknown way 'docker': expected one of auto, endpoints, container, process"
    );
}

// ---- no server ----

#[test]
fn no_server_says_why_each_way_failed() {
    let attempt = |way, reason: &str| Attempt { way, reason: reason.into() };
    let none = none(vec![
        attempt(Way::Endpoints, "none given (--endpoints or ETCD_ENDPOINTS)"),
        attempt(Way::Container, "Docker is not reachable at /var/run/docker.sock:\nNo such file"),
        attempt(Way::Process, "no etcd program on PATH (KVSPEC_ETCD names one)"),
    ]);
    let expected = "\
no etcd server was found to test / 目前找不到可实验的 Etcd 服务器
  endpoints  none given (--endpoints or ETCD_ENDPOINTS)
  container  Docker is not reachable at /var/run/docker.sock: No such file
  process    no etcd program on PATH (KVSPEC_ETCD names one)
Start Docker, or set ETCD_ENDPOINTS=URL or KVSPEC_ETCD=PROGRAM.";
    assert_eq!(none.to_string(), expected);
    assert!(expected.lines().all(|line| line.chars().count() <= 80));
}

/// A folder that holds programs as `scripts/setup` fetches them: the etcd of one version, which does nothing.
fn cache_with(version: &str) -> tempfile::TempDir {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join(format!("kvspec/etcd-{version}"));
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("etcd");
    fs::write(&program, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    home
}

#[test]
fn a_program_that_was_fetched_is_found_last() {
    let home = cache_with("3.5.1");
    let cache = [("XDG_CACHE_HOME", home.path().to_str().unwrap())];
    let fetched = home.path().join("kvspec/etcd-3.5.1/etcd");
    let is_on_path = std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default())
        .any(|folder| folder.join("etcd").is_file());
    let found = program(&options(&cache).unwrap()).unwrap();
    assert!(is_on_path || found == fetched, "{}", found.display());
    // Who names a program does not want another one.
    let named = options(&[cache[0], ("KVSPEC_ETCD", "/nonexistent/etcd")]).unwrap();
    let reason = program(&named).unwrap_err();
    assert_eq!(reason, "/nonexistent/etcd is not a program that can be run");
    let other = options(&[cache[0], ("KVSPEC_ETCD_IMAGE", "etcd:v3.5.9")]).unwrap();
    let reason = program(&other).err();
    assert!(is_on_path || reason.unwrap().ends_with("/kvspec/etcd-3.5.9/etcd"));
}

#[rstest]
#[case(&[("XDG_CACHE_HOME", "/c"), ("HOME", "/h")], Some("/c/kvspec"))]
#[case(&[("HOME", "/h")], Some("/h/.cache/kvspec"))]
#[case::relative(&[("XDG_CACHE_HOME", "c"), ("HOME", "/h")], Some("/h/.cache/kvspec"))]
#[case::homeless(&[], None)]
fn the_cache_is_the_users(#[case] vars: &[(&str, &str)], #[case] cache: Option<&str>) {
    assert_eq!(options(vars).unwrap().cache.as_deref(), cache.map(Path::new));
}

/// An engine that has no image and reaches no registry is passed over, and why is said with the server.
#[test]
#[serial]
fn what_comes_before_the_process_is_said() {
    let Some(process) = process_options() else { return };
    let options = ServerOptions {
        choice: ServerChoice::Auto,
        access: Access::default(),
        image: "localhost:9/no/such/etcd".into(),
        ..process
    };
    let server = runtime().block_on(find(&options)).unwrap();
    let source = server.source();
    assert!(source.starts_with("process /"), "{source}");
    assert!(source.contains(" (container: "), "{source}");
    assert!(source.ends_with(')'), "{source}");
}

fn at(endpoint: impl Into<String>) -> Access {
    Access { endpoints: vec![endpoint.into()], ..Access::default() }
}

/// An address where nothing listens.
fn nowhere() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

/// A server that says the same to everybody.
fn server_that_says(words: &'static [u8]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    thread::spawn(move || {
        let mut open = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            if words.is_empty() {
                open.push(stream);
                continue;
            }
            let _ = stream.read(&mut [0; 1024]);
            let _ = stream.write_all(words);
        }
    });
    address
}

#[tokio::test]
async fn endpoints_that_were_named_are_not_replaced() {
    let endpoint = nowhere();
    let options = ServerOptions { access: at(&endpoint), ..ServerOptions::default() };
    let reason = format!("{endpoint}: connection refused: nothing listens there");
    let none = none(vec![Attempt { way: Way::Endpoints, reason }]);
    assert_eq!(find(&options).await.unwrap_err(), none);
}

#[tokio::test]
async fn endpoints_must_be_given_where_they_are_the_choice() {
    let options = ServerOptions { choice: ServerChoice::Endpoints, ..ServerOptions::default() };
    let none = find(&options).await.unwrap_err();
    assert_eq!(none.attempts.len(), 1);
    assert_eq!(none.attempts[0].reason, "none given (--endpoints or ETCD_ENDPOINTS)");
}

#[rstest]
#[case::old(
    b"HTTP/1.1 200 OK\r\n\r\n{\"etcdserver\":\"2.3.8\",\"etcdcluster\":\"2.3.0\"}",
    "it answers HTTP/1 only, not etcd's v3 gRPC API (it says it is etcd 2.3.8)"
)]
#[case::web(b"HTTP/1.1 404 Not Found\r\n\r\n", "it answers HTTP/1 only, not etcd's v3 gRPC API")]
#[case::tls(b"\x15\x03\x01\x00\x02\x02\x16", "it asks for TLS: write the endpoint as https://")]
#[tokio::test]
async fn what_is_no_etcd_is_called_so(#[case] answer: &'static [u8], #[case] expected: &str) {
    let endpoint = server_that_says(answer);
    let error = check(&at(&endpoint)).await.unwrap_err();
    assert_eq!(error.to_string(), format!("{endpoint}: {expected}"));
}

#[tokio::test]
async fn a_server_without_tls_is_called_so() {
    let endpoint =
        server_that_says(b"HTTP/1.1 400 Bad Request\r\n\r\n").replace("http://", "https://");
    let error = check(&at(&endpoint)).await.unwrap_err();
    assert!(error.to_string().starts_with(&format!("{endpoint}: no TLS connection: ")), "{error}");
    println!("{error}");
}

#[tokio::test]
async fn a_file_that_is_missing_is_named() {
    let tls = Tls { ca: Some("/nowhere/ca.pem".into()), ..Tls::default() };
    let access = Access { tls: Some(tls), ..at("127.0.0.1:1") };
    let error = check(&access).await.unwrap_err();
    assert!(error.to_string().contains("/nowhere/ca.pem"), "{error}");
    println!("{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_nothing_is_given_up() {
    let endpoint = server_that_says(b"");
    let error = check(&at(&endpoint)).await.unwrap_err();
    assert!(
        error.to_string().contains("was not answered within 5 s")
            || error.to_string().contains("no connection within"),
        "{error}"
    );
}

#[tokio::test]
async fn a_program_that_cannot_be_run_is_named() {
    let reason = process_reason("/nowhere/etcd").await;
    assert_eq!(reason, "/nowhere/etcd is not a program that can be run");
}

#[tokio::test]
#[serial]
async fn a_program_that_ends_at_once_is_quoted() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), "echo 'no such flag: --name' >&2; exit 7");
    let reason = process_reason(&program).await;
    assert_eq!(
        reason,
        format!(
            "{program}: ended with exit status: 7 before it was ready; it last wrote: no such flag: --name"
        )
    );
}

#[tokio::test]
#[serial]
async fn a_program_that_never_answers_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let pid = folder.path().join("pid");
    let program = script(
        folder.path(),
        &format!("trap '' TERM; echo $$ > {}; while :; do sleep 0.1; done", pid.display()),
    );
    let reason = process_reason(&program).await;
    assert!(reason.contains("not ready within 500ms, last seen at http://127.0.0.1:"), "{reason}");
    assert!(reason.ends_with("connection refused: nothing listens there"), "{reason}");
    assert!(!lives(fs::read_to_string(pid).unwrap().trim().parse().unwrap()));
}

async fn process_reason(program: &str) -> String {
    let options = ServerOptions {
        choice: ServerChoice::Process,
        program: Some(program.into()),
        startup: Duration::from_millis(500),
        ..ServerOptions::default()
    };
    find(&options).await.unwrap_err().attempts.remove(0).reason
}

fn script(folder: &Path, text: &str) -> String {
    use std::os::unix::fs::PermissionsExt;
    let path = folder.join("etcd");
    fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    path.to_str().unwrap().to_owned()
}

// ---- a local process ----

#[test]
#[serial]
fn a_process_is_started_and_leaves_nothing() {
    let Some(options) = process_options() else { return };
    runtime().block_on(async {
        let server = find(&options).await.unwrap();
        assert_eq!(server.version(), "3.5.1");
        assert!(server.is_ours());
        let (pid, folder) = process_of(&server);
        assert!(folder.exists());
        assert!(
            listening(pid).iter().all(|address| address == "0100007F"),
            "not on loopback alone"
        );
        server.stop().await.unwrap();
        assert!(!lives(pid));
        assert!(!folder.exists());
    });
}

#[test]
#[serial]
fn a_process_goes_when_dropped_outside_of_a_runtime() {
    let Some(options) = process_options() else { return };
    let server = runtime().block_on(find(&options)).unwrap();
    let (pid, folder) = process_of(&server);
    drop(server);
    assert!(!lives(pid));
    assert!(!folder.exists());
}

#[test]
#[serial]
fn a_process_goes_when_all_is_taken_down() {
    let Some(options) = process_options() else { return };
    let server = runtime().block_on(find(&options)).unwrap();
    let (pid, folder) = process_of(&server);
    thread::spawn(take_down_all).join().unwrap().unwrap();
    assert!(!lives(pid));
    assert!(!folder.exists());
    drop(server);
}

#[test]
#[serial]
fn the_process_of_a_killed_run_goes_and_its_folder_is_swept() {
    let Some(options) = process_options() else { return };
    let mut run = Run::start("process");
    let (pid, folder) = (run.words[0].parse().unwrap(), PathBuf::from(&run.words[1]));
    assert!(lives(pid) && folder.exists());
    run.kill();
    within(Duration::from_secs(5), "the child of a killed run to end", || !lives(pid));
    drop(runtime().block_on(find(&options)).unwrap());
    assert!(!folder.exists());
}

#[test]
#[serial]
fn the_check_leaves_nothing() {
    let Some(options) = process_options() else { return };
    runtime().block_on(async {
        let server = find(&options).await.unwrap();
        let mut client = client(server.access(), None).await;
        client.put("mine", "kept", None).await.unwrap();
        for _ in 0..3 {
            assert_eq!(check(server.access()).await.unwrap().version, "3.5.1");
        }
        let all = client.get("", Some(GetOptions::new().with_all_keys())).await.unwrap();
        assert_eq!(all.kvs().iter().map(|kv| kv.key()).collect::<Vec<_>>(), [b"mine"]);
        assert!(client.leases().await.unwrap().leases().is_empty());
        server.stop().await.unwrap();
    });
}

#[test]
#[serial]
fn a_user_is_told_what_is_wrong_and_no_password_shown() {
    let Some(options) = process_options() else { return };
    runtime().block_on(async {
        let server = find(&options).await.unwrap();
        let as_user = |name: &str, password: &str| {
            let user = User { name: name.into(), password: password.into() };
            Access { user: Some(user), ..server.access().clone() }
        };
        let words = async |access: Access| check(&access).await.unwrap_err().to_string();
        let off = words(as_user("root", "hunter2")).await;
        assert!(
            off.ends_with(
                "user 'root' cannot log in, as its authentication is off: leave the user out"
            ),
            "{off}"
        );

        turn_on_authentication(server.access()).await;
        let nobody = words(server.access().clone()).await;
        assert!(
            nobody.ends_with("authentication required: set ETCDCTL_USER=name:password"),
            "{nobody}"
        );
        let wrong = words(as_user("root", "hunter3")).await;
        assert!(
            wrong.ends_with("user 'root' cannot log in: the name or the password is wrong"),
            "{wrong}"
        );
        let denied = words(as_user("guest", "hunter2")).await;
        assert!(denied.contains("user 'guest' was denied a read below /kvspec/"), "{denied}");
        let reader = words(as_user("reader", "hunter2")).await;
        assert!(reader.contains("user 'reader' was denied a put below /kvspec/"), "{reader}");
        check(&as_user("writer", "hunter2")).await.unwrap();
        for text in [off, nobody, wrong, denied, reader] {
            assert!(!text.contains("hunter"), "{text}");
        }
        server.stop().await.unwrap();
    });
}

async fn turn_on_authentication(access: &Access) {
    let mut client = client(access, None).await;
    for user in ["root", "guest", "reader", "writer"] {
        client.user_add(user, "hunter2", None).await.unwrap();
    }
    for (role, kind) in [("reader", PermissionType::Read), ("writer", PermissionType::Readwrite)] {
        client.role_add(role).await.unwrap();
        let below = etcd_client::Permission::new(kind, "/kvspec/").with_prefix();
        client.role_grant_permission(role, below).await.unwrap();
        client.user_grant_role(role, role).await.unwrap();
    }
    client.role_add("root").await.unwrap();
    client.user_grant_role("root", "root").await.unwrap();
    client.auth_enable().await.unwrap();
}

async fn client(access: &Access, options: Option<etcd_client::ConnectOptions>) -> Client {
    Client::connect(&access.endpoints, options).await.unwrap()
}

// ---- a container ----

#[cfg(feature = "container")]
mod container {
    use super::*;

    #[test]
    #[serial]
    fn a_container_is_started_on_loopback_and_leaves_nothing() {
        let Some(options) = container_options() else { return };
        runtime().block_on(async {
            let server = find(&options).await.unwrap();
            assert_eq!(server.version(), "3.5.1");
            assert_eq!(
                server.origin().to_string(),
                "container gcr.io/etcd-development/etcd:v3.5.1"
            );
            let id = id_of(&server);
            let published = docker(&["port", &id]);
            assert!(published.starts_with("2379/tcp -> 127.0.0.1:"), "{published}");
            assert_eq!(published.lines().count(), 1, "{published}");
            server.stop().await.unwrap();
            assert!(!exists(&id));
        });
    }

    #[test]
    #[serial]
    fn a_container_goes_when_dropped_outside_of_a_runtime() {
        let Some(options) = container_options() else { return };
        let server = runtime().block_on(find(&options)).unwrap();
        let id = id_of(&server);
        drop(server);
        assert!(!exists(&id));
    }

    #[tokio::test]
    #[serial]
    async fn a_container_goes_when_dropped_inside_of_a_runtime() {
        let Some(options) = container_options() else { return };
        let server = find(&options).await.unwrap();
        let id = id_of(&server);
        drop(server);
        assert!(!exists(&id));
    }

    #[tokio::test]
    #[serial]
    async fn a_search_that_is_cut_off_leaves_nothing() {
        let Some(options) = container_options() else { return };
        for millis in (0..600).step_by(40) {
            let cut_off = tokio::time::timeout(Duration::from_millis(millis), find(&options)).await;
            drop(cut_off);
            assert_eq!(ours(), "", "after {millis} ms");
        }
    }

    #[test]
    #[serial]
    fn a_container_that_is_starting_goes_when_all_is_taken_down() {
        let Some(options) = container_options() else { return };
        for millis in (0..600).step_by(60) {
            let options = options.clone();
            let search = thread::spawn(move || runtime().block_on(find(&options)));
            thread::sleep(Duration::from_millis(millis));
            // More than once, for the search may not have begun yet.
            within(Duration::from_secs(5), "the search to end", || {
                take_down_all().unwrap();
                search.is_finished()
            });
            take_down_all().unwrap();
            assert_eq!(ours(), "", "after {millis} ms");
            drop(search.join().unwrap());
        }
    }

    #[test]
    #[serial]
    fn the_container_of_a_killed_run_is_swept_and_that_of_a_living_one_kept() {
        let Some(options) = container_options() else { return };
        let (mut killed, living) = (Run::start("container"), Run::start("container"));
        assert!(exists(&killed.words[0]) && exists(&living.words[0]));
        killed.kill();
        drop(runtime().block_on(find(&options)).unwrap());
        assert!(!exists(&killed.words[0]), "the container of a killed run is still there");
        assert!(exists(&living.words[0]), "the container of a living run was removed");
        living.end();
    }

    #[test]
    #[serial]
    fn a_container_of_which_too_little_is_known_is_kept() {
        let Some(options) = container_options() else { return };
        let image = format!("{}:{}", options.image, options.tag);
        let elsewhere = ["kvspec.owner=1", "kvspec.owner-folder=/nonexistent/kvspec-container-1-x"];
        let labels = elsewhere.iter().flat_map(|label| ["--label", label]);
        let foreign = docker(
            &["create"].into_iter().chain(labels).chain([image.as_str()]).collect::<Vec<_>>(),
        );
        let nameless = docker(&["create", "--label", "kvspec.owner=1", &image]);
        drop(runtime().block_on(find(&options)).unwrap());
        let kept = exists(&foreign) && exists(&nameless);
        docker(&["rm", "-f", &foreign, &nameless]);
        assert!(kept);
    }

    #[test]
    #[serial]
    fn an_image_that_is_nowhere_is_named() {
        let Some(options) = container_options() else { return };
        let options = ServerOptions { image: "localhost:9/no/such/etcd".into(), ..options };
        let reason = runtime().block_on(find(&options)).unwrap_err().attempts.remove(0).reason;
        assert!(
            reason.starts_with(
                "the image localhost:9/no/such/etcd:v3.5.1 is not here and could not be pulled: "
            ),
            "{reason}"
        );
        assert!(reason.ends_with("; scripts/etcd-image builds it"), "{reason}");
    }

    fn id_of(server: &EtcdServer) -> String {
        match server.origin() {
            Origin::Container { id, .. } => id.clone(),
            origin => panic!("no container: {origin}"),
        }
    }

    /// What is there of this process's containers.
    fn ours() -> String {
        let owner = format!("label=kvspec.owner={}", std::process::id());
        docker(&["ps", "-a", "--filter", &owner, "--format", "{{.ID}} {{.Status}}"])
    }

    fn exists(id: &str) -> bool {
        Command::new("docker").args(["inspect", id]).output().unwrap().status.success()
    }

    fn docker(args: &[&str]) -> String {
        let output = Command::new("docker").args(args).output().unwrap();
        assert!(
            output.status.success(),
            "docker {args:?}: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn container_options() -> Option<ServerOptions> {
        let options = ServerOptions { choice: ServerChoice::Container, ..ServerOptions::default() };
        let image = format!("{}:{}", options.image, options.tag);
        let found = Command::new("docker").args(["image", "inspect", &image]).output();
        match found.is_ok_and(|output| output.status.success()) {
            true => Some(options),
            false => lacking(&format!("the docker command or the image {image}")),
        }
    }
}

// ---- what the tests need ----

/// Another run of kvspec: this test program, told to start a server and to wait.
struct Run {
    child: Child,
    /// Held open: the other run must be able to write to the end.
    _output: BufReader<ChildStdout>,
    words: Vec<String>,
}

impl Run {
    fn start(choice: &str) -> Self {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--exact", "hold_a_server", "--ignored", "--nocapture"]).env("HOLD", choice);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut lines = output.by_ref().lines().map_while(Result::ok);
        let words =
            lines.find_map(|line| line.split_once("HELD ").map(|(_, words)| words.to_owned()));
        let words = words.expect("the other run found no server");
        Self { child, _output: output, words: words.split(' ').map(str::to_owned).collect() }
    }

    fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Ends the run in good order.
    #[cfg(feature = "container")]
    fn end(mut self) {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
    }
}

#[test]
#[ignore = "the other half of tests that kill a run"]
fn hold_a_server() {
    let Ok(choice) = std::env::var("HOLD") else { return };
    let options =
        ServerOptions { choice: choice.parse().unwrap(), ..ServerOptions::from_env().unwrap() };
    let server = runtime().block_on(find(&options)).unwrap();
    match server.origin() {
        Origin::Container { id, .. } => println!("HELD {id}"),
        _ => println!("HELD {} {}", process_of(&server).0, process_of(&server).1.display()),
    }
    // Until the other half closes the pipe.
    let _ = std::io::stdin().read(&mut [0]);
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

fn process_options() -> Option<ServerOptions> {
    let options =
        ServerOptions { choice: ServerChoice::Process, ..ServerOptions::from_env().unwrap() };
    match program(&options) {
        Ok(_) => Some(options),
        Err(reason) => lacking(&format!("an etcd program ({reason}; scripts/setup fetches one)")),
    }
}

/// Says past the capture of the test's output that it was not run; panics where that must not be.
fn lacking(what: &str) -> Option<ServerOptions> {
    let required = std::env::var_os("KVSPEC_REQUIRE_SERVER")
        .is_some_and(|value| !value.is_empty() && value != "0");
    assert!(!required, "KVSPEC_REQUIRE_SERVER is set, and there is not {what}");
    let name = thread::current().name().unwrap_or_default().to_owned();
    let _ = writeln!(std::io::stderr(), "NOT TESTED: {name}: there is not {what}");
    None
}

fn process_of(server: &EtcdServer) -> (u32, PathBuf) {
    let Origin::Process { pid, .. } = server.origin() else {
        panic!("no process: {}", server.origin())
    };
    let command = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    let data = command.split('\0').skip_while(|word| *word != "--data-dir").nth(1).unwrap();
    (*pid, Path::new(data).parent().unwrap().to_owned())
}

/// The addresses on which a process listens, as the system writes them.
fn listening(pid: u32) -> Vec<String> {
    let sockets: Vec<_> = fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|fd| fs::read_link(fd.unwrap().path()).ok())
        .filter_map(|link| {
            Some(link.to_str()?.strip_prefix("socket:[")?.strip_suffix(']')?.to_owned())
        })
        .collect();
    let tables = ["tcp", "tcp6"]
        .map(|table| fs::read_to_string(format!("/proc/{pid}/net/{table}")).unwrap());
    let rows = tables
        .iter()
        .flat_map(|table| table.lines().skip(1))
        .map(|row| row.split_whitespace().collect());
    let listeners = rows
        .filter(|row: &Vec<&str>| row[3] == "0A" && sockets.iter().any(|inode| inode == row[9]));
    let addresses: Vec<_> =
        listeners.map(|row| row[1].split(':').next().unwrap().to_owned()).collect();
    assert!(!addresses.is_empty(), "process {pid} listens nowhere");
    addresses
}

fn lives(pid: u32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with(['Z', 'X']))
}

/// Waits for what another process is about to do.
fn within(deadline: Duration, what: &str, done: impl Fn() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < deadline, "waited {deadline:?} in vain for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}
