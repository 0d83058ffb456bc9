//! The knee of every contestant: the highest steady rate that keeps its p99.
//!
//! After the rounds, each on a server of its own. The climb begins far below what a closed loop
//! gave, and has an end: what it did not come to is said.

use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::time::Duration;

use super::document::SuiteDocument;
use super::{Arguments, Shape, point};
use crate::knee::{Climb, Ladder, climb};
use crate::rival::Running;
use crate::{Failure, options};

/// Where it begins, as a share of the most that a closed loop gave.
const LOW: f64 = 1.0 / 16.0;
/// From one rate to the next.
const FACTOR: f64 = 2.0;
/// How far above a closed loop the climb may go.
const HIGH: f64 = 4.0;
/// For one contestant, the last rate aside.
const PATIENCE: Duration = Duration::from_secs(14);
/// Each rate, and what comes before and after it, at most.
const LENGTH: Duration = Duration::from_millis(700);
const WARMUP: Duration = Duration::from_millis(200);
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Looks for the knees of all who are there and gave anything.
pub(super) fn all(arguments: &Arguments, suite: &mut SuiteDocument, stop: &Arc<AtomicBool>) {
    for index in 0..arguments.contestants.len() {
        let Some(best) = suite.best(index).filter(|best| *best > 0.0) else { continue };
        if stop.load(Ordering::Relaxed) || suite.contestants[index].missing.is_some() {
            continue;
        }
        let found = one(arguments, index, best, stop);
        let entry = &mut suite.contestants[index];
        match found {
            // Half a climb has no knee.
            Ok(ladder) if ladder.partial => {}
            Ok(ladder) => (entry.knee, entry.knee_limit) = (ladder.knee, Some(ladder.limit)),
            Err(failure) => entry.knee_limit = Some(failure.sentence),
        }
    }
}

fn one(
    arguments: &Arguments,
    index: usize,
    best: f64,
    stop: &Arc<AtomicBool>,
) -> Result<Ladder, Failure> {
    let contestant = arguments.contestants[index];
    let (mut started, _) = contestant.options(arguments, None)?;
    let dir = arguments.dir.as_deref();
    let _running = Running::start(contestant.rival(), dir, &mut started, &[])?;
    let from = (best * LOW).max(1.0).round();
    let shape = Shape::Open { rate: from };
    let (mut run, _): (options::Arguments, _) = contestant.options(arguments, Some(shape))?;
    point(&mut run, &started);
    run.pace.duration = run.pace.duration.min(LENGTH);
    run.pace.warmup = run.pace.warmup.min(WARMUP);
    run.pace.timeout = LAST_ANSWERS;
    eprintln!("loadgen: {}, the knee", contestant.word());
    let way = Climb {
        from,
        to: (best * HIGH).clamp(from, 1e8),
        factor: FACTOR,
        p99: arguments.p99,
        tries: 2,
        patience: Some(PATIENCE),
    };
    climb(&run, &way, stop)
}
