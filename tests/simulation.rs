//! The drill: rounds of a whole house on one thread, each under a seed. `doorbuster drill` runs
//! more of them, and any of these again.

use doorbuster::drill::{self, Sort, Tally};

/// Rounds in a run of the usual length; `DOORBUSTER_DRILL_ROUNDS` asks for a longer one.
const ROUNDS: u64 = 150;

/// What must have gone wrong in a run of the usual length.
const FAULTS: [&str; 30] = [
    "clean stop",
    "connection broken",
    "connection half closed",
    "disk: full",
    "disk: no descriptor",
    "disk: short write",
    "disk: slow sync",
    "disk: write, sync or name failed",
    "power cut amid a write or a sync",
    "power cut, a bit of a torn write flipped",
    "power cut, a write torn",
    "power cut, unsynced writes kept",
    "power cut, unsynced writes lost",
    "power cut, writes reordered",
    "process killed",
    "room stalled",
    "segment missing",
    "segment stale",
    "segments swapped",
    "sink: answer lost",
    "sink: changes lost",
    "sink: checkpoint failed",
    "sink: refused",
    "synced bit flipped",
    "time passed at a stroke",
    "wall clock stepped back",
    "wall clock stepped on",
    // Not faults, but what they are for.
    "changes lost that were never told",
    "damage refused by name",
    "torn ends cut",
];

/// What must have come of it.
const OUTCOMES: [&str; 12] = [
    "confirmed",
    "expired",
    "held",
    "hold_expired",
    "key_reused",
    "left",
    "limit_reached",
    "price_changed",
    "released",
    "sold out, told by the shard",
    "sold_out",
    "waiting",
];

#[test]
fn whatever_goes_wrong_what_was_told_is_there_and_the_law_is_kept() {
    let wanted = std::env::var("DOORBUSTER_DRILL_ROUNDS");
    let rounds = wanted.map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut tally = Tally::default();
    for seed in 1..=rounds {
        let round = drill::run(seed);
        if let Some(what) = round.failure {
            panic!(
                "seed {seed}: {what}\n{}\nagain: doorbuster drill --seed {seed} --rounds 1",
                round.plan
            );
        }
        tally.merge(&round.tally);
    }
    for what in FAULTS.into_iter().chain(OUTCOMES) {
        assert!(tally.of(what) > 0, "in {rounds} rounds there was never: {what}");
    }
    assert_eq!(tally.of("all answered once faults had stopped"), rounds);
    assert_eq!(tally.of("damage refused by name"), {
        ["segment missing", "segment stale", "segments swapped", "synced bit flipped"]
            .iter()
            .map(|what| tally.of(what))
            .sum::<u64>()
    });
}

#[test]
fn a_seed_gives_the_same_round_again() {
    let told = |tally: &Tally| -> Vec<(&'static str, u64)> {
        tally.all(Sort::Fault).chain(tally.all(Sort::Outcome)).collect()
    };
    let mut traces = Vec::new();
    for seed in [3, 42, 1_000_000_007, u64::MAX] {
        let (first, second) = (drill::run(seed), drill::run(seed));
        assert_eq!(first.trace, second.trace, "seed {seed}");
        assert_eq!(told(&first.tally), told(&second.tally), "seed {seed}");
        assert_eq!(first.plan.to_string(), drill::plan(seed).to_string(), "seed {seed}");
        traces.push(first.trace);
    }
    traces.dedup();
    assert_eq!(traces.len(), 4, "another seed is another round");
}
