//! Finds out, before the first case, whether a store answers the plainest calls at all.

use std::sync::Arc;

use super::{Settings, run_watched};
use crate::backend::Backend;
use crate::scenario::Scenario;
use crate::session::panics;
use crate::transcript::{Answer, End, Entry, Transcript};

const NAME: &str = "preflight";

/// The calls without which no case can say anything.
const SCRIPT: &str = "# A store answers a put and a read.
update key value
read key
---
ok
";

/// What shows that no one else writes to a store.
const STILL: &str = "# No revision moves by itself.
mark m
wait 1s
revision since=m
---
revision: m
";

/// Opens a store and a client, and has it put and read a key below its base prefix.
///
/// Fails with the call that panicked, hung or answered an error, and what it said. Wrong answers are for the scenarios.
pub fn preflight(backend: &Arc<dyn Backend>, settings: &Settings) -> Result<(), String> {
    let path = format!("{NAME}.kv");
    let scenario = Scenario::parse(path.as_ref(), path.clone().into(), SCRIPT.into());
    let scenario = Arc::new(scenario.map_err(|error| error.to_string())?);
    let transcript = run_watched(&scenario, backend, settings);
    let panics = panics::of_tasks(&panics::case_name(backend.name(), NAME));
    let Some(trouble) = trouble(&transcript) else { return Ok(()) };
    let panics = panics.iter().map(|panic| format!("\na task of the store panicked: {panic}"));
    Err(trouble + &panics.collect::<String>())
}

fn trouble(transcript: &Transcript) -> Option<String> {
    transcript.entries.iter().find_map(refused).or_else(|| match &transcript.end {
        End::Broken(reason)
        | End::Slow(reason)
        | End::Unopened(reason)
        | End::Collapsed(reason) => Some(reason.clone()),
        End::Lost(reason) => Some(format!("the store was lost: {reason}")),
        // An interrupted run says nothing of the store.
        End::Finished | End::LeftBehind(_) | End::Aborted | End::Disturbed(_) => None,
    })
}

/// Whether others write to a store that has revisions: by how much its revision moves in a second in which kvspec does
/// nothing. `None` if it does not, or if that cannot be found out.
pub fn foreign_writes(backend: &Arc<dyn Backend>, settings: &Settings) -> Option<i64> {
    let name = "foreign-writes.kv";
    let scenario = Scenario::parse(name.as_ref(), name.into(), STILL.into()).ok()?;
    let transcript = run_watched(&Arc::new(scenario), backend, settings);
    match transcript.entries.last()?.answer {
        Answer::Revision(ref mark, revision) => {
            Some(revision - mark.revision).filter(|moved| *moved > 0)
        }
        _ => None,
    }
}

fn refused(entry: &Entry) -> Option<String> {
    match &entry.answer {
        Answer::Error(error) => Some(format!("`{}` answered: {error}", entry.label)),
        Answer::Panic(said) => Some(format!("`{}` panicked: {said}", entry.label)),
        _ => None,
    }
}
