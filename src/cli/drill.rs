//! `doorbuster drill`: rounds of a whole house on one thread, each under its seed, with everything
//! going wrong that can. Says what was wrong in which round, how to see it again, and counts.

use std::fmt::Write as _;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use doorbuster::drill::{self, Round, Sort, Tally};
use serde_json::json;

use super::words::count;
use super::{Drill, FAILED, FINE, delivered};

/// Failures that are told in full; more are only counted.
const TOLD_MAX: u64 = 10;
/// Rounds, if neither their number nor a time is given.
const ROUNDS: u64 = 1_000;

/// The seed of the round that runs: a broken assertion may end the process.
static SEED: AtomicU64 = AtomicU64::new(0);

/// What all rounds together were.
struct Sum {
    tally: Tally,
    rounds: u64,
    failed: Vec<u64>,
    took: Duration,
}

/// Drills. Returns the exit code.
pub(super) fn run(arguments: &Drill) -> i32 {
    tell_of_panics();
    let start = Instant::now();
    let until = arguments.seconds.map(|seconds| start + Duration::from_secs(seconds));
    let rounds = match (arguments.rounds, until) {
        (Some(rounds), _) => rounds,
        (None, Some(_)) => u64::MAX,
        (None, None) => ROUNDS,
    };
    let mut sum =
        Sum { tally: Tally::default(), rounds: 0, failed: Vec::new(), took: start.elapsed() };
    let mut out = std::io::stdout().lock();
    while sum.rounds < rounds && until.is_none_or(|until| Instant::now() < until) {
        let seed = arguments.seed.wrapping_add(sum.rounds);
        SEED.store(seed, Relaxed);
        let round = drill::run(seed);
        let mut text = String::new();
        if arguments.plans || rounds == 1 {
            text = format!("seed {seed}, trace {:016x}\n{}\n", round.trace, round.plan);
        }
        sum.tally.merge(&round.tally);
        sum.rounds += 1;
        if let Some(what) = &round.failure {
            sum.failed.push(seed);
            if sum.failed.len() as u64 <= TOLD_MAX {
                text += &failure(&round, what);
            }
        }
        let is_told = !arguments.json && !text.is_empty();
        if is_told && out.write_all(text.as_bytes()).is_err() {
            break;
        }
    }
    sum.took = start.elapsed();
    let text = if arguments.json { as_json(arguments, &sum) } else { as_text(arguments, &sum) };
    let code = delivered(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
    if code == FINE && !sum.failed.is_empty() { FAILED } else { code }
}

fn failure(round: &Round, what: &str) -> String {
    let Round { seed, plan, .. } = round;
    format!("FAILED, seed {seed}: {what}\n{plan}\n  again: {}\n", again(*seed))
}

fn again(seed: u64) -> String {
    format!("doorbuster drill --seed {seed} --rounds 1")
}

/// A room that breaks its word ends the process; before that it is said in which round.
fn tell_of_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let seed = SEED.load(Relaxed);
        let plan = drill::plan(seed);
        let text = format!(
            "FAILED, seed {seed}: a room broke its word: {panic}\n{plan}\n  again: {}\n",
            again(seed)
        );
        // Nobody may be listening; the exit code says it too.
        let _ = std::io::stderr().write_all(text.as_bytes());
        std::process::exit(FAILED);
    }));
}

fn as_text(arguments: &Drill, sum: &Sum) -> String {
    let mut text = String::new();
    for (sort, title) in [(Sort::Fault, "Faults"), (Sort::Outcome, "Outcomes")] {
        let _ = writeln!(text, "\n{title}");
        for (what, number) in sum.tally.all(sort) {
            let _ = writeln!(text, "  {what:<46}{:>12}", count(number));
        }
    }
    let seconds = sum.took.as_secs_f64();
    let a_second = sum.rounds as f64 / seconds.max(1e-9);
    let last = arguments.seed.wrapping_add(sum.rounds.saturating_sub(1));
    let _ = writeln!(
        text,
        "\nSeeds {} to {last}: {} rounds in {seconds:.1} s, {a_second:.0} a second, {} failed",
        arguments.seed,
        count(sum.rounds),
        count(sum.failed.len() as u64),
    );
    text
}

fn as_json(arguments: &Drill, sum: &Sum) -> String {
    let of = |sort| {
        let all = sum.tally.all(sort).map(|(what, number)| (what.to_owned(), json!(number)));
        serde_json::Value::Object(all.collect())
    };
    let told = json!({
        "first_seed": arguments.seed,
        "rounds": sum.rounds,
        "seconds": sum.took.as_secs_f64(),
        "failed_seeds": sum.failed,
        "faults": of(Sort::Fault),
        "outcomes": of(Sort::Outcome),
    });
    format!("{told}\n")
}
