//! The page while a run goes on.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::process::{Command, Stdio};
use std::thread;

use kvspec::report::Reporter;
use kvspec::report::html::Live;
use kvspec::report::json::{Recorded, read};

use super::driver::{Tab, aside};
use super::sample;

/// Counts the cases that the page has.
const CASES: &str = "document.querySelectorAll('main .c').length";
/// Whether the page says that the run is over.
const OVER: &str = "document.getElementById('told').textContent.includes(' cases in ')";

fn serve() -> Live {
    Live::serve((Ipv4Addr::LOCALHOST, 0).into(), "kvspec run").expect("loopback has a free port")
}

/// The events up to the end of that case, counted from 1, and those after it.
fn until_case(run: &[Recorded], number: usize) -> (&[Recorded], &[Recorded]) {
    let cases = run.iter().enumerate();
    let mut cases = cases.filter(|(_, event)| matches!(event, Recorded::CaseFinished(_)));
    run.split_at(cases.nth(number - 1).expect("there are so many cases").0 + 1)
}

fn tell(live: &mut Live, events: &[Recorded]) {
    events.iter().for_each(|event| live.take(&event.event()).expect("the page takes all"));
}

pub async fn hears(tab: &Tab) {
    let run = aside(sample::recorded);
    let run = read("run.json".as_ref(), run.as_slice()).expect("it is a run");
    let (two, rest) = until_case(&run, 2);
    let (three, last) = until_case(rest, 3);
    let mut live = serve();
    tell(&mut live, two);
    tab.go(&live.url()).await;
    assert_eq!(tab.ask(CASES).await, 2);
    assert_eq!(tab.ask(OVER).await, false);
    tell(&mut live, three);
    tab.until(&format!("{CASES} === 5")).await;
    tab.until("document.querySelectorAll('#grid tr').length === 3").await;
    tab.until("document.getElementById('count').textContent === '5 cases'").await;
    // What wants to be looked at stands first, whenever it ended.
    let ranks = "[...document.querySelectorAll('#b0 > .c')].map(one => one.dataset.r)";
    let ranks = tab.ask(ranks).await;
    let ranks: Vec<_> = ranks.as_array().expect("a list").iter().map(|one| one.as_str()).collect();
    assert!(ranks.is_sorted(), "{ranks:?}");
    tell(&mut live, last);
    drop(live);
    tab.until(&format!("{OVER} && {CASES} === 8")).await;
    assert_eq!(tab.ask("/^kvspec: .*memory: 1 failed/.test(document.title)").await, true);
    tab.click("#grid a[data-b='1'][data-g='']").await;
    assert_eq!(tab.ask("document.getElementById('count').textContent").await, "4 of 8 cases");
}

pub async fn is_for_this_machine(_: &Tab) {
    let live = serve();
    let address = live.url().trim_start_matches("http://").trim_end_matches('/').to_string();
    let answer = |host: &str| {
        let mut stream = TcpStream::connect(&address).expect("it listens");
        write!(stream, "GET / HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")
            .expect("it reads");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    };
    assert!(answer("localhost:1").starts_with("HTTP/1.1 200 "));
    assert!(answer("elsewhere.example").starts_with("HTTP/1.1 403 "));
    let open = Live::serve((Ipv4Addr::UNSPECIFIED, 0).into(), "kvspec run");
    assert!(open.is_err_and(|error| error.to_string().contains("loopback")));
}

/// The run stands still while nobody reads what it prints, so that the page is seen before it is over.
pub async fn command(tab: &Tab) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    command.env_remove("GITHUB_ACTIONS").stdout(Stdio::piped()).stderr(Stdio::piped());
    // What these print is much more than a pipe holds.
    let backends = "memory,mutant:watch-twice,mutant:read-cache";
    command.args(["run", "--backend", backends, "--verbose", "--serve-report", "127.0.0.1:0"]);
    let mut run = command.spawn().expect("the command runs");
    let mut line = String::new();
    let mut told = BufReader::new(run.stderr.take().expect("it is piped"));
    told.read_line(&mut line).expect("the command says where the page is");
    let url = line.split_whitespace().find(|word| word.starts_with("http://"));
    tab.go(url.unwrap_or_else(|| panic!("{line}"))).await;
    tab.until(&format!("{CASES} > 0")).await;
    assert_eq!(tab.ask(OVER).await, false);
    let mut out = run.stdout.take().expect("it is piped");
    let reader = thread::spawn(move || std::io::copy(&mut out, &mut std::io::sink()));
    tab.until(OVER).await;
    assert_eq!(run.wait().expect("the command ends").code(), Some(1));
    reader.join().expect("the reader ends").expect("the pipe is whole");
    let told = tab.ask("parseInt(document.querySelector('#told p.m').textContent)").await;
    assert_eq!(tab.ask(CASES).await, told);
}
