//! Proof that the drill bites: with each deliberate fault it fails within few rounds, and without
//! any it does not.

use super::run;
use crate::mutant::{ALL, Mutant, inherit};

/// Rounds within which each must be found.
const ROUNDS_MAX: u64 = 400;

fn first_failure(mutant: Option<Mutant>, rounds: u64) -> Option<(u64, String)> {
    inherit(mutant);
    let failed = (1..=rounds).find_map(|seed| Some((seed, run(seed).failure?)));
    inherit(None);
    failed
}

#[test]
fn every_deliberate_fault_is_found_and_without_one_nothing_is() {
    let found: Vec<(Mutant, Option<(u64, String)>)> =
        ALL.into_iter().map(|mutant| (mutant, first_failure(Some(mutant), ROUNDS_MAX))).collect();
    let missed: Vec<&Mutant> =
        found.iter().filter(|(_, found)| found.is_none()).map(|(mutant, _)| mutant).collect();
    assert!(missed.is_empty(), "{missed:?} went unseen for {ROUNDS_MAX} rounds of {found:#?}");
    let last = found.iter().filter_map(|(_, found)| Some(found.as_ref()?.0)).max();
    let sound = first_failure(None, last.expect("each was found"));
    assert_eq!(sound, None, "the drill finds faults where there are none");
}
