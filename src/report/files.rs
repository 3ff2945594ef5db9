//! The files that reports go to: all are opened before anything runs, and one event goes to all of them.

use std::fs::{File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Reporter;
use super::badge::Badge;
use super::html::Html;
use super::json::Json;
use super::junit::Junit;
use super::matrix::Matrix;
use crate::event::RunEvent;
use crate::plan::Rerun;

/// What a file is called that means the standard output.
const STDOUT: &str = "-";

/// A kind of report in a file.
#[derive(Debug)]
pub(crate) struct Kind {
    /// The name of its flag; in capitals after `KVSPEC_` that of its variable.
    pub name: &'static str,
    /// What it is, as the help of the command says.
    #[cfg_attr(not(feature = "cli"), expect(dead_code, reason = "it is the command's help"))]
    pub help: &'static str,
    new: fn(Box<dyn Write>, Rerun) -> Box<dyn Reporter>,
}

/// A recorded run.
pub(crate) static JSON: Kind =
    Kind { name: "json", help: "Recorded run, JSON lines", new: |out, _| Box::new(Json::new(out)) };

/// JUnit XML.
pub(crate) static JUNIT: Kind =
    Kind { name: "junit", help: "JUnit XML", new: |out, rerun| Box::new(Junit::new(out, rerun)) };

/// A page.
pub(crate) static HTML: Kind = Kind {
    name: "html",
    help: "Page for the browser: a grid of verdicts, and a timeline of every case",
    new: |out, rerun| Box::new(Html::new(out, rerun)),
};

static MATRIX: Kind = Kind {
    name: "matrix",
    help: "Markdown tables of the results of each backend",
    new: |out, _| Box::new(Matrix::new(out)),
};

static BADGE: Kind =
    Kind { name: "badge", help: "Badge for shields.io", new: |out, _| Box::new(Badge::new(out)) };

/// All kinds of reports in files.
pub(crate) static KINDS: [&Kind; 5] = [&JSON, &JUNIT, &HTML, &MATRIX, &BADGE];

/// A report that is asked for: its kind, by what flag or variable, and the file.
#[derive(Debug)]
pub(crate) struct Asked {
    pub kind: &'static Kind,
    pub by: String,
    pub file: PathBuf,
}

/// Reports in files.
pub(crate) struct Files {
    kept: Vec<Kept>,
    #[cfg(feature = "cli")]
    has_stdout: bool,
}

/// A report in a file, and why it cannot be written any more, if that is so.
struct Kept {
    place: String,
    report: Box<dyn Reporter>,
    failed: Option<io::Error>,
}

impl Files {
    /// Opens every file; fails where one cannot be, with none of them touched.
    pub fn open(asked: &[Asked], rerun: &Rerun) -> Result<Self, String> {
        let mut opened = Opened::default();
        let mut places = Vec::new();
        for Asked { kind, by, file } in asked {
            places.push((*kind, opened.open(by, file)?));
        }
        opened.empty().map_err(|error| error.to_string())?;
        let kept = places.into_iter().map(|(kind, place)| {
            let report = (kind.new)(place.out(), rerun.clone());
            Kept { place: place.name, report, failed: None }
        });
        Ok(Self {
            kept: kept.collect(),
            #[cfg(feature = "cli")]
            has_stdout: opened.has_stdout,
        })
    }

    /// Whether the standard output holds one of them.
    #[cfg(feature = "cli")]
    pub fn has_stdout(&self) -> bool {
        self.has_stdout
    }

    /// One more report, that goes to `place`.
    #[cfg(feature = "cli")]
    pub fn add(&mut self, place: String, report: Box<dyn Reporter>) {
        self.kept.push(Kept { place, report, failed: None });
    }

    /// Gives an event to every report. One that fails is reported at the end, and changes nothing of the run.
    pub fn take(&mut self, event: &RunEvent<'_>) {
        for kept in self.kept.iter_mut().filter(|kept| kept.failed.is_none()) {
            kept.failed = kept.report.take(event).err();
        }
    }

    /// The reports that are not whole, by where they go.
    pub fn failed(self) -> Vec<(String, io::Error)> {
        self.kept.into_iter().filter_map(|kept| Some((kept.place, kept.failed?))).collect()
    }
}

/// The files that were opened, none of which is emptied before all of them are.
#[derive(Default)]
struct Opened {
    files: Vec<File>,
    paths: Vec<PathBuf>,
    has_stdout: bool,
}

/// One place that a report goes to.
struct Place {
    name: String,
    /// The file; `None` means the standard output.
    file: Option<File>,
}

impl Place {
    fn out(&self) -> Box<dyn Write> {
        let file = self.file.as_ref().and_then(|file| file.try_clone().ok());
        match file {
            Some(file) => Box::new(BufWriter::with_capacity(1 << 16, file)),
            None => Box::new(BufWriter::new(io::stdout())),
        }
    }
}

impl Opened {
    fn open(&mut self, by: &str, path: &Path) -> Result<Place, String> {
        let name = path.display().to_string();
        if path == Path::new(STDOUT) {
            if std::mem::replace(&mut self.has_stdout, true) {
                return Err(format!(
                    "{by} -: the standard output takes one report, and holds another"
                ));
            }
            return Ok(Place { name: "on the standard output".into(), file: None });
        }
        let cannot = |error| format!("{by} {name}: the file cannot be written: {error}");
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path);
        let file = file.map_err(cannot)?;
        let whole = path.canonicalize().map_err(cannot)?;
        if file.metadata().is_ok_and(|about| about.is_file()) && self.paths.contains(&whole) {
            return Err(format!("{by} {name}: another report goes to this file"));
        }
        self.paths.push(whole);
        self.files.push(file.try_clone().map_err(cannot)?);
        Ok(Place { name, file: Some(file) })
    }

    /// Empties the files that were there before.
    fn empty(&self) -> io::Result<()> {
        let is_file = |file: &&File| file.metadata().is_ok_and(|about| about.is_file());
        self.files.iter().filter(is_file).try_for_each(|file| file.set_len(0))
    }
}
