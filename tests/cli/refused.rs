//! What cannot be done is refused before anything starts, with exit code 2 and with words that help.

use rstest::rstest;

use super::{Ran, kvspec, lonely, scripts};

#[rstest]
#[case(&[], "Usage: kvspec")]
#[case(&["frob"], "unrecognized subcommand 'frob'")]
#[case(&["run", "--frob"], "unexpected argument '--frob'")]
#[case(&["run", "--backend", "mem"], "expected one of memory, etcd")]
#[case(&["run", "--jobs", "0"], "0 is not in 1..=65535")]
#[case(&["run", "--deadline", "soon"], "such as 500ms or 5s")]
#[case(&["run", "--deadline", "0s"], "expected a duration of more than 0")]
#[case(&["run", "--server", "docker"], "--server: unknown way 'docker': expected one of auto, endpoints, container, process")]
#[case(&["run", "--endpoints", "localhost"], "--endpoints: 'localhost' has no port")]
#[case(&["run", "--endpoints", ""], "--endpoints: invalid endpoints '': expected client URLs")]
#[case(&["run", "--endpoints", " , "], "--endpoints: invalid endpoints ' , ': expected client URLs")]
#[case(&["run", "--endpoints", "http://127.0.0.1:1", "--server", "process"], "--endpoints conflicts with --server process")]
#[case(&["run", "--server", "endpoints"], "--server endpoints needs --endpoints or ETCD_ENDPOINTS")]
#[case(&["serve", "--endpoints", "", "--", "true"], "--endpoints: invalid endpoints ''")]
#[case(&["run", "--cert", "a.pem"], "--key <FILE>")]
#[case(&["run", "--user", "me"], "ETCDCTL_PASSWORD")]
#[case(&["run", "no-such-thing"], "no scenario matches 'no-such-thing'")]
#[case(&["run", "core/add", "no-such-thing"], "no scenario matches 'no-such-thing'")]
#[case(&["run", "--exact", "core/add"], "no scenario matches 'core/add'")]
#[case(&["run", "core/add", "--skip", "core"], "every scenario is filtered out")]
#[case(&["run", "--scenarios", "/nonexistent"], "/nonexistent: cannot be read")]
#[case(&["list", "no-such-thing"], "`kvspec list` names them all")]
#[case(&["record"], "--scenarios")]
#[case(&["serve"], "<CMD>...")]
#[case(&["matrix", "--check", "README.md", "core/ttl"], "cannot be used with '[FILTER]...'")]
#[case(&["matrix", "--check", "/nonexistent"], "cannot read /nonexistent")]
#[case(&["matrix", "--check", concat!(env!("CARGO_MANIFEST_DIR"), "/CHANGELOG.md")], "expected tables between <!-- matrix --> and")]
fn a_wrong_call(#[case] args: &[&str], #[case] words: &str) {
    let ran = Ran::of(&mut lonely(args)).exits(2).warns(words);
    assert_eq!(ran.out, "");
}

#[cfg(not(feature = "redis"))]
#[test]
fn a_backend_that_the_build_lacks_is_named_with_its_feature() {
    let ran = Ran::of(&mut lonely(["run", "--backend", "redis"])).exits(2);
    ran.warns("backend 'redis' needs kvspec built with --features redis");
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let ran = Ran::of(&mut lonely(["matrix", "--check", readme])).exits(2);
    ran.warns("README.md: backend 'redis' needs kvspec built with --features redis");
}

#[test]
fn tables_with_a_column_that_is_not_measured_are_not_checked() {
    let folder = scripts(&[(
        "tables.md",
        "<!-- matrix -->\n| function | memory | etcd |\n<!-- /matrix -->\n",
    )]);
    let file = folder.path().join("tables.md");
    let mut matrix = lonely(["matrix", "--backend", "memory", "--check"]);
    let ran = Ran::of(matrix.arg(file)).exits(2);
    ran.warns("its column 'etcd' is not among the backends; add --backend etcd");
}

#[test]
fn a_bad_variable_is_named() {
    let ran = Ran::of(lonely(["run"]).env("ETCD_ENDPOINTS", "http://root:hunter2@a:1")).exits(2);
    ran.warns("ETCD_ENDPOINTS: an endpoint must not hold a user").hides("hunter2");
}

#[test]
fn an_empty_variable_starts_no_other_server() {
    let ran = Ran::of(lonely(["run"]).env("ETCD_ENDPOINTS", "")).exits(2);
    ran.warns("ETCD_ENDPOINTS: invalid endpoints '': expected client URLs");
}

#[rstest]
#[case::command("# A law.\nupdate k v\nfrobnicate k\n---\nok\n", 3, "unknown command 'frobnicate'")]
#[case::names_all("# A law.\n\nfrobnicate k\n---\nok\n", 3, "expected one of close, ")]
#[case::argument(
    "# A law.\nupdate k\n---\nok\n",
    2,
    "expected: update KEY VALUE [ttl=SPAN | lease=NAME]"
)]
#[case::span("# A law.\nupdate k v ttl=5\n---\nok\n", 2, "such as 500ms or 5s")]
#[case::watch("# A law.\nevents w\n---\nok\n", 2, "unknown watch 'w'")]
#[case::lease("# A law.\nkeep_alive a\n---\nok\n", 2, "unknown lease 'a'")]
#[case::title("read k\n---\nok\n", 1, "with the title")]
#[case::need(
    "# A law.\n# needs: luck\nread k\n---\nok\n",
    2,
    "unknown need 'luck': expected one of directories, leases"
)]
#[case::needs(
    "# A law.\n# needs: leases, revisions\nread k\n---\nok\n",
    2,
    "invalid need 'leases,': expected names separated by spaces"
)]
#[case::clause("# A law.\n# clauses: K1 Z9\nread k\n---\nok\n", 2, "unknown clause 'Z9'")]
#[case::separator("# A law.\nread k\n", 2, "expected a line '---'")]
#[case::quote("# A law.\nread \"k\n---\nok\n", 2, "the quotes in column 6 do not end")]
fn a_bad_script(#[case] text: &str, #[case] line: usize, #[case] words: &str) {
    let folder = scripts(&[("good.kv", "# A law.\nread k\n---\n(none)\n"), ("sub/bad.kv", text)]);
    let path = folder.path().join("sub/bad.kv");
    for job in ["run", "list"] {
        let ran = Ran::of(lonely([job, "--scenarios"]).arg(folder.path())).exits(2);
        assert_eq!(ran.out, "");
        ran.warns(&format!("{}:{line}: ", path.display())).warns(words);
    }
}

#[rstest]
#[case::nothing(&[], "no file below this folder ends with .kv")]
#[case::no_command(&[("a.kv", "# A law.\n")], "the script has no command")]
fn a_folder_that_proves_nothing(#[case] files: &[(&str, &str)], #[case] words: &str) {
    let folder = scripts(files);
    Ran::of(lonely(["run", "--scenarios"]).arg(folder.path())).exits(2).warns(words);
}

#[test]
fn ci_records_nothing() {
    let text = "# A law.\nread k\n---\n";
    let folder = scripts(&[("a.kv", text)]);
    let mut record = kvspec(["record", "--scenarios"]);
    Ran::of(record.arg(folder.path()).env("CI", "true")).exits(2).warns("CI is set");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}
