//! What a run says in the end: one document, printed as a table or as JSON.
//!
//! Field names are for scripts and stay. Times are in ns, rates per second, shares of 1.

use std::collections::BTreeMap;

use doorbuster::message::outcome;
use hdrhistogram::Histogram;
use serde::Serialize;

use super::options::{Arguments, Spoken};
use super::proof::Findings;
use super::tally::{ByOutcome, CLASSES, Counts, Latency};
use super::{Cpu, Outcome};
use crate::Failure;

/// The form of the JSON document.
const VERSION: u32 = 1;
/// Names what comes before the classes in `latency`: all of them but confirms and releases.
pub(crate) const ALL_PURCHASES: &str = "all_purchases";
/// The share of requests that may be late, or of the rate that may be missing.
const MISSED_SHARE: f64 = 0.01;

#[derive(Serialize)]
pub(crate) struct Report {
    version: u32,
    loadgen: &'static str,
    /// Whether a signal ended it early.
    pub(crate) partial: bool,
    pub(crate) run: Run,
    pub(crate) schedule: Option<Kept>,
    /// Length of the measured part, to the last answer, in seconds.
    pub(crate) seconds: f64,
    pub(crate) orders: u64,
    pub(crate) orders_per_second: f64,
    pub(crate) answers_per_second: f64,
    pub(crate) counts: Counts,
    pub(crate) outcomes: Outcomes,
    /// From the intended and from the actual time of sending. In a closed loop they are the same.
    pub(crate) latency: BTreeMap<&'static str, FromBoth>,
    pub(crate) cpu: CpuShares,
    pub(crate) checks: Vec<Check>,
    pub(crate) first_error: Option<String>,
}

/// The conditions.
#[derive(Serialize)]
pub(crate) struct Run {
    pub(crate) target: String,
    pub(crate) protocol: Spoken,
    sale: String,
    items: Vec<String>,
    pub(crate) connections: usize,
    threads: usize,
    pub(crate) pipeline: Option<usize>,
    outstanding: Option<usize>,
    pub(crate) rate: Option<f64>,
    pub(crate) warmup_seconds: f64,
    zipf: f64,
    buyers: Option<u64>,
    units: u32,
    duplicates: f64,
    confirm: f64,
    release: f64,
    seed: u64,
}

/// How an open loop kept its schedule.
#[derive(Serialize)]
pub(crate) struct Kept {
    pub(crate) offered_per_second: f64,
    pub(crate) sent_per_second: f64,
    /// More than 1 ms late because the generator was busy, of all that were due.
    pub(crate) late_generator_share: f64,
    /// More than 1 ms late, or never sent, because connections were full or dead.
    pub(crate) late_connection_share: f64,
    /// The latest that the generator itself was, in ns.
    pub(crate) latest_ns: u64,
    /// Whether the schedule was missed by more than 1 %: the figures are not those of the rate.
    pub(crate) missed: bool,
}

/// Answers by the contract's words.
#[derive(Serialize)]
pub(crate) struct Outcomes {
    pub(crate) given: BTreeMap<&'static str, u64>,
    pub(crate) replayed: BTreeMap<&'static str, u64>,
    pub(crate) refused: BTreeMap<&'static str, u64>,
    pub(crate) confirm: BTreeMap<&'static str, u64>,
    pub(crate) release: BTreeMap<&'static str, u64>,
}

#[derive(Serialize)]
pub(crate) struct FromBoth {
    pub(crate) from_intended: Percentiles,
    pub(crate) from_sent: Percentiles,
}

#[derive(Serialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    mean_ns: f64,
    min_ns: u64,
    pub(crate) p50_ns: u64,
    p90_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p99_9_ns: u64,
    pub(crate) p99_99_ns: u64,
    pub(crate) max_ns: u64,
}

/// CPU time in processors: 1 is one of them busy all the time.
#[derive(Serialize)]
pub(crate) struct CpuShares {
    pub(crate) generator: Option<f64>,
    pub(crate) server: Option<f64>,
}

#[derive(Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

impl Report {
    pub(crate) fn new(arguments: &Arguments, outcome: Outcome) -> Report {
        let Outcome { books, measured_from, stopped_at, partial, cpu } = outcome;
        let tally = books.tally;
        let sending = stopped_at.saturating_sub(measured_from) as f64 / 1e9;
        let ended = tally.last_answer.max(stopped_at).max(measured_from);
        let seconds = (ended - measured_from) as f64 / 1e9;
        let per = |count: u64, seconds: f64| {
            if seconds > 0.0 { count as f64 / seconds } else { 0.0 }
        };
        let counts = tally.counts;
        let mut latency = BTreeMap::from([(ALL_PURCHASES, both(&tally.purchases()))]);
        for (class, name) in CLASSES {
            latency.insert(name, both(tally.latency(class)));
        }
        Report {
            version: VERSION,
            loadgen: env!("CARGO_PKG_VERSION"),
            partial,
            run: Run::new(arguments),
            schedule: arguments.rate.map(|rate| {
                let of_due = |count: u64| count as f64 / counts.scheduled.max(1) as f64;
                let late_generator_share = of_due(counts.late_generator);
                let late_connection_share = of_due(counts.late_connection + counts.unsent);
                let missed = late_generator_share + late_connection_share > MISSED_SHARE;
                let sent_per_second = per(counts.sent, sending);
                let latest_ns = tally.latest;
                Kept {
                    offered_per_second: rate,
                    sent_per_second,
                    late_generator_share,
                    late_connection_share,
                    latest_ns,
                    missed,
                }
            }),
            seconds,
            orders: tally.orders(),
            orders_per_second: per(tally.orders(), seconds),
            answers_per_second: per(counts.answers, seconds),
            counts,
            outcomes: Outcomes {
                given: by_word(&tally.given),
                replayed: by_word(&tally.replayed),
                refused: by_word(&tally.refused),
                confirm: by_word(&tally.confirms),
                release: by_word(&tally.releases),
            },
            latency,
            cpu: CpuShares::new(&cpu),
            checks: checks(&books.proof.found, &counts),
            first_error: tally.first_error,
        }
    }

    /// 0, 1 if a check failed, 69 if the target went away altogether.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.counts.connections_lost >= self.run.connections as u64 {
            Failure::UNAVAILABLE
        } else if self.checks.iter().any(|check| !check.passed) {
            Failure::CHECK
        } else {
            0
        }
    }
}

impl Run {
    fn new(arguments: &Arguments) -> Run {
        let open = arguments.rate.is_some();
        Run {
            target: arguments.target.to_string(),
            protocol: arguments.protocol,
            sale: arguments.sale.clone(),
            items: arguments.item.clone(),
            connections: arguments.connections,
            threads: arguments.threads,
            pipeline: (!open).then_some(arguments.pipeline),
            outstanding: open.then_some(arguments.outstanding),
            rate: arguments.rate,
            warmup_seconds: arguments.warmup.as_secs_f64(),
            zipf: arguments.zipf,
            buyers: arguments.buyers,
            units: arguments.units,
            duplicates: arguments.duplicates,
            confirm: arguments.confirm,
            release: arguments.release,
            seed: arguments.seed,
        }
    }
}

impl CpuShares {
    fn new(cpu: &Cpu) -> CpuShares {
        let share = |seconds: Option<f64>| seconds.filter(|_| cpu.wall > 0.0).map(|s| s / cpu.wall);
        CpuShares { generator: share(cpu.generator), server: share(cpu.server) }
    }
}

fn both(latency: &Latency) -> FromBoth {
    FromBoth {
        from_intended: Percentiles::new(&latency.intended),
        from_sent: Percentiles::new(&latency.sent),
    }
}

impl Percentiles {
    pub(crate) fn new(histogram: &Histogram<u64>) -> Percentiles {
        let at = |percent: f64| histogram.value_at_quantile(percent / 100.0);
        Percentiles {
            count: histogram.len(),
            mean_ns: histogram.mean(),
            min_ns: histogram.min(),
            p50_ns: at(50.0),
            p90_ns: at(90.0),
            p99_ns: at(99.0),
            p99_9_ns: at(99.9),
            p99_99_ns: at(99.99),
            max_ns: histogram.max(),
        }
    }

    /// As columns: count, p50, p90, p99, p99.9, p99.99, max.
    pub(crate) fn columns(&self) -> [u64; 7] {
        let high = [self.p99_9_ns, self.p99_99_ns, self.max_ns];
        [self.count, self.p50_ns, self.p90_ns, self.p99_ns, high[0], high[1], high[2]]
    }
}

fn by_word(counts: &ByOutcome) -> BTreeMap<&'static str, u64> {
    let mut words = BTreeMap::new();
    for (number, count) in (0..=u8::MAX).zip(counts).filter(|(_, count)| **count > 0) {
        *words.entry(outcome::word(number)).or_insert(0) += count;
    }
    words
}

fn checks(found: &Findings, counts: &Counts) -> Vec<Check> {
    let none = |name: &'static str, bad: u64, note: String| Check {
        name,
        passed: bad == 0,
        detail: if bad == 0 { note } else { format!("{bad} times not") },
    };
    let unchecked = match found.unchecked {
        0 => String::new(),
        count => format!("{count} answers not checked: past the bound of memory"),
    };
    let failed = counts.timeouts + counts.lost + counts.errors;
    let repeats = format!("{} answers to repeated keys compared", found.repeats);
    let answers = format!(
        "{} timed out, {} lost with their connection, {} errors",
        counts.timeouts, counts.lost, counts.errors
    );
    vec![
        none("each order given to one key", found.order_given_twice, unchecked),
        none("each key given one order", found.key_with_two_orders, repeats),
        none("confirms and releases of the order named", found.wrong_order, String::new()),
        none("answers in the order of requests", found.out_of_order, String::new()),
        Check {
            name: "every request answered",
            passed: failed == 0 && counts.connections_lost == 0,
            detail: if failed == 0 { String::new() } else { answers },
        },
    ]
}
