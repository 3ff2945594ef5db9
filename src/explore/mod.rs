//! Random programs, run on the memory store and on another store, compared answer by answer, and made smaller where they
//! differ.

mod bench;
mod compare;
mod course;
mod coverage;
mod found;
mod genes;
mod meant;
mod order;
mod program;
mod shrink;
mod unread;
mod walk;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use proptest::strategy::ValueTree;

use self::bench::Bench;
pub use self::compare::{Comparison, LeftOpen};
pub use self::coverage::Coverage;
pub use self::found::Found;
use self::found::Names;
use self::order::Order;
pub use self::program::{Program, Step};
use self::walk::{Model, Walked};
use crate::backend::Clock;
use crate::command::shape::Shape;
use crate::runner::Settings;
use crate::suite::Floor;
use crate::target::{Ready, Target};
use crate::transcript::Transcript;

/// How many programs are under way at once on a store in real time, where they mostly wait.
const SIDE_BY_SIDE: usize = 64;

/// How much later than granted every store may take a key away, at least, so that programs do not follow the store.
const LAG: Duration = Duration::from_secs(2);

/// What a search is to do.
#[derive(Debug, Clone)]
pub struct Search {
    /// From what all programs are drawn.
    pub seed: u64,
    /// How many programs are run at most.
    pub programs: u64,
    /// How long it goes on at most.
    pub within: Option<Duration>,
    /// How many differences end it.
    pub findings: usize,
    /// How many programs run at once; `None` leaves it to the store.
    pub jobs: Option<usize>,
}

/// A store, and what it is called.
#[derive(Clone)]
pub struct Subject<'a> {
    name: &'a str,
    ready: &'a Ready,
    left_out: BTreeMap<Shape, &'a str>,
    floor: Option<Arc<Floor>>,
}

impl<'a> Subject<'a> {
    /// The store of a target that is open. What its lists of known failures name, programs do without.
    pub fn new(target: &'a Target, ready: &'a Ready) -> Self {
        let version = ready.backend.version();
        let left_out = Shape::ALL.iter().copied().filter_map(|shape| {
            let known = target.known(shape.scenario(), version.as_deref())?;
            Some((shape, known.reason.as_str()))
        });
        Self { name: target.name(), ready, left_out: left_out.collect(), floor: None }
    }

    /// The same, where other cases of it run.
    pub(crate) fn on(self, floor: Arc<Floor>) -> Self {
        Self { floor: Some(floor), ..self }
    }
}

/// What a search has come to.
#[derive(Debug, Clone, Default)]
pub struct Explored {
    /// How many programs were run.
    pub programs: u64,
    /// What they had.
    pub coverage: Coverage,
    /// What the programs did without, and why.
    pub left_out: BTreeMap<Shape, String>,
    /// How many programs were answered alike but for what is left open.
    pub let_be: BTreeMap<LeftOpen, u64>,
    /// How many programs could not be compared, by the reason.
    pub unclear: BTreeMap<String, u64>,
    /// The differences, each once, sorted by program.
    pub found: Vec<Found>,
    /// How long it took.
    pub took: Duration,
}

impl Explored {
    /// How many programs could not be compared.
    pub fn not_compared(&self) -> u64 {
        self.unclear.values().sum()
    }
}

/// Runs random programs on a store, and compares its answers with those of another, or else of the memory store.
///
/// `told` hears of it every now and then. The same seed finds the same differences on stores in virtual time.
pub fn explore(
    store: Subject<'_>,
    against: Option<Subject<'_>>,
    search: &Search,
    settings: &Settings,
    told: &mut dyn FnMut(&Explored),
) -> Explored {
    Explorer::new(store, against, search, settings).run(told)
}

struct Explorer<'a> {
    left_out: BTreeMap<Shape, String>,
    model: Model,
    bench: Bench<'a>,
    against: Option<Bench<'a>>,
    names: Names,
    search: &'a Search,
    settings: &'a Settings,
}

/// What became of one program.
enum Seen {
    Same(BTreeSet<LeftOpen>),
    Unclear(String),
    Different(Box<Difference>),
}

/// A program, what was expected of it, and how the store's answers differ.
struct Difference {
    walked: Walked,
    expected: Transcript,
    mismatch: Box<crate::verdict::Mismatch>,
}

impl<'a> Explorer<'a> {
    fn new(
        store: Subject<'a>,
        against: Option<Subject<'a>>,
        search: &'a Search,
        settings: &'a Settings,
    ) -> Self {
        let bench = |subject: Subject<'a>| Bench::new(subject, settings, search.jobs);
        let mut capabilities = store.ready.capabilities.clone();
        let mut lag = LAG.max(capabilities.limits.expiry_lag);
        if let Some(other) = &against {
            capabilities = capabilities.shared_with(&other.ready.capabilities);
            lag = lag
                .max(capabilities.limits.expiry_lag)
                .max(other.ready.capabilities.limits.expiry_lag);
        }
        let reference = against.as_ref().map_or("the memory store".into(), |other| {
            format!("{} ({})", other.name, other.ready.about)
        });
        let names = Names { reference, store: store.name.into(), about: store.ready.about.clone() };
        let left_out = against.iter().chain([&store]).flat_map(|one| &one.left_out);
        let left_out: BTreeMap<_, _> =
            left_out.map(|(shape, reason)| (*shape, (*reason).to_string())).collect();
        let clocks = against.iter().chain([&store]).map(|one| one.ready.backend.clock());
        let is_wall = clocks.into_iter().any(|clock| clock == Clock::Wall);
        let clock = if is_wall { Clock::Wall } else { Clock::Virtual };
        let model =
            Model { capabilities, lag, clock, left_out: left_out.keys().copied().collect() };
        Self {
            left_out,
            model,
            bench: bench(store),
            against: against.map(bench),
            names,
            search,
            settings,
        }
    }

    fn run(&self, told: &mut dyn FnMut(&Explored)) -> Explored {
        let started = Instant::now();
        let order = Order::new(self.search.seed, self.search.programs, self.model.clock);
        let is_over = AtomicBool::new(false);
        let (sender, receiver) = mpsc::channel();
        let left_out = self.left_out.clone();
        let mut explored = Explored { left_out, ..Explored::default() };
        let mut found = BTreeMap::new();
        thread::scope(|scope| {
            for _ in 0..self.workers() {
                let (sender, order, is_over) = (sender.clone(), &order, &is_over);
                scope.spawn(move || self.work(order, is_over, &sender));
            }
            drop(sender);
            for (number, walked, seen) in receiver {
                explored.programs += 1;
                explored.coverage.add(&walked);
                match seen {
                    Seen::Same(open) => {
                        open.into_iter()
                            .for_each(|one| *explored.let_be.entry(one).or_default() += 1);
                    }
                    Seen::Unclear(reason) => *explored.unclear.entry(reason).or_default() += 1,
                    Seen::Different(difference) => {
                        found.insert(number, difference);
                    }
                }
                explored.took = started.elapsed();
                let is_late = self.search.within.is_some_and(|within| explored.took >= within);
                if is_late || found.len() >= self.search.findings || self.settings.abort.is_thrown()
                {
                    is_over.store(true, Ordering::Relaxed);
                }
                told(&explored);
            }
        });
        for (number, difference) in found.into_iter().take(self.search.findings) {
            self.add(&mut explored, number, *difference);
        }
        explored.took = started.elapsed();
        explored
    }

    /// Makes a program that shows a difference smaller, and adds it if no other shows the same.
    fn add(&self, explored: &mut Explored, number: u64, difference: Difference) {
        let place = (self.search.seed, number);
        let Difference { walked, expected, mismatch } = difference;
        let mut differs = |walked: &Walked| match self.compare(walked.clone()) {
            Seen::Different(difference) => Some((difference.expected, difference.mismatch)),
            Seen::Same(_) | Seen::Unclear(_) => None,
        };
        let first = (walked, (expected, mismatch));
        let (walked, (expected, mismatch)) = match self.settings.abort.is_thrown() {
            true => first,
            false => shrink::shrink(&self.model, place, first, &mut differs),
        };
        match Found::new(place, &self.names, walked.program, &expected, *mismatch) {
            Ok(found) if explored.found.iter().all(|other| other.kind() != found.kind()) => {
                explored.found.push(found);
            }
            Ok(_) => {}
            Err(error) => *explored.unclear.entry(error.to_string()).or_default() += 1,
        }
    }

    fn workers(&self) -> usize {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        let is_waiting =
            self.bench.is_waiting() || self.against.as_ref().is_some_and(Bench::is_waiting);
        self.search.jobs.unwrap_or(if is_waiting { SIDE_BY_SIDE } else { cores })
    }

    fn work(
        &self,
        order: &Order,
        is_over: &AtomicBool,
        sender: &mpsc::Sender<(u64, Program, Seen)>,
    ) {
        while !is_over.load(Ordering::Relaxed) && !self.settings.abort.is_thrown() {
            let Some(number) = order.next() else { return };
            let walked = self.model.draw(&genes::tree(self.search.seed, number).current());
            let program = walked.program.clone();
            if sender.send((number, program, self.compare(walked))).is_err() {
                return;
            }
        }
    }

    /// Runs a program on the store, and on the one that it is compared with.
    fn compare(&self, walked: Walked) -> Seen {
        let expected = match &self.against {
            None => walked.answers.clone(),
            Some(against) => match against.run(&walked.program, &walked.answers) {
                (Comparison::Unclear(reason), _) => return Seen::Unclear(reason),
                (_, Some(seen)) => seen,
                (_, None) => walked.answers.clone(),
            },
        };
        match self.bench.run(&walked.program, &expected).0 {
            Comparison::Same(open) => Seen::Same(open),
            Comparison::Unclear(reason) => Seen::Unclear(reason),
            Comparison::Different(mismatch) => {
                Seen::Different(Box::new(Difference { walked, expected, mismatch }))
            }
        }
    }
}
