//! What a store's panics said and where, and which case they belong to.

use std::any::Any;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::panic::PanicHookInfo;
use std::sync::{Arc, Mutex, Once, PoisonError};

/// The panics of each case that is or was under way, by its name.
static LOGS: Mutex<BTreeMap<String, Log>> = Mutex::new(BTreeMap::new());
/// Done once panics are recorded.
static RECORDING: Once = Once::new();

thread_local! {
    /// The case that this thread works for.
    static CASE: RefCell<Option<Log>> = const { RefCell::new(None) };
}

/// The panics on the threads of one case, in their order.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    /// The log of a case, which begins empty.
    pub fn of(case: String) -> Self {
        let log = Self::default();
        if RECORDING.is_completed() {
            LOGS.lock().unwrap_or_else(PoisonError::into_inner).insert(case, log.clone());
        }
        log
    }

    /// Has the panics of the present thread written to this log.
    pub fn take_thread(&self) {
        CASE.set(Some(self.clone()));
    }

    fn with<T>(&self, job: impl FnOnce(&mut Vec<String>) -> T) -> T {
        job(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// From now on a panic on a thread of a case is written to the log of the case, and not printed; others are as before.
///
/// For programs that are kvspec's own, since a process has but one panic hook.
pub(crate) fn record() {
    RECORDING.call_once(|| {
        let others = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| match CASE.with_borrow(Clone::clone) {
            Some(log) => log.with(|said| said.push(sentence(panic))),
            None => others(panic),
        }));
    });
}

fn sentence(panic: &PanicHookInfo<'_>) -> String {
    let said = message(panic.payload());
    match panic.location() {
        Some(place) => format!("{said} (at {}:{}:{})", place.file(), place.line(), place.column()),
        None => said,
    }
}

fn message(payload: &(dyn Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(ToString::to_string);
    text.or_else(|| payload.downcast_ref::<String>().cloned())
        .unwrap_or_else(|| "without a message".into())
}

/// What a panic that was caught said, and where if that is known; it then is no longer one that no one caught.
pub(crate) fn caught(panic: Box<dyn Any + Send>) -> String {
    let said = message(panic.as_ref());
    let log = CASE.with_borrow(Clone::clone);
    let logged = log.and_then(|log| {
        log.with(|all| {
            let place = all.iter().rposition(|one| one.starts_with(&said))?;
            Some(all.remove(place))
        })
    });
    logged.unwrap_or(said)
}

/// The panics of a case that were no answer of a call: those of the store's own tasks. Each is given once.
pub(crate) fn of_tasks(case: &str) -> Vec<String> {
    let log = LOGS.lock().unwrap_or_else(PoisonError::into_inner).remove(case);
    log.map_or(Vec::new(), |log| log.with(std::mem::take))
}

/// The name under which the panics of a case are kept.
pub(crate) fn case_name(backend: &str, scenario: &str) -> String {
    format!("{backend} {scenario}")
}
