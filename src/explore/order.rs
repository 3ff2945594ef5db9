//! In which order programs run: on a store in real time those that need it alone come together, since each waits until all
//! others are over.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use proptest::strategy::ValueTree;

use super::genes::{Kind, tree};
use crate::backend::Clock;

/// How many programs that need the store alone come together.
const TOGETHER: usize = 100;

/// The numbers of the programs that are still to be run.
pub(super) struct Order {
    seed: u64,
    programs: u64,
    clock: Clock,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    next: u64,
    /// Those that need the store alone.
    alone: VecDeque<u64>,
    /// Whether it is their turn.
    are_next: bool,
}

impl Order {
    /// So many programs of a seed on a store with that clock.
    pub fn new(seed: u64, programs: u64, clock: Clock) -> Self {
        Self { seed, programs, clock, state: Mutex::default() }
    }

    /// The number of the program to run next.
    pub fn next(&self) -> Option<u64> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            let is_last = state.next >= self.programs;
            if state.are_next || is_last {
                match state.alone.pop_front() {
                    Some(number) => return Some(number),
                    None if is_last => return None,
                    None => state.are_next = false,
                }
            }
            let number = state.next;
            state.next += 1;
            if !self.is_alone(number) {
                return Some(number);
            }
            state.alone.push_back(number);
            state.are_next = state.alone.len() >= TOGETHER;
        }
    }

    fn is_alone(&self, number: u64) -> bool {
        match self.clock {
            Clock::Virtual => false,
            Clock::Wall => tree(self.seed, number).current().kind(self.clock) != Kind::Beside,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_program_comes_once() {
        for clock in [Clock::Wall, Clock::Virtual] {
            let order = Order::new(1, 300, clock);
            let mut numbers: Vec<_> = std::iter::from_fn(|| order.next()).collect();
            assert_eq!(clock == Clock::Virtual, numbers.is_sorted());
            numbers.sort_unstable();
            assert_eq!(numbers, (0..300).collect::<Vec<_>>());
        }
    }
}
