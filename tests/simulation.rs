//! The drill: rounds of a whole house on one thread, each under a seed. `doorbuster drill` runs
//! more of them, and any of these again.

use doorbuster::drill;

/// Rounds in a run of the usual length.
const ROUNDS: u64 = 100;

#[test]
fn whatever_goes_wrong_what_was_told_is_there_and_the_law_is_kept() {
    let first = std::env::var("SEED").map_or(1, |text| text.parse().expect("a number"));
    let rounds = std::env::var("ROUNDS").map_or(ROUNDS, |text| text.parse().expect("a number"));
    let mut tally = drill::Tally::default();
    let mut failed = 0;
    let start = std::time::Instant::now();
    for seed in first..first + rounds {
        let round = drill::run(seed);
        tally.merge(&round.tally);
        if let Some(what) = &round.failure {
            println!("seed {seed}: {what}\n{}", round.plan);
            failed += 1;
            if failed > 5 {
                break;
            }
        }
    }
    println!("{:?}", start.elapsed());
    for sort in [drill::Sort::Fault, drill::Sort::Outcome] {
        for (what, count) in tally.all(sort) {
            println!("{count:>8} {what}");
        }
    }
    assert_eq!(failed, 0);
}
