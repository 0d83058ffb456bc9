//! Made-up runs for tests, with figures that are easy to recognize.

use std::collections::BTreeMap;

use super::document::{
    ALL_PURCHASES, Check, CpuShares, Departure, Document, Fairness, FromBoth, Interval, Kept,
    Machine, Outcomes, Percentiles, Run, Server, Spread, Stock, VERSION,
};
use crate::load::tally::Counts;
use crate::options::Spoken;

const MS: u64 = 1_000_000;

/// For eyes and other tools: `LOADGEN_PAGES=folder` keeps what the tests look at.
pub(crate) fn keep(name: &str, bytes: impl AsRef<[u8]>) {
    if let Some(folder) = std::env::var_os("LOADGEN_PAGES") {
        std::fs::write(std::path::Path::new(&folder).join(name), bytes).expect("it is there");
    }
}

/// A closed loop of which as little as possible was measured.
pub(crate) fn closed() -> Document {
    let counts = Counts { scheduled: 20_000, sent: 20_000, answers: 20_000, ..Counts::default() };
    let all = percentiles(20_000, 120_000, 2 * MS, 9 * MS);
    let none = || both(Percentiles::default(), Percentiles::default());
    Document {
        version: VERSION,
        loadgen: "0.1.0".to_owned(),
        started_at: "2026-11-27T20:00:00Z".to_owned(),
        partial: false,
        run: Run {
            command: "loadgen run --sale drop --item tee".to_owned(),
            target: "127.0.0.1:7400".to_owned(),
            protocol: Spoken::Binary,
            tls: false,
            sale: "drop".to_owned(),
            items: vec!["tee".to_owned()],
            connections: 64,
            threads: 1,
            pipeline: Some(16),
            outstanding: None,
            profile: None,
            warmup_seconds: 1.0,
            zipf: 1.0,
            buyers: None,
            seed: 1,
            mix: [("duplicates".to_owned(), "0".to_owned())].into(),
        },
        machine: Machine { processors: 2, system: "Linux 6.1".to_owned(), ..Machine::default() },
        schedule: None,
        seconds: 2.0,
        orders: 20_000,
        orders_per_second: 10_000.0,
        answers_per_second: 10_000.0,
        counts,
        outcomes: Outcomes { given: [("held".to_owned(), 20_000)].into(), ..Outcomes::default() },
        latency: BTreeMap::from([
            (ALL_PURCHASES.to_owned(), both(all.clone(), all.clone())),
            ("given".to_owned(), both(all.clone(), all)),
            ("replayed".to_owned(), none()),
            ("refused".to_owned(), none()),
            ("confirm_release".to_owned(), none()),
            ("failed".to_owned(), none()),
        ]),
        cpu: CpuShares::default(),
        server: None,
        fairness: None,
        checks: vec![check("each key given one order", "0 answers to repeated keys compared")],
        thresholds: Vec::new(),
        first_error: None,
        intervals: Vec::new(),
    }
}

/// 50,000 purchases a second for 8 s after 1 s of warm-up, at 5,000 units; everything measured.
pub(crate) fn flash() -> Document {
    let mut run = closed();
    (run.run.pipeline, run.run.outstanding) = (None, Some(1024));
    run.run.profile = Some("steady 50,000/s, Poisson".to_owned());
    run.machine.processor = Some("A processor at 2.4 GHz".to_owned());
    run.machine.memory_bytes = Some(8_321_499_136);
    run.seconds = 8.002;
    run.schedule = Some(Kept {
        offered_per_second: 50_000.0,
        sent_per_second: 49_991.0,
        late_generator_share: 0.0003,
        late_connection_share: 0.0001,
        latest_ns: 3 * MS,
        missed: false,
    });
    run.orders = 5_000;
    run.orders_per_second = 625.0;
    run.answers_per_second = 49_990.0;
    run.counts = Counts {
        scheduled: 400_000,
        sent: 400_000,
        repeats_sent: 4,
        followed: 4_000,
        answers: 404_000,
        ..Counts::default()
    };
    run.outcomes = Outcomes {
        given: [("held".to_owned(), 5_000)].into(),
        replayed: [("held".to_owned(), 2)].into(),
        waiting: BTreeMap::new(),
        refused: [("sold_out".to_owned(), 390_998), ("limit_reached".to_owned(), 4_000)].into(),
        confirm: [("confirmed".to_owned(), 3_000), ("hold_expired".to_owned(), 12)].into(),
        release: [("released".to_owned(), 988)].into(),
    };
    let intended = percentiles(400_000, 310_000, 4_200_000, 42 * MS);
    let sent = percentiles(400_000, 240_000, 1_900_000, 8 * MS);
    for (name, count) in [
        (ALL_PURCHASES, 400_000),
        ("given", 5_000),
        ("replayed", 2),
        ("refused", 394_998),
        ("confirm_release", 4_000),
    ] {
        let counted = |of: &Percentiles| Percentiles { count, ..of.clone() };
        run.latency.insert(name.to_owned(), both(counted(&intended), counted(&sent)));
    }
    run.cpu = CpuShares { generator: Some(0.31), server: Some(0.88) };
    run.server = Some(Server {
        inversions: Some(0),
        busy: [("matcher".to_owned(), 0.42), ("journal".to_owned(), 0.61)].into(),
        version: Some("0.1.0".to_owned()),
        syncs: Some(18_204),
        records_per_batch: Some(0.48),
        sync: Some(spread(210_000)),
        shed: Some(0),
        stages: ["read", "ring", "matched", "durable", "written"]
            .into_iter()
            .zip([4_000, 9_000, 2_000, 260_000, 12_000])
            .map(|(stage, p50)| (stage.to_owned(), spread(p50)))
            .collect(),
    });
    run.fairness = Some(fairness());
    run.checks.insert(0, check("not oversold", "5,000 units of 5,000"));
    run.intervals = (0..9).map(interval).collect();
    run
}

fn check(name: &str, detail: &str) -> Check {
    Check { name: name.to_owned(), passed: true, detail: detail.to_owned() }
}

fn both(from_intended: Percentiles, from_sent: Percentiles) -> FromBoth {
    FromBoth { from_intended, from_sent }
}

/// With a distribution that passes through all of them.
pub(crate) fn percentiles(count: u64, p50: u64, p99: u64, max: u64) -> Percentiles {
    let knots = [p50 / 2, p50, (p50 + p99) / 2, p99, p99 + (max - p99) / 2, max - max / 20];
    let places = [0.0, 0.301, 1.0, 2.0, 3.0, 4.0, 5.0];
    let values = [knots[0], knots[1], knots[2], knots[3], knots[4], knots[5], max];
    let at = |nines: f64| {
        let after = places.iter().position(|place| *place > nines).unwrap_or(6).max(1);
        let (from, to) = (values[after - 1] as f64, values[after] as f64);
        let part = (nines - places[after - 1]) / (places[after] - places[after - 1]);
        (from * (to / from).powf(part)) as u64
    };
    let steps = (0..60).map(|step| f64::from(step) / 12.0);
    let mut distribution: Vec<_> =
        steps.map(|nines| (100.0 - 100.0 / 10_f64.powf(nines), at(nines))).collect();
    distribution.push((100.0, max));
    Percentiles {
        count,
        mean_ns: p50 as f64 * 1.3,
        min_ns: p50 / 2,
        p50_ns: p50,
        p90_ns: knots[2],
        p99_ns: p99,
        p99_9_ns: knots[4],
        p99_99_ns: knots[5],
        max_ns: max,
        distribution,
    }
}

fn spread(p50: u64) -> Spread {
    Spread { p50, p90: p50 * 2, p99: p50 * 4, p99_9: p50 * 9, max: p50 * 30 }
}

fn fairness() -> Fairness {
    let departure = |places: u64, overtaken: u64, share: f64| Departure {
        overtaken_share: share,
        places: Spread { p50: 0, p90: 2, p99: 31, p99_9: places / 2, max: places },
        overtaken_ns: Spread { p50: 0, p90: 0, p99: 90_000, p99_9: overtaken / 2, max: overtaken },
    };
    let points = (0..1000).map(|index: u64| {
        let place = index * 5;
        (place, place.saturating_add_signed((index * 7919 % 61).cast_signed() * 4 - 120))
    });
    Fairness {
        orders: 5_000,
        unchecked: 0,
        from_intended: departure(840, 9_700_000, 0.062),
        from_sent: departure(212, 1_300_000, 0.031),
        points: points.collect(),
        journal: Some(check("decided in the order of arrival", "5,000 records, 0 inversions")),
    }
}

fn interval(second: u64) -> Interval {
    let given = if second < 4 { 1_250 } else { 0 };
    let free = 5_000_u64.saturating_sub(1_250 * (second + 1));
    let confirmed = (5_000 - free) * 3 / 5 * second / 8;
    Interval {
        at_seconds: second as f64 + 1.0,
        seconds: 1.0,
        measured: second > 0,
        due: Some(50_000),
        sent: 49_990 + second,
        given,
        replayed: 40,
        waiting: 0,
        refused: [
            ("sold_out".to_owned(), 49_000 - given),
            ("limit_reached".to_owned(), 400),
            ("rate_limited".to_owned(), 300),
        ]
        .into(),
        failed: if second == 5 { 2_000 } else { 0 },
        followed: given,
        outstanding: 20,
        intended: percentiles(
            49_990,
            300_000 + second * 9_000,
            (4 + second * 3 % 5) * MS,
            (20 + second * 7 % 11 * 5) * MS,
        ),
        from_sent: percentiles(49_990, 290_000, 2 * MS, 18 * MS),
        stock: Some(Stock {
            stock: 5_000,
            free,
            held: 5_000 - free - confirmed,
            confirmed,
            waiting: 0,
        }),
    }
}
