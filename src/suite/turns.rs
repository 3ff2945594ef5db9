//! Whose turn it is: which cases run at once on a store, and which alone.

use std::sync::mpsc::{self, SyncSender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use super::ceiling::{self, Ceiling};
use crate::runner::{Abort, Meter};

/// How many cases with many calls run at once at most: each of them alone can keep a store busy.
const BULKY_AT_ONCE: usize = 4;

/// How many late cases run at once at most.
const LATE_AT_ONCE: usize = 8;

/// What a case needs to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing next to it, and before all others if it can be.
    Exclusive,
    /// Others next to it; those that wait longest come first.
    Together {
        /// How long it waits by itself.
        max_wait: Duration,
        /// Whether it makes so many calls that others next to it would feel it.
        is_bulky: bool,
    },
    /// A few others at most, after all that could keep the store busy.
    Late,
    /// Nothing next to it, after all others that are there.
    Last,
}

/// Gives the cases of one store their turns.
pub(super) struct Turns {
    state: Mutex<State>,
    meter: Meter,
    abort: Abort,
}

struct State {
    ceiling: Ceiling,
    waiting: Vec<Waiting>,
    running: usize,
    bulky: usize,
    is_alone: bool,
    is_ticking: bool,
}

struct Waiting {
    turn: Turn,
    door: SyncSender<()>,
}

impl Turns {
    pub fn new(ceiling: Ceiling, meter: Meter, abort: Abort) -> Arc<Self> {
        let state = State {
            ceiling,
            waiting: Vec::new(),
            running: 0,
            bulky: 0,
            is_alone: false,
            is_ticking: false,
        };
        Arc::new(Self { state: Mutex::new(state), meter, abort })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a place in the queue.
    pub fn queue(self: &Arc<Self>, turn: Turn) -> Ticket {
        let (door, opened) = mpsc::sync_channel(1);
        self.state().waiting.push(Waiting { turn, door });
        Ticket { turns: self.clone(), turn, opened }
    }

    /// Lets in whoever may run now; everybody once the run is to end, so that each finds out.
    fn open_doors(self: &Arc<Self>) {
        let is_over = self.abort.is_thrown();
        let mut state = self.state();
        while let Some(next) = state.next(is_over) {
            let Waiting { turn, door } = state.waiting.remove(next);
            state.enter(turn);
            if door.send(()).is_err() {
                state.leave(turn);
            }
        }
        self.keep_ticking(&mut state);
    }

    /// Looks at what was measured every now and then, as long as anybody waits for it.
    fn keep_ticking(self: &Arc<Self>, state: &mut State) {
        if state.waiting.is_empty() || state.is_ticking {
            return;
        }
        state.is_ticking = true;
        let turns = Arc::downgrade(self);
        let tick = move || {
            loop {
                thread::sleep(ceiling::LOOK);
                let Some(turns) = turns.upgrade() else { return };
                if !turns.tick() {
                    return;
                }
            }
        };
        let name = "kvspec-turns".to_string();
        state.is_ticking = thread::Builder::new().name(name).spawn(tick).is_ok();
    }

    /// Whether anybody still waits.
    fn tick(self: &Arc<Self>) -> bool {
        {
            let mut state = self.state();
            if state.ceiling.is_due() {
                let sample = self.meter.sample(ceiling::slow(self.meter.fastest()));
                if ceiling::is_slow(&sample) {
                    self.meter.note_crowded(&sample);
                }
                let running = state.running;
                state.ceiling.take(&sample, running);
            }
        }
        self.open_doors();
        let mut state = self.state();
        state.is_ticking = !state.waiting.is_empty();
        state.is_ticking
    }
}

impl State {
    /// The place in the queue of whoever may run next.
    fn next(&self, is_over: bool) -> Option<usize> {
        if is_over {
            return (!self.waiting.is_empty()).then_some(0);
        }
        if self.is_alone {
            return None;
        }
        let first = |turn| self.waiting.iter().position(|waiting| waiting.turn == turn);
        if self.running == 0
            && let Some(exclusive) = first(Turn::Exclusive)
        {
            return Some(exclusive);
        }
        let is_late = !self.waiting.iter().any(Waiting::is_together);
        let late = || (is_late && self.running < self.late_at_once()).then(|| first(Turn::Late));
        let last = || (is_late && self.running == 0).then(|| first(Turn::Last));
        self.next_together().or_else(|| late().flatten()).or_else(|| last().flatten())
    }

    fn late_at_once(&self) -> usize {
        self.ceiling.now().min(LATE_AT_ONCE)
    }

    /// The one of those that run next to others that waits longest by itself.
    fn next_together(&self) -> Option<usize> {
        if self.running >= self.ceiling.now() {
            return None;
        }
        // Bulky ones have an eighth of the places between them, and never more than a few.
        let has_room = self.bulky < (self.ceiling.now() / 8).clamp(1, BULKY_AT_ONCE);
        let max_wait = |waiting: &Waiting| match waiting.turn {
            Turn::Together { max_wait, is_bulky } => (!is_bulky || has_room).then_some(max_wait),
            Turn::Exclusive | Turn::Late | Turn::Last => None,
        };
        let open = self.waiting.iter().enumerate();
        let open = open.filter_map(|(index, waiting)| Some((index, max_wait(waiting)?)));
        // Of equals the first; `max_by_key` would take the last.
        open.min_by_key(|(_, max_wait)| std::cmp::Reverse(*max_wait)).map(|(index, _)| index)
    }

    fn enter(&mut self, turn: Turn) {
        self.running += 1;
        self.bulky += usize::from(turn.is_bulky());
        self.is_alone |= turn.is_alone();
    }

    fn leave(&mut self, turn: Turn) {
        self.running -= 1;
        self.bulky -= usize::from(turn.is_bulky());
        if turn.is_alone() {
            self.is_alone = false;
        }
    }
}

impl Turn {
    /// Whether nothing may run next to it.
    pub fn is_alone(self) -> bool {
        matches!(self, Self::Exclusive | Self::Last)
    }

    fn is_bulky(self) -> bool {
        matches!(self, Self::Together { is_bulky: true, .. })
    }
}

impl Waiting {
    fn is_together(&self) -> bool {
        matches!(self.turn, Turn::Together { .. })
    }
}

/// A place in the queue.
pub(super) struct Ticket {
    turns: Arc<Turns>,
    turn: Turn,
    opened: mpsc::Receiver<()>,
}

impl Ticket {
    /// Waits for the turn, however long that is: every case before it has deadlines of its own.
    pub fn wait(self) -> Pass {
        self.turns.open_doors();
        // The door is given away only by opening it.
        let _ = self.opened.recv();
        Pass { turns: self.turns, turn: self.turn }
    }
}

/// A turn that was given; dropping it ends it.
pub(super) struct Pass {
    turns: Arc<Turns>,
    turn: Turn,
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.turns.state().leave(self.turn);
        self.turns.open_doors();
    }
}
