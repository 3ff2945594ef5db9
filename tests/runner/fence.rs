//! The fence proves how many events there are, and never shows.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use kvspec::backend::memory::MemoryStore;
use kvspec::store::{Call, ErrorKind, Reply, Result, Store, StoreError, WatchEvent};
use rstest::rstest;

use super::stage::{Right, Stage, Twist, is_fence, turned};

/// What a watch does wrong.
#[derive(Clone, Copy)]
enum Watching {
    /// The events of key `late` come only after the next fence.
    Late,
    /// Every event comes twice.
    Twice,
    /// Every event but fences comes again after the next fence.
    TwiceLater,
    /// Deletions are not told.
    NoDeletes,
    /// Nothing is told.
    Nothing,
    /// An event comes only once another one pushes it out.
    Pushed,
    /// The watch ends with an error after two events.
    Fails,
    /// The watch ends without a word after two events.
    Ends,
    /// An event for a key that does not begin with the prefix.
    Stray,
    /// The value is the present one, not the event's.
    Reread,
}

#[async_trait]
impl Twist for Watching {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        let Call::Watch { prefix } = call else { return call.perform(store).await };
        let prefix = prefix.as_slice();
        let mut held = Vec::new();
        match self {
            Self::Late | Self::TwiceLater => {
                let again = matches!(self, Self::TwiceLater);
                turned(store, prefix, move |event| {
                    if is_fence(event.key()) {
                        return [vec![event], std::mem::take(&mut held)].concat();
                    }
                    if again {
                        held.push(event.clone());
                        return vec![event];
                    }
                    let late = event.key().ends_with(b"late");
                    late.then(|| held.push(event.clone()));
                    if late { Vec::new() } else { vec![event] }
                })
                .await
            }
            Self::Twice => turned(store, prefix, |event| vec![event.clone(), event]).await,
            Self::NoDeletes => {
                turned(store, prefix, |event| {
                    let is_put = matches!(event, WatchEvent::Put { .. });
                    is_put.then_some(event).into_iter().collect()
                })
                .await
            }
            Self::Nothing => turned(store, prefix, |_| Vec::new()).await,
            Self::Pushed => {
                turned(store, prefix, move |event| {
                    held.push(event);
                    if held.len() > 1 { std::mem::take(&mut held) } else { Vec::new() }
                })
                .await
            }
            Self::Fails => {
                let error = Err(StoreError::new(ErrorKind::Unavailable, "the line was cut"));
                Ok(store.watch(prefix).await?.take(2).chain(stream::iter([error])).boxed().into())
            }
            Self::Ends => Ok(store.watch(prefix).await?.take(2).boxed().into()),
            Self::Stray => {
                let stray = WatchEvent::put("/elsewhere", "v");
                turned(store, prefix, move |event| vec![stray.clone(), event]).await
            }
            Self::Reread => {
                turned(store, prefix, |event| match event {
                    WatchEvent::Put { key, mod_revision, .. } if !is_fence(&key) => {
                        let event = WatchEvent::put(key, b"now");
                        vec![mod_revision.into_iter().fold(event, WatchEvent::at)]
                    }
                    other => vec![other],
                })
                .await
            }
        }
    }
}

const SCRIPT: &str = "watch k as=w
update k1 v1
update k-late v2
delete k1
events w
---
events w: put k1 v1
events w: put k-late v2
events w: delete k1

events w
---
(no events)
";

#[test]
fn exactly_n_events_pass() {
    let stage = Stage::new(Right);
    stage.run(SCRIPT).passes();
    assert_eq!(stage.left(), []);
}

#[rstest]
#[case::late(Watching::Late, &["events w: put k1 v1\nevents w: delete k1", "put k-late v2"], 6)]
#[case::twice(Watching::Twice, &["events w: put k1 v1\nevents w: put k1 v1\nevents w: put k-late v2\nevents w: put k-late v2\nevents w: delete k1\nevents w: delete k1", "(no events)"], 6)]
#[case::twice_later(Watching::TwiceLater, &["events w: put k1 v1\nevents w: put k-late v2\nevents w: delete k1", "put k1 v1\nput k-late v2\ndelete k1"], 12)]
#[case::never(Watching::NoDeletes, &["events w: put k1 v1\nevents w: put k-late v2", "(no events)"], 6)]
#[case::stray(Watching::Stray, &["events w: put \"outside:/elsewhere\" v\nevents w: put k1 v1\nevents w: put \"outside:/elsewhere\" v\nevents w: put k-late v2\nevents w: put \"outside:/elsewhere\" v\nevents w: delete k1\nevents w: put \"outside:/elsewhere\" v", "put \"outside:/elsewhere\" v"], 6)]
#[case::reread(Watching::Reread, &["events w: put k1 now\nevents w: put k-late now\nevents w: delete k1", "(no events)"], 6)]
#[case::nothing(Watching::Nothing, &["events w: error: deadline exceeded", "error: deadline exceeded"], 6)]
#[case::fails(Watching::Fails, &["events w: put k1 v1\nevents w: put k-late v2\nevents w: error: unavailable", "error: unavailable"], 6)]
#[case::ends(Watching::Ends, &["events w: put k1 v1\nevents w: put k-late v2\nevents w: error: canceled", "error: canceled"], 6)]
fn a_wrong_watch_is_caught(
    #[case] watching: Watching,
    #[case] observed: &[&str],
    #[case] line: usize,
) {
    let stage = Stage::new(watching);
    let run = stage.run(SCRIPT);
    // The delete of the fence comes with the second fence, which a stray event precedes too.
    let stray = matches!(watching, Watching::Stray);
    let seen = run.observed();
    assert_eq!(seen[0], observed[0]);
    assert!(seen[1] == observed[1] || stray && seen[1].starts_with(observed[1]), "{seen:?}");
    run.fails_at(line);
    assert_eq!(stage.left(), [], "a fence was left");
}

#[test]
fn next_catches_a_watch_that_must_be_pushed_where_events_would_hide_it() {
    let pushed = Stage::new(Watching::Pushed);
    pushed.run("watch k as=w\nupdate k v\nevents w\n---\nevents w: put k v\n").passes();
    let run = pushed.run("watch k as=w\nupdate k v\nnext w\n---\nnext w: put k v\n");
    assert_eq!(run.observed(), ["next w: error: deadline exceeded"]);
    run.fails_at(4);
}

/// Writes down every write.
#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<Vec<u8>>>>);

#[async_trait]
impl Twist for Written {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Update { key, .. } | Call::Delete { key } = &call {
            self.0.lock().unwrap().push(key.clone());
        }
        call.perform(store).await
    }
}

#[test]
fn next_writes_nothing() {
    let written = Written::default();
    Stage::new(written.clone())
        .run("watch k as=w\nupdate k v\nnext w\nnext w\n---\nnext w: put k v\nnext w: error: deadline exceeded\n")
        .passes();
    let keys: Vec<_> = written.0.lock().unwrap().iter().map(|key| key.ends_with(b"/k")).collect();
    assert_eq!(keys, [true, true], "one update, and one deletion when the case was cleaned up");
}

#[test]
fn fences_show_in_no_other_watch_no_list_and_no_count() {
    let stage = Stage::new(Right);
    stage
        .run(
            "watch \"\" as=all\nwatch k as=w\nb: watch k as=other\nupdate k v\nevents w\nb: events w\nlist \"\"\nlist \"\" count=true\nnext all\nupdate k v2\nnext all\nevents all\nevents other count=true\n---
events w: put k v
b: events w: (no events)
list \"\": k
list \"\": 1 keys, ascending
next all: put k v
next all: put k v2
events all: (no events)
events other: 2 puts, 0 deletes, 1 keys, in order
",
        )
        .passes();
    assert_eq!(stage.left(), []);
}

/// The deletion of a fence goes wrong, the first time.
#[derive(Clone, Default)]
struct Standing {
    hangs: bool,
    done: Arc<Mutex<bool>>,
}

#[async_trait]
impl Twist for Standing {
    async fn call(&self, store: &MemoryStore, call: Call) -> Result<Reply> {
        if let Call::Delete { key } = &call
            && is_fence(key)
            && !std::mem::replace(&mut *self.done.lock().unwrap(), true)
        {
            if self.hangs {
                std::future::pending::<()>().await;
            }
            return Err(ErrorKind::Other.into());
        }
        call.perform(store).await
    }
}

#[rstest]
#[case::by_an_error(false)]
#[case::by_hanging(true)]
fn a_fence_that_could_not_be_deleted_accuses_nobody_and_is_deleted_in_the_end(#[case] hangs: bool) {
    let stage = Stage::new(Standing { hangs, ..Standing::default() });
    let run = stage
        .run("watch k as=w\nupdate k v\nevents w\nlist k\n---\nevents w: put k v\nlist k: k\n");
    run.passes();
    assert_eq!(stage.left(), []);
}
