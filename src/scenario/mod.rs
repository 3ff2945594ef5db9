//! Scenarios: golden scripts with a title, found in the crate or in a folder.

pub mod fit;
pub mod lines;
mod reading;
pub mod script;
pub mod script_error;
mod validator;

use std::collections::{BTreeSet, HashMap};
use std::path::{Path, PathBuf};
use std::time::Duration;

use include_dir::{Dir, include_dir};

pub use self::reading::Reading;
use self::script_error::ScriptError;
use crate::backend::Ending;
pub use crate::capability::Need;
pub use crate::command;
use crate::command::Command;
use crate::store::Function;
pub use crate::words;

static EMBEDDED: Dir<'static> = include_dir!("$CARGO_MANIFEST_DIR/scenarios");

/// What a script's file name ends with.
const EXTENSION: &str = "kv";

/// One golden script, about one promise of the contract.
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
    /// The title: what the store must do, in one sentence.
    pub title: String,
    /// The clauses of the contract that it checks.
    pub clauses: Vec<String>,
    /// Where the requirement comes from.
    pub source: String,
    /// Why nothing else may run next to it, if that is so.
    pub exclusive: Option<String>,
    /// When its watches are read.
    pub reading: Reading,
    /// What a store must have for it to make sense.
    pub needs: Vec<Need>,
    /// Why its times must be those that it says, if that is so: a slow store then has no longer ones.
    pub exact: Option<String>,
    /// The numbers in it that may be divided for a slow store.
    pub scales: Vec<usize>,
    /// Whether its sizes follow [`Limits::max_value`](crate::store::Limits::max_value).
    pub follows_max_value: bool,
    /// How long it waits at most, were every TTL granted as asked for.
    pub max_wait: Duration,
}

/// A script that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{}: {reason}", path.display(), line.map(|line| format!(":{line}")).unwrap_or_default())]
pub struct ScenarioError {
    /// The file or folder.
    pub path: PathBuf,
    /// The line, counted from 1, if it is about one.
    pub line: Option<usize>,
    /// What is wrong with it, and what is expected.
    pub reason: String,
}

/// The suite that travels in the crate, sorted by name.
pub fn embedded() -> Result<Vec<Scenario>, ScenarioError> {
    embedded_where(&|_| true)
}

/// The scenarios of that suite whose paths are wanted, sorted by name; the others are not read.
pub(crate) fn embedded_where(
    is_wanted: &dyn Fn(&Path) -> bool,
) -> Result<Vec<Scenario>, ScenarioError> {
    let mut scenarios = Vec::new();
    collect_embedded(&EMBEDDED, is_wanted, &mut scenarios)?;
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(scenarios)
}

fn collect_embedded(
    dir: &'static Dir<'static>,
    is_wanted: &dyn Fn(&Path) -> bool,
    scenarios: &mut Vec<Scenario>,
) -> Result<(), ScenarioError> {
    let is_taken = |path: &Path| is_script(path) && is_wanted(path);
    for file in dir.files().filter(|file| is_taken(file.path())) {
        let path = Path::new("scenarios").join(file.path());
        let text = file.contents_utf8().ok_or_else(|| not_utf8(&path))?;
        scenarios.extend(Scenario::parse(file.path(), path, text.to_string())?.ways());
    }
    dir.dirs().try_for_each(|dir| collect_embedded(dir, is_wanted, scenarios))
}

/// The scripts below `folder`, sorted by name.
///
/// Fails if there is none, where one cannot be read, and if one is wrong.
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

/// Refuses two scripts of one name, by which no report or filter could distinguish them.
pub fn refuse_twins(scenarios: &[Scenario]) -> Result<(), ScenarioError> {
    let mut paths = HashMap::new();
    for Scenario { name, path, .. } in scenarios {
        if let Some(other) = paths.insert(name, path) {
            let other = other.display();
            let reason =
                format!("its name '{name}' is taken by {other}; rename the file or its folder");
            return Err(ScenarioError { path: path.clone(), line: None, reason });
        }
    }
    Ok(())
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
            scenarios.extend(Scenario::parse(&below, path, text)?.ways());
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
        let wrong = |error: ScriptError| {
            let ScriptError { line, reason } = error;
            ScenarioError { path: path.clone(), line, reason }
        };
        let commands = script::check(&text).map_err(wrong)?;
        let max_wait = commands.iter().map(|(_, command)| command.max_wait()).sum();
        let header = Header::read(&text).map_err(wrong)?;
        let mut needs: Vec<_> =
            name.split('/').filter_map(Need::of_folder).chain(header.needs).collect();
        let endings = commands.iter().filter_map(|(_, command)| command.ending());
        needs.extend(endings.map(Need::of_ending));
        needs.sort();
        needs.dedup();
        let Header { title, clauses, source, exclusive, reading, exact, scales, .. } = header;
        let follows_max_value = header.follows_max_value;
        Ok(Self {
            name,
            path,
            text,
            commands,
            title,
            clauses,
            source,
            exclusive,
            reading,
            needs,
            exact,
            scales,
            follows_max_value,
            max_wait,
        })
    }

    /// Reads a script that a recorded run has under this name, which is its second way's if it has two.
    pub fn recall(name: &str, path: PathBuf, text: String) -> Result<Self, ScenarioError> {
        let below = |name: &str| PathBuf::from(format!("{name}.{EXTENSION}"));
        let script = Self::script_of(name).map(|script| {
            let parsed = Self::parse(&below(script), path.clone(), text.clone())?;
            Ok(parsed.unread())
        });
        match script.transpose()?.flatten() {
            Some(unread) => Ok(unread),
            None => Self::parse(&below(name), path, text),
        }
    }

    /// A hash of the text, by which a script that changed since a run is recognized: 64 bits of FNV-1a, in hex.
    pub fn hash(&self) -> String {
        format!("{:016x}", hash(self.text.as_bytes()))
    }

    /// The ways in which the scenario has the store end before it is reopened, each once.
    pub fn endings(&self) -> Vec<Ending> {
        let endings: BTreeSet<_> =
            self.commands.iter().filter_map(|(_, command)| command.ending()).collect();
        endings.into_iter().collect()
    }

    /// How many calls it makes of a store, about.
    pub fn calls(&self) -> usize {
        self.commands.iter().map(|(_, command)| command.calls()).sum()
    }

    /// The functions of a store that it calls, each once, in the order of their dependence.
    pub fn functions(&self) -> Vec<Function> {
        let called = self.commands.iter().flat_map(|(_, command)| command.functions());
        called.collect::<BTreeSet<_>>().into_iter().collect()
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
    title: String,
    clauses: Vec<String>,
    source: String,
    exclusive: Option<String>,
    reading: Reading,
    needs: Vec<Need>,
    exact: Option<String>,
    scales: Vec<usize>,
    follows_max_value: bool,
}

impl Header {
    fn read(text: &str) -> Result<Self, ScriptError> {
        let mut header = Self::default();
        let mut is_top = true;
        for (index, line) in text.lines().enumerate() {
            is_top &= line.starts_with('#');
            let Some(comment) = line.strip_prefix('#') else { continue };
            let taken = match is_top {
                true => header.take(comment.trim()),
                false => header.too_late(comment.trim()),
            };
            taken.map_err(|reason| ScriptError::at(index + 1, reason))?;
        }
        if header.title.is_empty() {
            let reason = "expected a comment at the top with the title, one sentence";
            return Err(ScriptError::at(1, reason));
        }
        Ok(header)
    }

    fn take(&mut self, comment: &str) -> Result<(), String> {
        let Some((word, rest)) = headed(comment) else {
            if self.title.is_empty() {
                self.title = comment.into();
            }
            return Ok(());
        };
        if rest.is_empty() {
            return Err(format!("'{word}:' says nothing"));
        }
        if self.title.is_empty() {
            return Err(format!("expected the title, one sentence, before '{word}:'"));
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
            "exact" => self.exact.replace(rest.into()).is_some(),
            "scales" => {
                let number = |word: &str| match word.parse() {
                    Ok(number) if number > 0 => Ok(number),
                    _ => Err(format!(
                        "invalid number '{word}': expected one that the script counts with"
                    )),
                };
                !replaced(
                    &mut self.scales,
                    rest.split_whitespace().map(number).collect::<Result<_, _>>()?,
                )
            }
            "sizes" if rest == "max_value" => std::mem::replace(&mut self.follows_max_value, true),
            "sizes" => return Err(format!("unknown limit '{rest}': expected max_value")),
            "exclusive" => self.exclusive.replace(rest.into()).is_some(),
            "unread" => !replaced(&mut self.reading, Reading::from_header(rest)),
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
const HEADED: [&str; 8] =
    ["clauses", "source", "exclusive", "unread", "needs", "exact", "scales", "sizes"];

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
