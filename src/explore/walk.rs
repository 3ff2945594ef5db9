//! Draws a program command by command on the memory store, whose answers decide what makes sense next.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::runtime::Builder;
use tokio::time::{Instant, sleep};

use super::course::{Course, MOST_WAIT, TICK};
use super::genes::{Genes, Kind, Vocabulary};
use super::meant::Meant;
use super::program::{Program, Step};
use super::unread::Unread;
use crate::backend::memory::{MemoryBackend, MemoryStore};
use crate::backend::{Clock, Instance};
use crate::capability::{Capabilities, Need};
use crate::command::draw::{Scene, SceneMark};
use crate::command::names::Named;
use crate::command::shape::Shape;
use crate::command::{Command, Events, Expire, List, NO_LEASES, Read, Watch};
use crate::effect::{Effect, Keys, Passing, StateChange, Subject, WatchChange};
use crate::session::{Session, Settings};
use crate::transcript::{Answer, End, Entry, Transcript};
use crate::words::{Bytes, Rev};

/// How many keys are read at the end of a program.
const READ_AT_END: usize = 4;

/// The memory store as a model of another store.
#[derive(Debug, Clone)]
pub(super) struct Model {
    /// What the other store has.
    pub capabilities: Capabilities,
    /// What its programs do without.
    pub left_out: BTreeSet<Shape>,
    /// How much later than granted its keys may go.
    pub lag: Duration,
    /// Its clock.
    pub clock: Clock,
}

/// A program, and what the model answers to it.
#[derive(Debug, Clone)]
pub(super) struct Walked {
    pub program: Program,
    pub answers: Transcript,
}

impl Model {
    /// The program that is drawn from these genes.
    pub fn draw(&self, genes: &Genes) -> Walked {
        let kind = genes.kind(self.clock);
        let left = match kind {
            Kind::Beside | Kind::CountingAndWaiting => MOST_WAIT,
            Kind::Counting => Duration::ZERO,
        };
        let vocabulary = Vocabulary::new(genes, &self.capabilities);
        self.walk((kind != Kind::Beside, genes.are_unread), left, async |walk| {
            for gene in &genes.commands {
                if let Some(command) = vocabulary.draw(gene, &walk.scene) {
                    walk.go_on(gene.client(), command).await;
                }
            }
            walk.look_back().await;
            true
        })
        .expect("a program that is drawn is taken as it is")
    }

    /// The program of these commands; `None` where one of them makes no sense after those before.
    pub fn replay(&self, program: &Program, steps: &[Step]) -> Option<Walked> {
        self.walk((program.is_alone, program.are_unread), MOST_WAIT, async |walk| {
            for Step { client, command } in steps {
                if !walk.refers(command) || !walk.go_on(client.as_deref(), command.clone()).await {
                    return false;
                }
                if walk.steps.last().is_none_or(|last| last.command != *command) {
                    return false;
                }
            }
            true
        })
    }

    fn walk(
        &self,
        (is_alone, are_unread): (bool, bool),
        left: Duration,
        steps: impl AsyncFnOnce(&mut Walk<'_>) -> bool,
    ) -> Option<Walked> {
        let runtime = Builder::new_current_thread().enable_time().start_paused(true).build();
        let runtime = runtime.expect("a runtime without I/O needs nothing");
        let walked = runtime.block_on(async {
            let store = match self.capabilities.lack(Need::Directories) {
                None => MemoryStore::with_directories(),
                Some(_) => MemoryStore::new(),
            };
            let store: &dyn Instance = &store;
            let settings = Settings::default();
            let session =
                Session::open(store, &MemoryBackend, &settings, are_unread, Duration::ZERO);
            let mut walk = Walk {
                session: session.await.ok()?,
                scene: Scene::new(self.capabilities.clone(), self.left_out.clone(), is_alone),
                course: Course::new(self.lag, left),
                owners: BTreeMap::new(),
                present: BTreeSet::new(),
                unread: Unread::default(),
                steps: Vec::new(),
                entries: Vec::new(),
                started: Instant::now(),
            };
            steps(&mut walk).await.then(|| walk.end(is_alone, are_unread))
        });
        runtime.shutdown_background();
        walked
    }
}

/// A program as far as it has come.
struct Walk<'a> {
    session: Session<'a>,
    scene: Scene,
    course: Course,
    /// The client of each watch.
    owners: BTreeMap<String, Option<String>>,
    /// The keys that are there.
    present: BTreeSet<Vec<u8>>,
    unread: Unread,
    steps: Vec<Step>,
    entries: Vec<Entry>,
    started: Instant,
}

impl Walk<'_> {
    fn end(self, is_alone: bool, are_unread: bool) -> Walked {
        let any_order = self.course.any_order;
        let program = Program { steps: self.steps, is_alone, are_unread, any_order };
        let answers =
            Transcript { entries: self.entries, end: End::Finished, clock: Clock::Virtual };
        Walked { program, answers }
    }

    /// Whether what the command refers to is there, and with `next` an event.
    fn refers(&self, command: &Command) -> bool {
        let marks = || self.scene.marks.iter().map(|mark| &mark.name);
        let is_known = |rev: &Rev| {
            let mark = self.scene.marks.iter().find(|mark| mark.name == rev.mark);
            // From the mark on a program may read in any case, and from the next revision on watch.
            mark.is_some_and(|mark| {
                matches!(rev.offset, 0 | 1) || mark.is_exact && mark.before + rev.offset >= 0
            })
        };
        let is_there = command.uses().iter().all(|(named, name)| match named {
            Named::Lease => self.scene.leases.contains(name) || NO_LEASES.contains(&name.as_str()),
            Named::Watch => self.scene.watches.contains(name),
            Named::Mark => marks().any(|mark| mark == name),
            Named::Fill => false,
        });
        let meant = Meant::of(command);
        let has_event = !meant.is_one_event
            || meant.watch.is_some_and(|watch| self.scene.pending.contains(&watch));
        is_there
            && has_event
            && meant.keys.iter().all(|key| self.scene.ending.contains(key))
            && meant.outlasted.iter().all(|key| self.scene.outlasting.contains(key))
            && command.revisions().iter().all(is_known)
    }

    /// Whether the command is what programs do without on the store.
    fn is_left_out(&self, meant: &Meant, command: &Command, revoked: &[Vec<u8>]) -> bool {
        let is_at_the_edge = || {
            let compacted = self.scene.compacted.as_ref().and_then(|rev| self.scene.before(rev));
            let mut revisions = command.revisions().into_iter();
            meant.opened.is_some()
                && compacted.is_some()
                && revisions.any(|rev| self.scene.before(&rev) == compacted)
        };
        self.scene.left_out.iter().any(|shape| match shape {
            // They are not drawn.
            Shape::BinaryValues | Shape::HiddenNames | Shape::HugeTtls => false,
            Shape::ChangesInARow => self.unread.is_changed_by(meant, revoked),
            Shape::WatchesFromTheCompacted => is_at_the_edge(),
        })
    }

    /// Runs a command, or what the course makes of it; whether anything was run.
    async fn go_on(&mut self, client: Option<&str>, command: Command) -> bool {
        let lifetimes = self.session.ttls.lifetimes();
        let Some(command) = self.course.admit(lifetimes, client, command) else { return false };
        let groups = self.course.any_order.len();
        let meant = Meant::of(&command);
        let revoked = meant.revoked.iter().flat_map(|lease| lifetimes.attached(lease));
        let revoked: Vec<_> = revoked.map(<[u8]>::to_vec).collect();
        if self.is_left_out(&meant, &command, &revoked) {
            return false;
        }
        self.course.begin(lifetimes, &command, &self.scene.watches);
        if self.course.any_order.len() > groups {
            self.forget_distances();
        }
        let at = Instant::now();
        let answer = command.perform(&mut self.session, client).await;
        let took = at.elapsed();
        self.course.end(client, &command, took, answer.error().is_none());
        self.unread.take(&meant, &self.scene.watches);
        let present = self.present.len();
        self.note(client, &command, &answer);
        if answer.error().is_none() {
            self.present.retain(|key| !revoked.contains(key));
        }
        if self.present.len() < present {
            self.scene.deletion = self.revisions().await;
        }
        let client = client.map(String::from);
        let label = command.label();
        self.entries.push(Entry {
            client: client.clone(),
            label,
            at: at - self.started,
            took,
            answer,
        });
        self.steps.push(Step { client, command });
        // What was written reaches the readers of the watches.
        match meant.awaits_an_end() {
            true => sleep(TICK).await,
            false => tokio::task::yield_now().await,
        }
        self.look_around();
        true
    }

    /// How many revisions there were before the present one.
    async fn revisions(&mut self) -> Option<i64> {
        let client = self.session.clients.get(None).await.ok()?;
        Some(client.revisions()?.revision().await.ok()? - 1)
    }

    /// Notes that the distance of later revisions from any mark so far may differ from store to store.
    fn forget_distances(&mut self) {
        self.scene.marks.iter_mut().for_each(|mark| mark.is_exact = false);
    }

    /// Takes note of what a command did, as it was answered.
    fn note(&mut self, client: Option<&str>, command: &Command, answer: &Answer) {
        self.scene.steps += 1;
        let is_done = answer.error().is_none();
        for effect in command.effects(Some(answer)) {
            match effect {
                Effect::Changed(StateChange::Wrote(keys, ..)) => match keys {
                    Keys::One(key) => {
                        self.present.insert(key.into_owned());
                    }
                    Keys::Numbered(..) | Keys::Under(_) | Keys::Bare => {}
                },
                Effect::Changed(StateChange::Deleted(key)) => {
                    self.present.remove(key.as_ref());
                }
                Effect::Changed(StateChange::DeletedPrefix(prefix)) => {
                    self.present.retain(|key| !key.starts_with(&prefix));
                }
                Effect::Passed(Passing::AwaitedEnd(Subject::Key(key))) => {
                    self.present.remove(key.as_ref());
                }
                Effect::Watched(WatchChange::Opened { watch: Subject::Watch(name), .. })
                    if is_done =>
                {
                    self.scene.watches.retain(|open| *open != name);
                    self.scene.watches.push(name.to_string());
                    self.owners.insert(name.into_owned(), client.map(String::from));
                }
                Effect::Watched(WatchChange::Closed(Subject::Watch(name))) => {
                    self.scene.watches.retain(|open| *open != name);
                }
                Effect::Changed(StateChange::Compacted(rev)) => {
                    self.scene.compacted = Some(rev.clone());
                }
                Effect::Changed(
                    StateChange::Granted(..) | StateChange::Renewed(..) | StateChange::Revoked(_),
                )
                | Effect::Watched(_)
                | Effect::Closed
                | Effect::Reopened
                | Effect::Passed(_)
                | Effect::Saw(..)
                | Effect::Refused(..)
                | Effect::Either(..) => {}
            }
        }
        match command.makes() {
            Some((Named::Lease, name)) => self.scene.leases.push(name),
            Some((Named::Mark, name)) if is_done => {
                let before = self.session.marks.get(&name).map(|mark| mark.revision - 1);
                let mark = before.map(|before| SceneMark { name, before, is_exact: true });
                self.scene.marks.extend(mark);
            }
            // A watch was noted by its effect.
            Some((Named::Mark | Named::Watch | Named::Fill, _)) | None => {}
        }
        if matches!(answer, Answer::Events(_) | Answer::EventCount(_)) && !is_done {
            // A watch that has ended needs no fence, and a store may tell of its end a moment later.
            self.forget_distances();
        }
    }

    /// Finds out what there is to refer to.
    fn look_around(&mut self) {
        let (session, scene) = (&self.session, &mut self.scene);
        let has_event = |watch: &&String| session.watches.has_event(watch);
        scene.pending = scene.watches.iter().filter(has_event).cloned().collect();
        let lifetimes = session.ttls.lifetimes();
        scene.ending = self.course.ending_keys(lifetimes);
        scene.ending_leases = self.course.ending_leases(lifetimes);
        let is_left =
            |key: &&Vec<u8>| lifetimes.had_ttl(key) && lifetimes.ties(key).next().is_none();
        scene.outlasting = self.present.iter().filter(is_left).cloned().collect();
    }

    /// The revision from which the program's past can be watched.
    fn oldest(&self) -> Option<Rev> {
        let mark = self.scene.marks.first().map(|mark| Rev { mark: mark.name.clone(), offset: 1 });
        self.scene.compacted().cloned().or(mark)
    }

    /// Reads what the commands have left: the events of all watches, the past as far as it is there, the keys, and the
    /// values of some. Before that a lease ends, if one does soon: nothing may go with it that does not belong to it.
    async fn look_back(&mut self) {
        let lease = self.scene.ending_leases.first().cloned();
        if lease.is_some() {
            self.go_on(None, Command::Expire(Expire { keys: Vec::new(), lease })).await;
        }
        if let Some(from) = self.oldest() {
            let (prefix, name) = (Bytes(Vec::new()), Some("past".into()));
            self.go_on(None, Command::Watch(Watch { prefix, name, from: Some(from) })).await;
        }
        for watch in self.scene.watches.clone() {
            self.go_on(None, Command::Events(Events { watch, count: false, since: None })).await;
        }
        let prefix = Bytes(Vec::new());
        self.go_on(None, Command::List(List { prefix, at: None, limit: None, count: false })).await;
        let keys: Vec<_> = self.present.iter().take(READ_AT_END).cloned().collect();
        for key in keys {
            self.go_on(None, Command::Read(Read { key: Bytes(key), at: None })).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::strategy::ValueTree;

    use super::*;
    use crate::backend::Backend;
    use crate::capability::Asked;
    use crate::explore::genes::tree;
    use crate::runner;
    use crate::verdict::{Verdict, judge};

    fn model() -> Model {
        let store = Builder::new_current_thread().enable_time().build().expect("it needs nothing");
        let _entered = store.enter();
        let (store, backend) = (MemoryStore::new(), MemoryBackend);
        let capabilities = Capabilities::of(&Asked { store: &store, backend: &backend });
        Model {
            capabilities,
            lag: backend.limits().expiry_lag.max(Duration::from_secs(2)),
            clock: Clock::Virtual,
            left_out: BTreeSet::new(),
        }
    }

    #[test]
    fn every_program_is_a_script_that_the_memory_store_passes() {
        let model = model();
        for number in 0..400 {
            let Walked { program, answers } = model.draw(&tree(3, number).current());
            let script = program.script("# A program.", &answers);
            let script = script.unwrap_or_else(|error| panic!("program {number}: {error}"));
            let commands: Vec<_> = script.commands.iter().map(|(_, command)| command).collect();
            assert_eq!(
                commands,
                program.steps.iter().map(|step| &step.command).collect::<Vec<_>>()
            );
            assert_eq!(judge(&script, &answers), Verdict::Passed, "program {number}");
            let again = runner::run(&script, &MemoryBackend, &Settings::default());
            assert_eq!(judge(&script, &again), Verdict::Passed, "{}", script.text);
        }
    }

    #[test]
    fn a_program_is_the_same_when_its_commands_are_run_again() {
        let model = model();
        for number in 0..200 {
            let drawn = model.draw(&tree(4, number).current()).program;
            let again = model.replay(&drawn, &drawn.steps).map(|walked| walked.program);
            assert_eq!(
                again.as_ref().map(|program| &program.steps),
                Some(&drawn.steps),
                "program {number}"
            );
        }
    }

    /// On a store with a longer lag, `survive` takes longer than in the model, where it may take no time at all.
    #[test]
    fn a_ttl_that_may_end_during_survive_is_waited_for() {
        let text = "update k v1 ttl=2s\nexpire k\nwait 500ms\nupdate k v4\nupdate l v5 ttl=3s\nsurvive k\n\
                    wait 1500ms\nwait 500ms\nlist \"\"\n---\n(no keys)\n";
        let header = "# A program.\n# clauses: P1\n# source: this test\n";
        let path = std::path::PathBuf::from("core/ttl/program.kv");
        let script =
            crate::scenario::Scenario::parse(&path, path.clone(), format!("{header}{text}"));
        let script = script.expect("it is well-formed");
        let commands = script.commands.into_iter();
        let steps: Vec<_> = commands.map(|(_, command)| Step { client: None, command }).collect();
        let program = Program {
            steps: steps.clone(),
            is_alone: false,
            are_unread: false,
            any_order: Vec::new(),
        };
        assert!(model().replay(&program, &steps[..6]).is_some());
        assert!(model().replay(&program, &steps).is_none());
    }
}
