//! Makes the document of a run out of its books.

use std::collections::BTreeMap;

use doorbuster::message::outcome;
use hdrhistogram::Histogram;

use super::checks::{Stock, checks};
use super::document::{
    ALL_PURCHASES, CpuShares, Document, FromBoth, Kept, Outcomes, Percentiles, Run, VERSION,
};
use super::fairness::fairness;
use super::witness::witness;
use crate::load::tally::{ByOutcome, CLASSES, Latency, Tally};
use crate::load::{Books, Outcome};
use crate::options::Arguments;

/// The share of requests that may be late, or of the rate that may be missing.
const MISSED_SHARE: f64 = 0.01;

/// The document; thresholds are the caller's to add.
pub(crate) fn make(arguments: &Arguments, outcome: Outcome) -> Document {
    let Outcome { books, measured_from, stopped_at, partial, cpu, .. } = outcome;
    let Books { tally, proof, ledger, arrived, .. } = books;
    let sending = stopped_at.saturating_sub(measured_from) as f64 / 1e9;
    let ended = tally.last_answer.max(stopped_at).max(measured_from);
    let seconds = (ended - measured_from) as f64 / 1e9;
    let per = |count: u64, seconds: f64| if seconds > 0.0 { count as f64 / seconds } else { 0.0 };
    let counts = tally.counts;
    let mut latency = BTreeMap::from([(ALL_PURCHASES.to_owned(), both(&tally.purchases()))]);
    for (class, name) in CLASSES {
        latency.insert(name.to_owned(), both(tally.latency(class)));
    }
    let (before, after) = (&outcome.before, outcome.after.as_ref());
    let tagged = outcome.tagged;
    let stock = Stock { ledger: &ledger, before, after, tagged, ended };
    let mut checks = checks(&proof.found, &counts, &stock);
    let unchecked = arrived.unchecked;
    let decided = arrived.into_decided();
    let mut fairness = fairness(&decided, unchecked);
    if let (Some(dir), Some(fairness)) = (&arguments.target.journal, &mut fairness) {
        let check = witness(dir, &decided, outcome.run_id);
        checks.push(check.clone());
        fairness.journal = Some(check);
    }
    let share = |seconds: Option<f64>| seconds.filter(|_| cpu.wall > 0.0).map(|s| s / cpu.wall);
    Document {
        version: VERSION,
        loadgen: env!("CARGO_PKG_VERSION").to_owned(),
        started_at: outcome.started_at,
        partial,
        run: conditions(arguments, outcome.items),
        machine: super::machine::machine(),
        schedule: outcome
            .offered
            .map(|offered| kept(offered, per(counts.sent_in_time, sending), &tally)),
        seconds,
        orders: tally.orders(),
        orders_per_second: per(tally.orders(), seconds),
        answers_per_second: per(counts.answers, seconds),
        counts,
        outcomes: Outcomes {
            given: by_word(&tally.given),
            replayed: by_word(&tally.replayed),
            waiting: by_word(&tally.waiting),
            refused: by_word(&tally.refused),
            confirm: by_word(&tally.confirms),
            release: by_word(&tally.releases),
        },
        latency,
        cpu: CpuShares { generator: share(cpu.generator), server: share(cpu.server) },
        server: outcome.server,
        fairness,
        checks,
        thresholds: Vec::new(),
        first_error: tally.first_error,
        intervals: outcome.intervals,
    }
}

fn conditions(arguments: &Arguments, items: Vec<String>) -> Run {
    let Arguments { target, pace, mix } = arguments;
    let open = pace.is_open();
    Run {
        command: std::env::args().collect::<Vec<_>>().join(" "),
        target: target.address.to_string(),
        protocol: target.protocol,
        tls: target.is_tls(),
        sale: target.sale.clone(),
        items,
        connections: target.connections,
        threads: pace.threads,
        pipeline: pace.closed(),
        outstanding: open.then_some(pace.outstanding),
        profile: pace.profile(),
        warmup_seconds: pace.warmup().as_secs_f64(),
        zipf: mix.zipf,
        buyers: mix.buyers,
        seed: mix.seed,
        mix: mix.words().map(|(name, value)| (name.to_owned(), value)).collect(),
    }
}

fn kept(offered_per_second: f64, sent_per_second: f64, tally: &Tally) -> Kept {
    let counts = &tally.counts;
    let of_due = |count: u64| count as f64 / counts.scheduled.max(1) as f64;
    let late_generator_share = of_due(counts.late_generator);
    let late_connection_share = of_due(counts.late_connection + counts.unsent);
    Kept {
        offered_per_second,
        sent_per_second,
        late_generator_share,
        late_connection_share,
        latest_ns: tally.latest,
        // Independent arrivals are as many as were drawn, not as many as the rate says.
        missed: late_generator_share + late_connection_share > MISSED_SHARE
            || (counts.sent_in_time as f64) < counts.scheduled as f64 * (1.0 - MISSED_SHARE),
    }
}

fn both(latency: &Latency) -> FromBoth {
    FromBoth {
        from_intended: percentiles(&latency.intended),
        from_sent: percentiles(&latency.sent),
    }
}

/// All figures of a histogram.
fn percentiles(histogram: &Histogram<u64>) -> Percentiles {
    let steps = histogram
        .iter_quantiles(5)
        .map(|step| (step.quantile_iterated_to() * 100.0, step.value_iterated_to()));
    Percentiles { distribution: steps.collect(), ..figures(histogram) }
}

/// The figures of a histogram without its distribution.
pub(crate) fn figures(histogram: &Histogram<u64>) -> Percentiles {
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
        distribution: Vec::new(),
    }
}

fn by_word(counts: &ByOutcome) -> BTreeMap<String, u64> {
    let mut words = BTreeMap::new();
    for (number, count) in (0..=u8::MAX).zip(counts).filter(|(_, count)| **count > 0) {
        *words.entry(outcome::word(number).to_owned()).or_insert(0) += count;
    }
    words
}
