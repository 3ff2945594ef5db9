//! The page as a reader uses it.

use std::fs;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

use super::driver::{Tab, aside};
use super::sample;
use kvspec::report::html::Html;

/// Counts the cases that are shown.
const SHOWN: &str =
    "[...document.querySelectorAll('.c')].filter(one => one.checkVisibility()).length";

/// The page of the sample, and its address.
fn sampled() -> (TempDir, String) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let page = aside(|| {
        let mut page = Vec::new();
        sample::run(&mut Html::new(&mut page, "kvspec run"));
        page
    });
    let file = folder.path().join("page.html");
    fs::write(&file, page).expect("the folder takes a file");
    (folder, address(&file))
}

fn address(file: &Path) -> String {
    format!("file://{}", file.display())
}

/// The page of a run of the command.
fn ran(folder: &TempDir, args: &[&str]) -> String {
    let file = folder.path().join("page.html");
    let mut command = Command::new(env!("CARGO_BIN_EXE_kvspec"));
    command.env_remove("GITHUB_ACTIONS").current_dir(folder.path());
    let out = command.args(["run", "-q", "--html", "page.html"]).args(args).output();
    let out = out.expect("the command runs");
    assert!(file.metadata().is_ok_and(|file| file.len() > 0), "{out:?}");
    address(&file)
}

pub async fn renders(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&url).await;
    assert_eq!(tab.ask(SHOWN).await, 8);
    assert_eq!(tab.ask("document.title.startsWith('kvspec: memory: 1 failed')").await, true);
    // What wants to be looked at is open, and its timeline is drawn.
    let sizes = "[...document.querySelectorAll('[id=\"b0-core/fail\"] .tl rect.l')].map(one => one.getBoundingClientRect().width > 20)";
    assert_eq!(tab.ask(sizes).await, serde_json::json!([true]));
    assert_eq!(
        tab.ask("document.querySelector('[id=\"b0-core/fail\"] del').checkVisibility()").await,
        true
    );
    assert_eq!(
        tab.ask("document.querySelector('[id=\"b0-core/pass\"] .body').checkVisibility()").await,
        false
    );
    tab.click("[id='b0-core/pass'] summary").await;
    assert_eq!(
        tab.ask("document.querySelectorAll('[id=\"b0-core/pass\"] use').length > 3").await,
        true
    );
    let marks = "[...document.querySelectorAll('[id=\"b0-core/pass\"] .tl use')].every(one => one.getBoundingClientRect().width > 4)";
    assert_eq!(tab.ask(marks).await, true);
}

pub async fn fits(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&url).await;
    tab.ask("document.querySelectorAll('details').forEach(one => one.open = true)").await;
    for (width, scheme) in [(400, "light"), (400, "dark"), (800, "light"), (1600, "dark")] {
        tab.look(width, scheme).await;
        let wide = tab.ask("document.documentElement.scrollWidth").await;
        assert_eq!(wide, width, "the page is wider than its window");
        let ground = tab.ask("getComputedStyle(document.body).backgroundColor").await;
        assert_eq!(ground == "rgb(255, 255, 255)", scheme == "light", "{ground}");
        tab.keep_picture(&format!("{width}-{scheme}.png")).await;
    }
}

/// Names of backends stay in one line, and numbers in view, on a telephone.
pub async fn grid_is_narrow(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&url).await;
    for width in [400, 500] {
        tab.look(width, "light").await;
        let heights = "[...document.querySelectorAll('#grid tr')].map(one => one.getBoundingClientRect().height)";
        let tallest = tab.ask(&format!("Math.max(...{heights}) < 40")).await;
        assert_eq!(tallest, true, "a row of the grid has two lines at {width} px");
    }
}

/// What did not pass is on top: backends in which nothing failed come last, folded.
pub async fn failures_come_first(tab: &Tab) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let url = ran(&folder, &["--backend", "memory,mutant:ttl-timer-by-name", "core/ttl"]);
    tab.go(&url).await;
    assert_eq!(tab.ask("document.querySelector('.c').matches('#b1 .failed')").await, true);
    let top = "document.querySelector('.c.failed').getBoundingClientRect().top + scrollY < 1000";
    assert_eq!(tab.ask(top).await, true);
    assert_eq!(tab.ask("document.querySelector('#b0 .c').checkVisibility()").await, false);
    assert_eq!(
        tab.ask("document.querySelector('.big').textContent.startsWith('mutant:')").await,
        true
    );
    let zero = "[...document.querySelectorAll('[name=r]')].filter(one => one.checkVisibility()).map(one => one.value)";
    assert_eq!(tab.ask(zero).await, serde_json::json!(["0", "5"]));
    // A filter opens what is folded; a clause leads to the contract.
    tab.click("#grid a[data-b='0'][data-g='T']").await;
    assert_eq!(tab.ask("document.querySelector('#b0 .c').checkVisibility()").await, true);
    tab.ask("location.hash = '#clause-T6'").await;
    tab.until("document.getElementById('clause-T6').checkVisibility()").await;
}

pub async fn filters(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&url).await;
    let told = "document.getElementById('count').textContent";
    assert_eq!(tab.ask(told).await, "8 cases");
    tab.type_into("#q", "WRONG purpose").await;
    assert_eq!(tab.ask(SHOWN).await, 2);
    assert_eq!(tab.ask(told).await, "2 of 8 cases");
    tab.click("#filters button[value='1']").await;
    assert_eq!(tab.ask(SHOWN).await, 1);
    assert_eq!(tab.ask("document.getElementById('b1').checkVisibility()").await, false);
    tab.click("#filters [type=reset]").await;
    tab.until(&format!("{SHOWN} === 8")).await;
    tab.type_into("#fb", "broken").await;
    tab.until(&format!("{SHOWN} === 4")).await;
    tab.type_into("#fg", "D:").await;
    tab.until(&format!("{SHOWN} === 0")).await;
}

pub async fn cells(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&url).await;
    tab.click("#grid a[data-b='0'][data-g='W']").await;
    assert_eq!(tab.ask(SHOWN).await, 1);
    assert_eq!(tab.ask("document.getElementById('b0-core/pass').checkVisibility()").await, true);
    tab.click("#grid a[data-b='1'][data-g='']").await;
    assert_eq!(tab.ask(SHOWN).await, 4);
}

pub async fn reads_without_scripts(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.forbid_scripts().await;
    tab.go(&url).await;
    assert_eq!(tab.texts("#filters").await, [""]);
    assert_eq!(tab.texts(".c > summary .v").await.len(), 8);
    assert_eq!(tab.texts("[id='b0-core/fail'] del").await, ["read k: w"]);
    // The browser itself opens and closes what is folded.
    assert_eq!(tab.texts("[id='b0-core/pass'] .cl b").await, ["", ""]);
    tab.click("[id='b0-core/pass'] summary").await;
    assert_eq!(tab.texts("[id='b0-core/pass'] .cl b").await, ["K1", "W3"]);
}

pub async fn opens_by_address(tab: &Tab) {
    let (_folder, url) = sampled();
    tab.go(&format!("{url}#b0-core/pass")).await;
    tab.until("document.getElementById('b0-core/pass').open").await;
}

pub async fn does_no_harm(tab: &Tab) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let script = r#"# <script>window.harmed = 1</script>
# clauses: K1
# source: <img src=x onerror="window.harmed = 2">
watch "" as=w
update "<script>window.harmed = 3</script>" "</script><script>window.harmed = 4</script>"
update "</text></svg><img src=x onerror=window.harmed=5>" "\xff\xfe\x00"
update "\x1b]0;\x07" v
fill large size=1MiB
read large
list ""
read "</details></table>"
events w
---
wrong: <img src=x onerror=window.harmed=6>
"#;
    fs::create_dir(folder.path().join("scripts")).expect("the folder takes one more");
    fs::write(folder.path().join("scripts/odd.kv"), script).expect("the folder takes a file");
    let url = ran(&folder, &["--backend", "memory", "--scenarios", "scripts"]);
    tab.go(&url).await;
    assert_eq!(tab.ask("document.querySelectorAll('.c[open]').length").await, 1);
    assert_eq!(tab.ask("'harmed' in window").await, false);
    assert_eq!(tab.ask("document.querySelectorAll('img, main script').length").await, 0);
    let lanes = "document.querySelectorAll('.tl > svg > text:not([class])').length";
    assert_eq!(tab.ask(lanes).await, 6);
}

pub async fn stays_small(tab: &Tab) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let backends =
        ["watch-twice", "watch-coalesces", "list-unordered", "ttl-late", "read-cache", "list-like"];
    let backends: Vec<_> = backends.iter().map(|name| format!("mutant:{name}")).collect();
    let url = ran(&folder, &["--backend", &backends.join(",")]);
    tab.go(&url).await;
    let cases = tab.ask(SHOWN).await.as_u64().expect("a count");
    assert!(cases > 1_000, "only {cases} cases");
    let size = fs::metadata(folder.path().join("page.html")).expect("the page is there").len();
    assert!(size * 1_000 / cases < 5_000_000, "{size} bytes for {cases} cases");
    tab.type_into("#q", "wildcard-chars").await;
    assert_eq!(tab.ask(SHOWN).await, 6);
}
