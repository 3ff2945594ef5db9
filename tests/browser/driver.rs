//! A chromedriver of our own, and tabs of the browser that it starts.

use std::io::{BufRead, BufReader};
use std::panic::AssertUnwindSafe;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::FutureExt;
use libtest_mimic::{Completion, Failed};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::runtime::Builder;

use super::Test;
use super::session::Session;

/// How long a page may take to come to what it should show: a browser on a busy machine is slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running chromedriver.
pub struct Driver {
    child: Child,
    url: String,
    browser: PathBuf,
    /// Where browsers put their temporary files, some of which they leave behind.
    _folder: TempDir,
}

impl Driver {
    /// Starts chromedriver; fails with the reason where there is none, or no browser.
    pub fn start() -> Result<Self, String> {
        let browser = ["chromium", "chromium-browser", "google-chrome"].iter().find_map(program);
        let browser = browser.ok_or("no chromium is in PATH (Debian: apt-get install chromium)")?;
        let driver = program(&"chromedriver");
        let driver = driver.ok_or("no chromedriver is in PATH (Debian: chromium-driver)")?;
        let mut command = Command::new(driver);
        let folder = TempDir::new().map_err(|error| format!("a temporary folder: {error}"))?;
        command.env("TMPDIR", folder.path());
        command.arg("--port=0").stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(|error| format!("chromedriver: {error}"))?;
        let out = child.stdout.take().expect("the output is piped");
        let port = BufReader::new(out).lines().map_while(Result::ok).find_map(|line| {
            let (_, port) = line.split_once("started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        });
        let Some(port) = port else {
            let _ = child.kill();
            return Err("chromedriver ended without a word of its port".into());
        };
        Ok(Self { child, url: format!("http://127.0.0.1:{port}"), browser, _folder: folder })
    }

    /// Runs a test in a browser of its own, which is closed however the test ends.
    pub fn run(&self, test: Test) -> Result<Completion, Failed> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            let tab = self.open().await?;
            let ran = AssertUnwindSafe(test(&tab)).catch_unwind().await;
            let log = tab.log().await;
            tab.session.close().await?;
            ran.map_err(|panic| Failed::from(words(panic.as_ref())))?;
            match log.is_empty() {
                true => Ok(Completion::Completed),
                false => Err(format!("the console is not clean: {log:?}").into()),
            }
        })
    }

    async fn open(&self) -> Result<Tab, Failed> {
        let arguments = [
            "--headless=new",
            // As root, in a container or in CI, the sandbox cannot be made; the pages are our own.
            "--no-sandbox",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--no-first-run",
            "--hide-scrollbars",
            "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1 , EXCLUDE localhost",
        ];
        let capabilities = json!({
            "goog:chromeOptions": { "binary": self.browser, "args": arguments },
            "goog:loggingPrefs": { "browser": "ALL" },
        });
        Ok(Tab { session: Session::open(&self.url, capabilities).await? })
    }
}

impl Drop for Driver {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn program(name: &&str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|file| file.is_file())
}

fn words(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("it panicked").into()
}

/// Does what has a runtime of its own, which a thread that drives a browser cannot.
pub fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    std::thread::spawn(work).join().expect("the work is done")
}

/// A browser with one page.
pub struct Tab {
    session: Session,
}

impl Tab {
    pub async fn go(&self, url: &str) {
        self.session.post("/url", json!({ "url": url })).await.expect("the page opens");
    }

    /// The value of an expression in the page.
    pub async fn ask(&self, expression: &str) -> Value {
        let answer = self.session.execute(&format!("return ({expression})")).await;
        answer.unwrap_or_else(|error| panic!("{expression}: {error}"))
    }

    /// Waits until an expression is true in the page.
    pub async fn until(&self, expression: &str) {
        let holds = async {
            while self.ask(expression).await != Value::Bool(true) {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        let held = tokio::time::timeout(PATIENCE, holds).await;
        assert!(held.is_ok(), "the page never came to {expression}");
    }

    /// Clicks as a mouse would: what covers the element is hit instead, and that fails.
    pub async fn click(&self, selector: &str) {
        self.act(selector, "click", json!({})).await;
    }

    /// Types into a field.
    pub async fn type_into(&self, selector: &str, text: &str) {
        self.act(selector, "value", json!({ "text": text })).await;
    }

    /// Does something to the first element that is found.
    async fn act(&self, selector: &str, command: &str, body: Value) {
        let acting = async {
            let element = self.session.first(selector).await?;
            self.session.post(&format!("{element}/{command}"), body).await
        };
        acting.await.unwrap_or_else(|error| panic!("{selector}: {error}"));
    }

    /// Has the window be so wide, and dark or light.
    pub async fn look(&self, width: u32, scheme: &str) {
        let size =
            json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let features = json!([{ "name": "prefers-color-scheme", "value": scheme }]);
        self.devtools("Emulation.setEmulatedMedia", json!({ "features": features })).await;
    }

    /// Has pages run no scripts of theirs from now on.
    pub async fn forbid_scripts(&self) {
        self.devtools("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// The text of every element, and whether it is shown, as the browser tells without a script in the page.
    pub async fn texts(&self, selector: &str) -> Vec<String> {
        let mut texts = Vec::new();
        for element in self.session.find(selector).await.expect("a selector") {
            let text = self.session.get(&format!("{element}/text")).await;
            texts.push(text.expect("the element is there").as_str().expect("a text").to_owned());
        }
        texts
    }

    /// Keeps a picture of the window among the files of the build, to be looked at.
    pub async fn keep_picture(&self, name: &str) {
        let picture = self.session.screenshot().await.expect("the window is seen");
        let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("browser");
        std::fs::create_dir_all(&folder).expect("the folder of the build takes more");
        std::fs::write(folder.join(name), picture).expect("the folder of the build takes more");
    }

    async fn devtools(&self, cmd: &str, params: Value) -> Value {
        let body = json!({ "cmd": cmd, "params": params });
        let answer = self.session.post("/goog/cdp/execute", body).await;
        answer.unwrap_or_else(|error| panic!("{cmd}: {error}"))
    }

    /// What was written to the console.
    async fn log(&self) -> Vec<Value> {
        let log = self.session.post("/se/log", json!({ "type": "browser" })).await;
        log.expect("the browser has a log").as_array().cloned().unwrap_or_default()
    }
}
