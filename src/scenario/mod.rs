//! Scenarios: golden scripts with a law, found in the crate or in a folder.

pub mod command;
pub mod complaint;
pub mod lines;
pub mod script;
mod sense;
pub mod txn;
pub mod words;

use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use include_dir::{Dir, include_dir};

use self::command::Command;
use self::complaint::Complaint;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// What a script's file name ends with.
const EXTENSION: &str = "kv";

/// One golden script, stating one law of the contract.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// The path below the suite's folder, without the extension: `core/watch/two-updates-one-key`.
    pub name: String,
    /// The file, as reports name it.
    pub path: PathBuf,
    /// The whole text.
    pub text: String,
    /// Its commands, each with its line, counted from 1.
    pub commands: Vec<(usize, Command)>,
    /// The law, in one sentence.
    pub law: String,
    /// The clauses of the contract that it checks.
    pub clauses: Vec<String>,
    /// Where the law comes from.
    pub source: String,
    /// Why nothing else may run beside it, where that is so.
    pub exclusive: Option<String>,
    /// What a store must have for it to make sense.
    pub needs: Vec<Need>,
    /// How long it waits at most, were every time to live granted as asked for.
    pub patience: Duration,
}

/// What a scenario needs of a store beyond the core functions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Need {
    /// [`Leases`](crate::store::Leases).
    Leases,
    /// [`Revisions`](crate::store::Revisions).
    Revisions,
    /// [`Transactions`](crate::store::Transactions).
    Transactions,
    /// [`Directories`](crate::store::Directories).
    Directories,
    /// Keys that are not UTF-8.
    BinaryKeys,
    /// A store whose history may be compacted: it is nobody's but kvspec's.
    Disposable,
}

impl fmt::Display for Need {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Leases => "leases",
            Self::Revisions => "revisions",
            Self::Transactions => "transactions",
            Self::Directories => "directories",
            Self::BinaryKeys => "binary-keys",
            Self::Disposable => "disposable",
        })
    }
}

impl Need {
    const ALL: [Self; 6] = [
        Self::Leases,
        Self::Revisions,
        Self::Transactions,
        Self::Directories,
        Self::BinaryKeys,
        Self::Disposable,
    ];

    fn from_name(name: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|need| need.to_string() == name).ok_or_else(|| {
            let all: Vec<_> = Self::ALL.iter().map(Self::to_string).collect();
            format!("'{name}' is no need; there are: {}", all.join(", "))
        })
    }

    fn of_folder(folder: &str) -> Option<Self> {
        match folder {
            "lease" => Some(Self::Leases),
            "revision" => Some(Self::Revisions),
            "txn" => Some(Self::Transactions),
            "directory" => Some(Self::Directories),
            _ => None,
        }
    }
}

/// A script that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ScenarioError {
    /// The file or folder.
    pub path: PathBuf,
    /// The line, counted from 1, where it is about one.
    pub line: Option<usize>,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

/// The suite that travels in the crate, sorted by name.
pub fn embedded() -> Result<Vec<Scenario>, ScenarioError> {
    let mut scenarios = Vec::new();
    collect_embedded(&EMBEDDED, &mut scenarios)?;
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

fn collect_embedded(
    dir: &'static Dir<'static>,
    scenarios: &mut Vec<Scenario>,
) -> Result<(), ScenarioError> {
    for file in dir.files().filter(|file| is_script(file.path())) {
        let path = Path::new("scenarios").join(file.path());
        let text = file.contents_utf8().ok_or_else(|| not_utf8(&path))?;
        scenarios.push(Scenario::parse(file.path(), path, text.to_string())?);
    }
    dir.dirs().try_for_each(|dir| collect_embedded(dir, scenarios))
}

/// The scripts below `folder`, sorted by name.
///
/// Fails where there is none, where one cannot be read, and where one is wrong.
pub fn from_dir(folder: &Path) -> Result<Vec<Scenario>, ScenarioError> {
    let mut scenarios = Vec::new();
    collect_dir(folder, folder, &mut scenarios)?;
    if scenarios.is_empty() {
        let reason = format!("no file below this folder ends with .{EXTENSION}");
        return Err(ScenarioError { path: folder.into(), line: None, reason });
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

fn collect_dir(
    root: &Path,
    folder: &Path,
    scenarios: &mut Vec<Scenario>,
) -> Result<(), ScenarioError> {
    let unreadable = |path: &Path, error: std::io::Error| ScenarioError {
        path: path.into(),
        line: None,
        reason: format!("cannot be read: {error}"),
    };
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, error))? {
        let path = entry.map_err(|error| unreadable(folder, error))?.path();
        if path.is_dir() {
            collect_dir(root, &path, scenarios)?;
        } else if is_script(&path) {
            let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, error))?;
            let text = String::from_utf8(bytes).map_err(|_| not_utf8(&path))?;
            let below =
                path.strip_prefix(root).expect("the walk started at the root").to_path_buf();
            scenarios.push(Scenario::parse(&below, path, text)?);
        }
    }
    Ok(())
}

fn is_script(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == EXTENSION)
}

fn not_utf8(path: &Path) -> ScenarioError {
    ScenarioError {
        path: path.into(),
        line: None,
        reason: "is not UTF-8; write other bytes as \\xff".into(),
    }
}

impl Scenario {
    /// Reads a script whose file lies at `below` in its suite, and checks every command of it.
    pub fn parse(below: &Path, path: PathBuf, text: String) -> Result<Self, ScenarioError> {
        let name = below.with_extension("").to_string_lossy().replace('\\', "/");
        let wrong = |complaint: Complaint| {
            let Complaint { line, reason } = complaint;
            ScenarioError { path: path.clone(), line, reason }
        };
        let commands = script::check(&text).map_err(wrong)?;
        let patience = commands.iter().map(|(_, command)| command.patience()).sum();
        let header = Header::read(&text).map_err(wrong)?;
        let mut needs: Vec<_> =
            name.split('/').filter_map(Need::of_folder).chain(header.needs).collect();
        needs.sort();
        needs.dedup();
        let Header { law, clauses, source, exclusive, .. } = header;
        Ok(Self { name, path, text, commands, law, clauses, source, exclusive, needs, patience })
    }

    /// A hash of the text, by which a script that changed since a run is told: 64 bits of FNV-1a, in hex.
    pub fn hash(&self) -> String {
        format!("{:016x}", hash(self.text.as_bytes()))
    }

    /// The folder that the scenario lies in: its place in the contract.
    pub fn group(&self) -> &str {
        self.name.rsplit_once('/').map_or("", |(group, _)| group)
    }
}

/// A hash of a whole suite: of the names and hashes of its scenarios, in their order.
pub fn suite_hash<'a>(scenarios: impl IntoIterator<Item = &'a Scenario>) -> String {
    let lines = scenarios.into_iter().map(|one| format!("{} {}\n", one.name, one.hash()));
    format!("{:016x}", hash(lines.collect::<String>().as_bytes()))
}

/// FNV-1a, which stays the same in every version and on every machine.
fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// What the comments at the top of a script say.
#[derive(Default)]
struct Header {
    law: String,
    clauses: Vec<String>,
    source: String,
    exclusive: Option<String>,
    needs: Vec<Need>,
}

impl Header {
    fn read(text: &str) -> Result<Self, Complaint> {
        let mut header = Self::default();
        let mut is_top = true;
        for (index, line) in text.lines().enumerate() {
            is_top &= line.starts_with('#');
            let Some(comment) = line.strip_prefix('#') else { continue };
            let taken = match is_top {
                true => header.take(comment.trim()),
                false => header.too_late(comment.trim()),
            };
            taken.map_err(|reason| Complaint::at(index + 1, reason))?;
        }
        if header.law.is_empty() {
            let reason = "expected a comment at the top that states the law in one sentence";
            return Err(Complaint::at(1, reason));
        }
        Ok(header)
    }

    fn take(&mut self, comment: &str) -> Result<(), String> {
        let Some((word, rest)) = headed(comment) else {
            if self.law.is_empty() {
                self.law = comment.into();
            }
            return Ok(());
        };
        if rest.is_empty() {
            return Err(format!("'{word}:' says nothing"));
        }
        if self.law.is_empty() {
            return Err(format!("expected the law in one sentence before '{word}:'"));
        }
        let is_again = match word {
            "clauses" => {
                !replaced(&mut self.clauses, rest.split_whitespace().map(String::from).collect())
            }
            "source" => {
                // A long source goes on in a line of its own.
                self.source = format!("{} {rest}", self.source).trim_start().into();
                false
            }
            "exclusive" => self.exclusive.replace(rest.into()).is_some(),
            _ => {
                let needs =
                    rest.split_whitespace().map(Need::from_name).collect::<Result<_, _>>()?;
                !replaced(&mut self.needs, needs)
            }
        };
        if is_again { Err(format!("'{word}:' was said before")) } else { Ok(()) }
    }

    /// A comment further down says nothing to kvspec, so it must not look as if it did.
    fn too_late(&self, comment: &str) -> Result<(), String> {
        match headed(comment) {
            Some((word, _)) => Err(format!(
                "'{word}:' belongs to the comments at the very top, before any other line"
            )),
            None => Ok(()),
        }
    }
}

/// The words that a header may begin its lines with.
const HEADED: [&str; 4] = ["clauses", "source", "exclusive", "needs"];

/// A line of a header, split into its word and what it says.
fn headed(comment: &str) -> Option<(&'static str, &str)> {
    let (word, rest) = comment.split_once(':')?;
    let word = HEADED.into_iter().find(|known| *known == word)?;
    Some((word, rest.trim()))
}

/// Whether `place` was empty before `value` was put there.
fn replaced<T: Default + PartialEq>(place: &mut T, value: T) -> bool {
    std::mem::replace(place, value) == T::default()
}
