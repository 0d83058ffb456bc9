//! The same house on one thread, under a seed, with everything going wrong that can: rooms that are
//! starved, sockets that give a byte at a time and break, a disk that tears, reorders, fails, fills
//! up and lies, clocks that jump, a sink that refuses and forgets, an end at any step.
//!
//! A [`round`](run) makes its rooms as `pipeline` does (`house`), lets a seed decide who works and
//! what goes wrong (`faults`, `round`), and holds all that is decided, told and left against the
//! naive sale (`model`, `judge`). It decides nothing for the rooms and changes nothing in them.
//!
//! Invariant: what happens follows from the seed alone; two rounds of one seed have one trace.

mod buyers;
mod clock;
mod disk;
mod faults;
mod house;
mod judge;
pub mod model;
#[cfg(test)]
mod mutants;
mod random;
mod round;
mod sink;
mod speech;
mod step;
mod tally;
mod verdict;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use faults::Plan;
pub use tally::{Sort, Tally};

/// What a round was.
#[derive(Debug)]
pub struct Round {
    /// What decided it.
    pub seed: u64,
    /// What was to go wrong.
    pub plan: Plan,
    /// What did, and what came of it.
    pub tally: Tally,
    /// All that happened, as one number.
    pub trace: u64,
    /// What was not as it should be, if anything was.
    pub failure: Option<String>,
}

/// What will go wrong in the round of a seed.
pub fn plan(seed: u64) -> Plan {
    round::World::new(seed).1
}

/// Runs the round of a seed. A room's broken assertion is its failure, where panics unwind.
pub fn run(seed: u64) -> Round {
    let (mut world, plan) = round::World::new(seed);
    let ran = catch_unwind(AssertUnwindSafe(|| world.run(&plan)));
    let failure = match ran {
        Ok(Ok(())) => None,
        Ok(Err(what)) => Some(what),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
            Some(format!("a room broke its word: {}", text.unwrap_or("it does not say which")))
        }
    };
    Round { seed, plan, trace: world.trace, tally: std::mem::take(&mut world.tally), failure }
}
