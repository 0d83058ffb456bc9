//! What a run says in the end: one document, printed as a table, kept as JSON, read back to be
//! compared.
//!
//! Field names are for scripts and stay. Times are in ns, rates per second, shares of 1. What was
//! not measured is `null`, never 0.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::Failure;
use crate::load::tally::Counts;
use crate::options::Spoken;

/// The form of the JSON document.
pub(crate) const VERSION: u32 = 2;
/// Names what comes before the classes in `latency`: all of them but confirms and releases.
pub(crate) const ALL_PURCHASES: &str = "all_purchases";

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Document {
    pub(crate) version: u32,
    /// The version of this program.
    pub(crate) loadgen: String,
    /// When the run began, RFC 3339 in UTC.
    pub(crate) started_at: String,
    /// Whether a signal or a lost target ended it early.
    pub(crate) partial: bool,
    pub(crate) run: Run,
    pub(crate) machine: Machine,
    /// How an open loop kept its schedule; `null` in a closed one.
    pub(crate) schedule: Option<Kept>,
    /// Length of the measured part, to the last answer, in seconds.
    pub(crate) seconds: f64,
    pub(crate) orders: u64,
    pub(crate) orders_per_second: f64,
    pub(crate) answers_per_second: f64,
    pub(crate) counts: Counts,
    pub(crate) outcomes: Outcomes,
    /// From the intended and from the actual time of sending. In a closed loop they are the same.
    pub(crate) latency: BTreeMap<String, FromBoth>,
    pub(crate) cpu: CpuShares,
    /// What the server's own figures say of the measured time, if it was asked.
    pub(crate) server: Option<Server>,
    pub(crate) fairness: Option<Fairness>,
    pub(crate) checks: Vec<Check>,
    pub(crate) thresholds: Vec<Threshold>,
    pub(crate) first_error: Option<String>,
    /// The run second by second, warm-up included.
    pub(crate) intervals: Vec<Interval>,
}

/// The conditions.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    /// The command line that repeats it; secrets are never on it.
    pub(crate) command: String,
    pub(crate) target: String,
    pub(crate) protocol: Spoken,
    pub(crate) tls: bool,
    pub(crate) sale: String,
    pub(crate) items: Vec<String>,
    pub(crate) connections: usize,
    pub(crate) threads: usize,
    /// Closed loop: requests outstanding on a connection.
    pub(crate) pipeline: Option<usize>,
    /// Open loop: requests that may be outstanding on a connection.
    pub(crate) outstanding: Option<usize>,
    /// Open loop: the profile in words, like `steady 50,000/s, even`.
    pub(crate) profile: Option<String>,
    pub(crate) warmup_seconds: f64,
    pub(crate) zipf: f64,
    pub(crate) buyers: Option<u64>,
    pub(crate) seed: u64,
    /// What else the mix holds, in words: `duplicates` -> `0.1`.
    pub(crate) mix: BTreeMap<String, String>,
}

/// Where it ran: the generator's machine.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Machine {
    pub(crate) processor: Option<String>,
    pub(crate) processors: usize,
    pub(crate) memory_bytes: Option<u64>,
    pub(crate) system: String,
}

/// How an open loop kept its schedule.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Kept {
    /// Mean of the profile over the measured time.
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
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Outcomes {
    pub(crate) given: BTreeMap<String, u64>,
    pub(crate) replayed: BTreeMap<String, u64>,
    /// Purchases that were given a place on the waiting list.
    pub(crate) waiting: BTreeMap<String, u64>,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) confirm: BTreeMap<String, u64>,
    pub(crate) release: BTreeMap<String, u64>,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct FromBoth {
    pub(crate) from_intended: Percentiles,
    pub(crate) from_sent: Percentiles,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Percentiles {
    pub(crate) count: u64,
    pub(crate) mean_ns: f64,
    pub(crate) min_ns: u64,
    pub(crate) p50_ns: u64,
    pub(crate) p90_ns: u64,
    pub(crate) p99_ns: u64,
    pub(crate) p99_9_ns: u64,
    pub(crate) p99_99_ns: u64,
    pub(crate) max_ns: u64,
    /// Percentile (0 to 100) and ns, finer towards 100: what a plot by percentile shows. The last
    /// one is the maximum, at 100.
    pub(crate) distribution: Vec<(f64, u64)>,
}

/// CPU time in processors: 1 is one of them busy all the time.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct CpuShares {
    pub(crate) generator: Option<f64>,
    pub(crate) server: Option<f64>,
}

/// From the server's metrics: the difference between the end and the beginning of the measured
/// time. Percentiles are those of its histograms' buckets, so they are upper bounds.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Server {
    pub(crate) version: Option<String>,
    pub(crate) syncs: Option<u64>,
    pub(crate) records_per_batch: Option<f64>,
    pub(crate) sync: Option<Spread>,
    pub(crate) shed: Option<u64>,
    /// Requests decided before one that another shard had read earlier.
    pub(crate) inversions: Option<u64>,
    /// Stage (`read`, `ring`, ...) to the time spent there, ns.
    pub(crate) stages: BTreeMap<String, Spread>,
    /// Thread to the share of its time that it worked.
    pub(crate) busy: BTreeMap<String, f64>,
}

/// How far the decided order departs from the order of sending.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Fairness {
    /// Orders compared.
    pub(crate) orders: u64,
    /// Orders past the bound of memory.
    pub(crate) unchecked: u64,
    pub(crate) from_intended: Departure,
    pub(crate) from_sent: Departure,
    /// Place by actual sending and place by decision, from 0; some 2,000 of them, the largest
    /// departures always among them.
    pub(crate) points: Vec<(u64, u64)>,
    /// What the server's own journal says, if it could be read.
    pub(crate) journal: Option<Check>,
}

/// One order against another.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Departure {
    /// Share of orders that somebody overtook who was sent later.
    pub(crate) overtaken_share: f64,
    /// Places between where an order was decided and where it was sent.
    pub(crate) places: Spread,
    /// ns by which the latest sender that overtook an order was behind it; 0 if nobody did.
    pub(crate) overtaken_ns: Spread,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spread {
    pub(crate) p50: u64,
    pub(crate) p90: u64,
    pub(crate) p99: u64,
    pub(crate) p99_9: u64,
    pub(crate) max: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Check {
    pub(crate) name: String,
    pub(crate) passed: bool,
    pub(crate) detail: String,
}

/// What the run had to keep to, as it was asked for.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Threshold {
    /// Like `p99<5ms`.
    pub(crate) text: String,
    /// What was measured, in the threshold's terms.
    pub(crate) measured: String,
    pub(crate) passed: bool,
}

/// One second of a run. Latencies are those of all purchases answered in it.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Interval {
    /// Its end, in seconds since the first request, warm-up included.
    pub(crate) at_seconds: f64,
    pub(crate) seconds: f64,
    /// Whether it belongs to the measured time.
    pub(crate) measured: bool,
    /// Purchases that came due in it; `null` in a closed loop.
    pub(crate) due: Option<u64>,
    pub(crate) sent: u64,
    pub(crate) given: u64,
    pub(crate) replayed: u64,
    /// Purchases that were given a place on the waiting list.
    pub(crate) waiting: u64,
    pub(crate) refused: BTreeMap<String, u64>,
    pub(crate) failed: u64,
    /// Confirms and releases answered.
    pub(crate) followed: u64,
    /// Requests without an answer at its end.
    pub(crate) outstanding: u64,
    pub(crate) intended: Percentiles,
    pub(crate) from_sent: Percentiles,
    /// The first item's units at its end, if the server was asked.
    pub(crate) stock: Option<Stock>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stock {
    pub(crate) stock: u64,
    pub(crate) free: u64,
    pub(crate) held: u64,
    pub(crate) confirmed: u64,
    pub(crate) waiting: u64,
}

impl Document {
    /// 0; 69 if the target went away altogether, 1 if a check failed, 99 if a threshold was missed,
    /// or half a run is all there is to judge it by: the first that applies.
    pub(crate) fn exit_code(&self) -> u8 {
        if self.counts.connections_lost >= self.run.connections as u64 {
            Failure::UNAVAILABLE
        } else if self.checks.iter().any(|check| !check.passed) {
            Failure::CHECK
        } else if self.thresholds.iter().any(|threshold| !threshold.passed)
            || self.partial && !self.thresholds.is_empty()
        {
            Failure::THRESHOLD
        } else {
            0
        }
    }
}

impl Document {
    /// The kinds of answers that came, by name: all purchases, sold and refused first.
    pub(crate) fn answered_kinds(&self) -> Vec<(&str, &FromBoth)> {
        const FIRST: [&str; 3] = [ALL_PURCHASES, "given", "refused"];
        let mut kinds: Vec<_> = self.latency.iter().map(|(name, of)| (name.as_str(), of)).collect();
        kinds.retain(|(_, of)| of.from_intended.count > 0);
        kinds.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(9));
        kinds
    }
}

impl Server {
    /// Where it spent its time, in the order of an order's way; its disk first.
    pub(crate) fn times(&self) -> Vec<(&str, &Spread)> {
        const WAY: [&str; 5] = ["read", "ring", "matched", "durable", "written"];
        let mut times: Vec<_> =
            self.stages.iter().map(|(stage, of)| (stage.as_str(), of)).collect();
        times.sort_by_key(|(stage, _)| WAY.iter().position(|way| way == stage).unwrap_or(9));
        times.splice(0..0, self.sync.iter().map(|sync| ("disk sync", sync)));
        times
    }
}

impl Percentiles {
    /// As columns: count, p50, p90, p99, p99.9, p99.99, max.
    pub(crate) fn columns(&self) -> [u64; 7] {
        let high = [self.p99_9_ns, self.p99_99_ns, self.max_ns];
        [self.count, self.p50_ns, self.p90_ns, self.p99_ns, high[0], high[1], high[2]]
    }
}
