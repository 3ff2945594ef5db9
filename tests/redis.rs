//! The Redis backend against a real Redis.

use std::future::Future;
use std::io::Write;
use std::path::Path;
use std::time::Duration;

use futures_util::StreamExt;
use kvspec::backend::redis::{Address, RedisStore};
use kvspec::server::NoServer;
use kvspec::server::Origin;
use kvspec::server::redis::{RedisOptions, RedisServer, find};
use kvspec::store::{ErrorKind, Store, WatchEvent, WatchStream};
use redis::cmd;

/// Longer than anything here takes on a busy machine, so that only what hangs runs into it.
const DEADLINE: Duration = Duration::from_secs(60);

async fn soon<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(DEADLINE, work).await.expect("it ends within a minute")
}

/// A server of the test's own; `None` and a notice where there is no program.
async fn server() -> Option<RedisServer> {
    let options = RedisOptions::from_env().expect("the environment is in order");
    match soon(find(&RedisOptions { address: None, ..options })).await {
        Ok(server) => Some(server),
        Err(none) => {
            assert!(!kvspec::harness::is_server_required(), "{none}");
            // Not `eprintln!`, whose output a passing test swallows.
            let _ = writeln!(std::io::stderr(), "\n*** NOT TESTED: {none} ***\n");
            None
        }
    }
}

macro_rules! server_or_return {
    () => {
        match server().await {
            Some(server) => server,
            None => return,
        }
    };
}

async fn open(server: &RedisServer) -> RedisStore {
    soon(RedisStore::connect(server.access(), b"/kvspec/".as_slice())).await.expect("a client")
}

async fn next(watch: &mut WatchStream) -> WatchEvent {
    let batch = soon(watch.next()).await.expect("the watch is open").expect("events");
    let [event] = batch.events.as_slice() else { panic!("one event at a time: {batch:?}") };
    event.clone()
}

/// Sends a command past the store.
async fn send(address: &Address, words: &[&str]) {
    let client = redis::Client::open(format!("redis://{address}")).expect("an address");
    let mut connection = soon(client.get_multiplexed_async_connection()).await.expect("connected");
    let mut command = cmd(words[0]);
    command.arg(&words[1..]);
    let () = soon(command.query_async(&mut connection)).await.expect("done");
}

#[tokio::test]
async fn a_server_of_our_own_is_gone_when_it_is_stopped() {
    let server = server_or_return!();
    assert!(server.is_ours());
    let Origin::Process { pid, .. } = *server.origin() else { panic!("{:?}", server.origin()) };
    let process = format!("/proc/{pid}");
    assert!(Path::new(&process).exists());
    let command = std::fs::read(format!("{process}/cmdline")).expect("its command line");
    let command = String::from_utf8_lossy(&command).into_owned();
    assert!(command.contains("127.0.0.1:"), "on loopback alone: {command}");
    soon(server.stop()).await.expect("nothing is left");
    assert!(!Path::new(&process).exists());
}

#[tokio::test]
async fn keys_and_values_are_any_bytes() {
    let server = server_or_return!();
    let store = open(&server).await;
    let key: Vec<u8> = b"/kvspec/".iter().copied().chain(0..=255).collect();
    let value: Vec<u8> = (0..=255).rev().collect();
    soon(store.update(&key, &value)).await.unwrap();
    assert_eq!(soon(store.read(&key)).await, Ok(Some(value)));
    assert_eq!(soon(store.list(&key[..40])).await, Ok(vec![key.clone()]));
    soon(store.delete(&key)).await.unwrap();
    soon(store.delete(&key)).await.unwrap();
    assert_eq!(soon(store.read(&key)).await, Ok(None));
}

#[tokio::test]
async fn a_prefix_is_no_pattern() {
    let server = server_or_return!();
    let store = open(&server).await;
    for prefix in ["a*b", "a?b", "a[x]", "a[^b", "a\\", "a\\*"] {
        let inside = format!("{prefix}/k");
        let mut watch = soon(store.watch(prefix.as_bytes())).await.unwrap();
        for key in ["axb", "ax", "ab", "acb", "a", &inside] {
            soon(store.update(key.as_bytes(), b"v")).await.unwrap();
        }
        assert_eq!(soon(store.list(prefix.as_bytes())).await, Ok(vec![inside.clone().into()]));
        assert_eq!(next(&mut watch).await, WatchEvent::put(inside.as_str(), "v"), "{prefix}");
        soon(store.delete(inside.as_bytes())).await.unwrap();
    }
}

#[tokio::test]
async fn a_list_has_each_of_many_keys_once_and_in_order() {
    let server = server_or_return!();
    let store = open(&server).await;
    let keys: Vec<Vec<u8>> = (0..5000).map(|n| format!("k{n:04}").into_bytes()).collect();
    for key in keys.iter().rev() {
        soon(store.update(key, b"")).await.unwrap();
    }
    assert_eq!(soon(store.list(b"k")).await, Ok(keys));
}

#[tokio::test]
async fn a_watch_tells_writes_deletions_and_expiry() {
    let server = server_or_return!();
    let store = open(&server).await;
    let mut watch = soon(store.watch(b"k")).await.unwrap();
    soon(store.update(b"k", b"1")).await.unwrap();
    assert_eq!(next(&mut watch).await, WatchEvent::put("k", "1"));
    soon(store.delete(b"k")).await.unwrap();
    assert_eq!(next(&mut watch).await, WatchEvent::delete("k"));
    let granted = soon(store.update_with_ttl(b"k", b"2", Duration::ZERO)).await.unwrap();
    assert_eq!(granted, Duration::from_secs(1));
    assert_eq!(next(&mut watch).await, WatchEvent::put("k", "2"));
    assert_eq!(next(&mut watch).await, WatchEvent::delete("k"));
}

#[tokio::test]
async fn closing_a_client_ends_its_watches() {
    let server = server_or_return!();
    let store = open(&server).await;
    let mut watch = soon(store.watch(b"k")).await.unwrap();
    soon(store.close()).await.unwrap();
    soon(store.close()).await.unwrap();
    let last = soon(watch.next()).await.expect("why it ended");
    assert_eq!(last.map_err(|error| error.kind), Err(ErrorKind::Closed));
    assert!(soon(watch.next()).await.is_none());
    assert_eq!(soon(store.read(b"k")).await.unwrap_err().kind, ErrorKind::Closed);
    assert_eq!(soon(store.watch(b"k")).await.err().map(|e| e.kind), Some(ErrorKind::Closed));
}

#[tokio::test]
async fn a_server_that_is_lost_ends_watches_and_fails_calls() {
    let server = server_or_return!();
    let store = open(&server).await;
    let mut watch = soon(store.watch(b"k")).await.unwrap();
    soon(server.stop()).await.unwrap();
    let last = soon(watch.next()).await.expect("why it ended");
    assert_eq!(last.map_err(|error| error.kind), Err(ErrorKind::Unavailable));
    assert_eq!(soon(store.read(b"k")).await.unwrap_err().kind, ErrorKind::Unavailable);
}

/// What is said of the server at this address, with this in front of it in the URL.
async fn refusal(server: &RedisServer, login: &str) -> NoServer {
    let address = Address::parse(&format!("redis://{login}{}", server.access())).unwrap();
    let options = RedisOptions { address: Some(address), ..RedisOptions::default() };
    soon(find(&options)).await.expect_err("it cannot be tested against")
}

#[tokio::test]
async fn a_server_that_does_not_notify_is_refused_and_left_as_it_is() {
    let server = server_or_return!();
    send(server.access(), &["CONFIG", "SET", "notify-keyspace-events", "Ex"]).await;
    let store = open(&server).await;
    let refused = soon(store.watch(b"k")).await.err().expect("no watch");
    assert_eq!(refused.kind, ErrorKind::Unsupported);
    assert!(refused.message.contains("notify-keyspace-events is 'xE'"), "{refused}");
    let none = refusal(&server, "").await.to_string();
    assert!(none.contains("CONFIG SET notify-keyspace-events"), "{none}");
    assert_eq!(soon(store.list(b"")).await, Ok(vec![]), "the check leaves nothing behind");
    assert_eq!(soon(store.watch(b"k")).await.err().map(|e| e.kind), Some(ErrorKind::Unsupported));
}

#[tokio::test]
async fn a_server_with_a_password_says_so_and_is_used_with_it() {
    let server = server_or_return!();
    send(server.access(), &["CONFIG", "SET", "requirepass", "hunter2"]).await;
    let none = refusal(&server, "").await.to_string();
    assert!(none.contains("authentication required: set user and password in REDIS_URL"), "{none}");
    let none = refusal(&server, ":hunter3@").await.to_string();
    assert!(none.contains("was denied") && !none.contains("hunter3"), "{none}");
    let url = format!("redis://:hunter2@{}", server.access());
    let address = Some(Address::parse(&url).unwrap());
    let given = soon(find(&RedisOptions { address, ..RedisOptions::default() })).await.unwrap();
    assert!(!given.is_ours());
    assert!(!format!("{given:?} {}", given.origin()).contains("hunter2"));
}

#[tokio::test]
async fn what_redis_cannot_do_has_its_kind() {
    let server = server_or_return!();
    let store = open(&server).await;
    assert_eq!(soon(store.update(b"", b"v")).await.unwrap_err().kind, ErrorKind::EmptyKey);
    let longest = Duration::from_millis(i64::MAX as u64);
    let refused = soon(store.update_with_ttl(b"k", b"v", longest)).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::TtlTooLarge);
    send(server.access(), &["LPUSH", "list", "x"]).await;
    assert_eq!(soon(store.read(b"list")).await.unwrap_err().kind, ErrorKind::InvalidArgument);
    send(server.access(), &["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(soon(store.update(b"k", b"v")).await.unwrap_err().kind, ErrorKind::Unavailable);
    assert_eq!(soon(store.read(b"k")).await, Ok(None));
}

#[tokio::test]
async fn nothing_that_listens_is_said_in_plain_words() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let address = Some(Address::parse(&format!("redis://{free}")).unwrap());
    let none = soon(find(&RedisOptions { address, ..RedisOptions::default() })).await.unwrap_err();
    let words = none.to_string();
    assert!(words.contains("目前找不到可实验的 Redis 服务器"), "{words}");
    assert!(words.contains("connection refused: nothing listens there"), "{words}");
    assert!(words.contains("leave out the URL to have one started"), "{words}");
}
