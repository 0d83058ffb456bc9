//! A made-up suite for tests, with figures that are easy to recognize.

use super::document::SuiteDocument;
use super::{Contestant, Shape};
use crate::bare;
use crate::report::sample;

const ROUND: [f64; 4] = [1.0, 5.0, 0.0, 0.0];

/// Ours, two rivals that sync before an answer, one that does not, one that is missing.
pub(super) fn suite() -> SuiteDocument {
    let contestants = [
        (Contestant::Doorbuster, 100e3),
        (Contestant::RedisAlways, 10e3),
        (Contestant::RedisEverysec, 50e3),
        (Contestant::PostgresBatch, 20e3),
        (Contestant::PostgresUnits, 0.0),
    ];
    let shapes = [
        Shape::Closed { pipeline: 1 },
        Shape::Closed { pipeline: 16 },
        Shape::Open { rate: 1e3 },
        Shape::Open { rate: 50e3 },
    ];
    let line = |what: &str, per_second, p50_ns| bare::Line {
        what: what.to_owned(),
        per_second,
        p50_ns,
        p99_ns: p50_ns * 2,
        p99_9_ns: p50_ns * 3,
    };
    let bare = vec![
        line("fdatasync of 4 KiB", 5e3, 200_000),
        line("loopback, 64-byte frames, 1 deep", 50e3, 20_000),
        line("loopback, 64-byte frames, 1024 deep", 2e6, 500_000),
    ];
    let names: Vec<Contestant> = contestants.iter().map(|(contestant, _)| *contestant).collect();
    let mut suite = SuiteDocument::new(bare, &names, &shapes);
    for (index, (_, orders)) in contestants.into_iter().enumerate() {
        if orders == 0.0 {
            suite.contestants[index].missing = Some("it is not <installed>".to_owned());
            continue;
        }
        for (place, shape) in shapes.into_iter().enumerate() {
            let mut run = match shape {
                Shape::Closed { .. } => sample::closed(),
                Shape::Open { .. } => sample::flash(),
            };
            run.orders_per_second = match shape {
                Shape::Closed { .. } => orders * ROUND[place],
                Shape::Open { rate } if rate > orders * 1.2 => {
                    suite
                        .row(index, place)
                        .note("not driven: its closed loop had given 20,000".to_owned());
                    continue;
                }
                Shape::Open { rate } => rate,
            };
            let all = run.latency.get_mut(crate::report::document::ALL_PURCHASES).expect("there");
            all.from_intended.p50_ns = 300_000 * (index as u64 + 1);
            all.from_intended.p99_ns = 900_000 * (index as u64 + 1) * (place as u64 + 1);
            run.run.command = format!("loadgen rival x --place {place}");
            run.run.mix.insert("server".to_owned(), "A server <1>".to_owned());
            run.run.mix.insert("durability".to_owned(), "all".to_owned());
            suite.row(index, place).runs.push(run);
        }
    }
    suite.conclude();
    suite
}
