//! How long each thread had something to do, and that it still goes round.
//!
//! The clock is read only when a thread turns from idle to busy and back, and before each look that
//! an idle thread takes: never for an order.

use std::sync::Arc;

use crossbeam::utils::CachePadded;
use parking_lot::Mutex;

use super::Counter;
use crate::clock;

/// Busy rounds after which the time so far is shown.
const ROUNDS_PER_SHOWING: u64 = 256;

/// What one thread shows of itself.
#[derive(Debug, Default)]
pub struct ThreadCounters {
    /// Rounds of its loop, idle ones included: it moves at least ten times a second.
    pub rounds: Counter,
    /// Time in rounds that had something to do, ns.
    pub busy_ns: Counter,
}

/// All threads by name, in the order of their start.
#[derive(Clone, Debug, Default)]
pub struct Threads(Arc<Mutex<Vec<Named>>>);

/// A thread's name and what it shows.
type Named = (String, Arc<CachePadded<ThreadCounters>>);

impl Threads {
    /// Takes in a thread. Returns what it ticks with.
    pub fn add(&self, name: &str) -> Pulse {
        let counters = Arc::<CachePadded<ThreadCounters>>::default();
        self.0.lock().push((name.to_owned(), Arc::clone(&counters)));
        Pulse { counters, busy_since: None, looked_at: 0 }
    }

    /// All that were taken in.
    pub fn all(&self) -> Vec<Named> {
        self.0.lock().clone()
    }
}

/// A thread's own side.
#[derive(Debug)]
pub struct Pulse {
    counters: Arc<CachePadded<ThreadCounters>>,
    busy_since: Option<u64>,
    looked_at: u64,
}

impl Pulse {
    /// Before a round.
    #[inline]
    pub fn before(&mut self) {
        if self.busy_since.is_none() {
            self.looked_at = clock::monotonic();
        }
    }

    /// After a round that did so much.
    #[inline]
    pub fn after(&mut self, done: usize) {
        let rounds = self.counters.rounds.value() + 1;
        self.counters.rounds.set(rounds);
        match self.busy_since {
            None if done > 0 => self.busy_since = Some(self.looked_at),
            Some(since) if done == 0 || rounds.is_multiple_of(ROUNDS_PER_SHOWING) => {
                let now = clock::monotonic();
                self.counters.busy_ns.add(now.saturating_sub(since));
                self.busy_since = (done > 0).then_some(now);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_rounds_with_something_to_do_are_busy_and_all_are_counted() {
        let threads = Threads::default();
        let mut pulse = threads.add("matcher");
        let [(name, shown)] = &threads.all()[..] else { panic!("one thread") };
        assert_eq!(name, "matcher");
        for _ in 0..3 {
            pulse.before();
            pulse.after(0);
        }
        assert_eq!((shown.rounds.value(), shown.busy_ns.value()), (3, 0));
        pulse.before();
        let start = clock::monotonic();
        while clock::monotonic() == start {}
        pulse.after(1);
        pulse.before();
        pulse.after(0);
        assert_eq!(shown.rounds.value(), 5);
        assert!(shown.busy_ns.value() > 0);
    }
}
