//! `loadgen knee`: raises the rate of an open loop until latency breaks, and names the knee.
//!
//! A ladder of steady rates, each a factor above the last; then halving between the last that held
//! and the first that broke. A rate breaks when its p99, from the intended send, passes the bound,
//! when purchases time out, are lost or refused as `overloaded`, or when connections were full. One
//! bad moment of a shared machine is no break: a rate has to break as often as it is tried. What
//! the generator itself could not send was not tried: the ladder ends there and says so.

use std::path::PathBuf;
use std::sync::{Arc, atomic::AtomicBool, atomic::Ordering};
use std::time::{Duration, Instant};

mod page;

use clap::Args;
use serde::Serialize;

use crate::Failure;
use crate::clock::nanos;
use crate::figures::{rate, time};
use crate::options::{self, duration};
use crate::report::document::{ALL_PURCHASES, Document, Percentiles};
use crate::report::{KeptFile, table};

/// The form of the JSON document.
const VERSION: u32 = 1;
/// Steps between the last rate that held and the first that broke.
const HALVINGS: u32 = 3;
/// The share of answers that are orders, below which it is said that they are not.
const SOLD_SHARE: f64 = 0.99;
/// Rates at most.
const STEPS_MAX: usize = 60;

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    #[command(flatten)]
    run: options::Arguments,
    #[command(flatten)]
    climb: Climb,
    /// Write one JSON document to stdout instead of the table
    #[arg(long, help_heading = "Output")]
    json: bool,
    /// Keep the JSON document in a file
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    out: Option<PathBuf>,
    /// Keep a page of HTML with the plot of rate and percentiles
    #[arg(long, value_name = "FILE", help_heading = "Output")]
    html: Option<PathBuf>,
}

/// Which rates are tried, and what breaks one.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Ladder")]
pub(crate) struct Climb {
    /// The first rate, in purchases a second
    #[arg(long, default_value_t = 10_000.0)]
    pub(crate) from: f64,
    /// The highest rate to try
    #[arg(long, default_value_t = 1e7)]
    pub(crate) to: f64,
    /// From one rate to the next
    #[arg(long, default_value_t = 1.5)]
    pub(crate) factor: f64,
    /// Latency is broken when 1 in 100 waits longer than this
    #[arg(long, default_value = "20ms", value_parser = duration)]
    pub(crate) p99: Duration,
    /// How often a rate has to break before it counts as broken
    #[arg(long, default_value_t = 2)]
    pub(crate) tries: u32,
    /// No further rate is tried after this; `None` for no end.
    #[arg(skip)]
    pub(crate) patience: Option<Duration>,
}

/// How a rate went.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Verdict {
    Held,
    /// And why.
    Broke(String),
    /// The generator could not send at this rate.
    NotSent,
}

impl Verdict {
    fn words(&self) -> String {
        match self {
            Verdict::Held => "held".to_owned(),
            Verdict::Broke(why) => format!("broke: {why}"),
            Verdict::NotSent => "not sent: the generator was late".to_owned(),
        }
    }
}

/// A rate that was tried, with its last run.
#[derive(Serialize)]
struct Step {
    rate: f64,
    verdict: Verdict,
    tries: u32,
    document: Document,
}

#[derive(Serialize)]
pub(crate) struct Ladder {
    version: u32,
    /// Whether a signal ended it early.
    pub(crate) partial: bool,
    /// p99 that counts as broken, ns.
    p99_ns: u64,
    /// The highest rate that held; `null` if none did.
    pub(crate) knee: Option<f64>,
    /// Why there is nothing above it.
    pub(crate) limit: String,
    /// In rising order.
    steps: Vec<Step>,
}

/// Climbs and prints; returns the exit code.
pub(crate) fn run(arguments: &Arguments) -> Result<u8, Failure> {
    check(arguments)?;
    let stop = crate::run::stop_on_signal()?;
    let open = |path: &Option<PathBuf>| path.as_deref().map(KeptFile::open).transpose();
    let (mut out, mut html) = (open(&arguments.out)?, open(&arguments.html)?);
    let ladder = climb(&arguments.run, &arguments.climb, &stop)?;
    if let Some(file) = &mut out {
        let json = serde_json::to_string_pretty(&ladder);
        file.write(json.expect("plain structs with text keys become JSON").as_bytes());
    }
    if let Some(file) = &mut html {
        file.write(page::page(&ladder).as_bytes());
    }
    let complete = [out, html].iter_mut().flatten().all(KeptFile::finish);
    if arguments.json {
        crate::print_json(&ladder)?;
    } else {
        crate::print(&text(&ladder))?;
    }
    Ok(match ladder.knee {
        None => Failure::CHECK,
        Some(_) if !complete => Failure::DISK,
        Some(_) => 0,
    })
}

fn check(arguments: &Arguments) -> Result<(), Failure> {
    arguments.run.check()?;
    let Climb { from, to, factor, tries, .. } = &arguments.climb;
    let pace = &arguments.run.pace;
    let problem = if pace.has_profile() || pace.closed().is_some() {
        "a knee is looked for with steady rates: no profile, no --pipeline, --duration for each"
    } else if !(*from > 0.0 && from <= to && *to <= 1e8) {
        "--from and --to: rates above 0, at most 100,000,000, in this order"
    } else if !(1.05..=10.0).contains(factor) {
        "--factor: 1.05 to 10"
    } else if !(1..=10).contains(tries) {
        "--tries: 1 to 10"
    } else {
        return Ok(());
    };
    Err(Failure::new(Failure::USAGE, problem))
}

/// Drives `run` at one rate after the other.
pub(crate) fn climb(
    run: &options::Arguments,
    climb: &Climb,
    stop: &Arc<AtomicBool>,
) -> Result<Ladder, Failure> {
    let since = Instant::now();
    let mut ladder = Ladder {
        version: VERSION,
        partial: false,
        p99_ns: nanos(climb.p99),
        knee: None,
        limit: format!("{}/s is the highest rate to try", rate(climb.to)),
        steps: Vec::new(),
    };
    let mut broken: Option<f64> = None;
    let mut halvings = 0;
    let mut next = climb.from;
    while ladder.steps.len() < STEPS_MAX && !stop.load(Ordering::Relaxed) {
        if climb.patience.is_some_and(|patience| since.elapsed() > patience) {
            if broken.is_none() {
                ladder.limit = "there was no time for more".to_owned();
            }
            break;
        }
        let step = match step(run, climb, next, stop) {
            Ok(step) => step,
            Err(failure) if ladder.steps.is_empty() => return Err(failure),
            Err(failure) => {
                ladder.limit = format!("at {}/s: {}", rate(next), failure.sentence);
                ladder.partial = true;
                break;
            }
        };
        if stop.load(Ordering::Relaxed) {
            break;
        }
        match &step.verdict {
            Verdict::Held => ladder.knee = Some(ladder.knee.unwrap_or(0.0).max(next)),
            Verdict::Broke(why) => {
                ladder.limit = format!("{}/s broke: {why}", rate(next));
                broken = Some(next);
            }
            Verdict::NotSent => {
                ladder.limit = format!("the generator cannot send {}/s", rate(next));
                broken = Some(next);
            }
        }
        ladder.steps.push(step);
        next = match (ladder.knee, broken) {
            (_, None) if next >= climb.to => break,
            (_, None) => (next * climb.factor).min(climb.to),
            (Some(held), Some(broken)) if halvings < HALVINGS => {
                halvings += 1;
                f64::midpoint(held, broken).round()
            }
            _ => break,
        };
    }
    ladder.partial |= stop.load(Ordering::Relaxed);
    ladder.steps.sort_by(|left, right| left.rate.total_cmp(&right.rate));
    Ok(ladder)
}

/// Tries a rate until it holds, or has broken often enough.
fn step(
    run: &options::Arguments,
    climb: &Climb,
    at: f64,
    stop: &Arc<AtomicBool>,
) -> Result<Step, Failure> {
    let mut one = run.clone();
    one.pace.rate = Some(at);
    let mut tries = 0;
    loop {
        tries += 1;
        let (document, _) = crate::run::measure(&one, stop, &mut |_, _| {})?;
        let verdict = verdict(&document, nanos(climb.p99));
        if document.partial || verdict == Verdict::Held || tries >= climb.tries {
            table::print_warnings(&document);
            return Ok(Step { rate: at, verdict, tries, document });
        }
    }
}

fn verdict(document: &Document, p99_ns: u64) -> Verdict {
    let counts = &document.counts;
    let overloaded = document.outcomes.refused.get("overloaded").copied().unwrap_or(0);
    let failed = counts.timeouts + counts.lost + counts.errors;
    let latency = &document.latency[ALL_PURCHASES].from_intended;
    let kept = document.schedule.as_ref().expect("an open loop has a schedule");
    if failed > 0 {
        Verdict::Broke(format!("{failed} purchases without a good answer"))
    } else if overloaded > 0 {
        Verdict::Broke(format!("{overloaded} refused as overloaded"))
    } else if let Some(check) = document.checks.iter().find(|check| !check.passed) {
        Verdict::Broke(format!("check failed: {}", check.name))
    } else if kept.late_connection_share > 0.01 {
        Verdict::Broke("connections were full".to_owned())
    } else if kept.late_generator_share > 0.01 && latency.p99_ns > p99_ns {
        // Lateness of the generator's own is in the figures: with it they say nothing.
        Verdict::NotSent
    } else if latency.p99_ns > p99_ns {
        Verdict::Broke(format!("p99 {}", time(latency.p99_ns)))
    } else {
        Verdict::Held
    }
}

fn text(ladder: &Ladder) -> String {
    let head = ["rate/s", "orders/s", "p50", "p90", "p99", "p99.9", "max", "cpu", ""];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for Step { rate: at, verdict, document, .. } in &ladder.steps {
        let Percentiles { p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns, .. } =
            document.latency[ALL_PURCHASES].from_intended;
        let mut row = vec![rate(*at), rate(document.orders_per_second)];
        row.extend([p50_ns, p90_ns, p99_ns, p99_9_ns, max_ns].map(time));
        row.push(document.cpu.generator.map_or("-".to_owned(), |share| format!("{share:.2}")));
        row.push(verdict.words());
        rows.push(row);
    }
    let mut text = table::aligned(0, rows);
    text += &format!("\n{}\n", ladder.sentence());
    if ladder.steps.iter().any(|Step { document, .. }| {
        document.orders_per_second < document.answers_per_second * SOLD_SHARE
    }) {
        text += "not all were sold: refusals are cheaper than orders, and so is this knee\n";
    }
    text
}

impl Ladder {
    /// Names the knee.
    fn sentence(&self) -> String {
        let partial = if self.partial { " (partial: ended early)" } else { "" };
        let (bound, limit) = (time(self.p99_ns), &self.limit);
        match self.knee {
            Some(knee) => {
                let knee = rate(knee);
                format!("knee: {knee}/s with a p99 below {bound}; above it, {limit}{partial}")
            }
            None => format!("no rate held a p99 below {bound}: {limit}{partial}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verdict_names_the_first_thing_that_broke() {
        let document = crate::report::sample::flash;
        let bound = 20_000_000;
        assert_eq!(verdict(&document(), bound), Verdict::Held);
        let mut slow = document();
        slow.latency.get_mut(ALL_PURCHASES).expect("there").from_intended.p99_ns = bound + 1;
        assert_eq!(verdict(&slow, bound), Verdict::Broke("p99 20.0 ms".to_owned()));
        slow.schedule.as_mut().expect("open").late_generator_share = 0.02;
        assert_eq!(verdict(&slow, bound), Verdict::NotSent);
        slow.outcomes.refused.insert("overloaded".to_owned(), 3);
        assert_eq!(verdict(&slow, bound), Verdict::Broke("3 refused as overloaded".to_owned()));
        slow.counts.lost = 2;
        let why = "2 purchases without a good answer".to_owned();
        assert_eq!(verdict(&slow, bound), Verdict::Broke(why));
    }
}
