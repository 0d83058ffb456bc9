//! When requests are sent, and for how long.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{ArgGroup, Args, ValueEnum};

use super::duration;
use crate::figures;

/// The highest rate, per second, that arithmetic in ns makes sense of.
const RATE_MAX: f64 = 1e8;

/// Purchases a second if nothing is said.
const RATE: f64 = 10_000.0;
/// Requests outstanding on a connection of a closed loop, if nothing is said.
const PIPELINE: usize = 16;

/// How arrivals lie around the rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arrival {
    /// The same time between any two, as long as the rate is the same
    Even,
    /// Independent of each other, as people are; drawn by --seed
    Poisson,
}

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pace")]
#[command(group = ArgGroup::new("profile").args(["rate", "ramp", "spike", "flash", "trace"]))]
pub(crate) struct Pace {
    /// Open loop: purchases a second in all [default: 10,000, with no other profile or --pipeline]
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Open loop: from one rate to another in a straight line
    #[arg(long, value_name = "FROM:TO")]
    pub(crate) ramp: Option<Pair>,
    /// Open loop: a live stream's "now!": calm, a wall, a long tail
    #[arg(long, value_name = "CALM:PEAK")]
    pub(crate) spike: Option<Pair>,
    /// Open loop: a crowd this many times as large as the stock left, most of it at once
    #[arg(long, value_name = "FACTOR")]
    pub(crate) flash: Option<f64>,
    /// Open loop: play a CSV or NDJSON file of time, buyer, item, units again
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// How many times as fast to play it
    #[arg(long, default_value_t = 1.0, requires = "trace")]
    pub(crate) speed: f64,
    /// How arrivals lie around the rate in an open loop
    #[arg(long, value_enum, default_value = "even")]
    pub(crate) arrivals: Arrival,
    /// Requests that a connection may have outstanding in an open loop; more are late
    #[arg(long, default_value_t = 1024)]
    pub(crate) outstanding: usize,
    /// Closed loop instead: requests that each connection keeps outstanding, so that a slow server
    /// slows the load [default with --requests alone: 16]
    #[arg(long, conflicts_with = "profile")]
    pub(crate) pipeline: Option<usize>,
    /// How long to measure; a trace has its own length
    #[arg(long, default_value = "10s", value_parser = duration, conflicts_with = "requests")]
    pub(crate) duration: Duration,
    /// Measure this many purchases instead: in a closed loop, or with --rate
    #[arg(long)]
    pub(crate) requests: Option<u64>,
    /// How long to drive before measuring; a flash and a trace begin at once
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// How long to wait for the last answers
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Threads of the generator
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
}

/// Two rates.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Pair(pub(crate) f64, pub(crate) f64);

impl FromStr for Pair {
    type Err = String;

    fn from_str(text: &str) -> Result<Pair, String> {
        let rate = |text: &str| text.parse().ok().filter(|rate| (0.0..=RATE_MAX).contains(rate));
        let pair = text.split_once(':').and_then(|(a, b)| Some(Pair(rate(a)?, rate(b)?)));
        pair.filter(|pair| pair.0 + pair.1 > 0.0)
            .ok_or_else(|| format!("two rates a second from 0 to {RATE_MAX}, like 1000:50000"))
    }
}

impl Pace {
    /// Whether requests leave when they are due, whatever is outstanding.
    pub(crate) fn is_open(&self) -> bool {
        self.closed().is_none()
    }

    /// A closed loop's requests outstanding on a connection; `None` in an open loop.
    pub(crate) fn closed(&self) -> Option<usize> {
        let counted = self.requests.filter(|_| !self.has_profile());
        self.pipeline.or(counted.map(|_| PIPELINE))
    }

    /// The rate of a steady profile, which is what there is if nothing else is asked for.
    pub(crate) fn steady(&self) -> Option<f64> {
        let other = self.has_profile() || self.closed().is_some();
        self.rate.or((!other).then_some(RATE))
    }

    /// Whether a profile was asked for.
    pub(crate) fn has_profile(&self) -> bool {
        self.rate.is_some()
            || self.ramp.is_some()
            || self.spike.is_some()
            || self.flash.is_some()
            || self.trace.is_some()
    }

    /// Time before the measured part.
    pub(crate) fn warmup(&self) -> Duration {
        match self.flash.is_some() || self.trace.is_some() {
            true => Duration::ZERO,
            false => self.warmup,
        }
    }

    /// The open loop's profile in words.
    pub(crate) fn profile(&self) -> Option<String> {
        let rate = figures::rate;
        let shape = if let Some(steady) = self.steady() {
            format!("steady {}/s", rate(steady))
        } else if let Some(Pair(from, to)) = self.ramp {
            format!("ramp {}/s to {}/s", rate(from), rate(to))
        } else if let Some(Pair(calm, peak)) = self.spike {
            format!("spike from {}/s to {}/s", rate(calm), rate(peak))
        } else if let Some(factor) = self.flash {
            format!("flash of {factor} times the stock")
        } else {
            format!("trace {}", self.trace.as_ref()?.display())
        };
        Some(match (self.trace.is_some(), self.arrivals) {
            (true, _) => shape,
            (false, Arrival::Even) => shape + ", even",
            (false, Arrival::Poisson) => shape + ", Poisson",
        })
    }

    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        let bad_rate = |rate: f64| !(rate > 0.0 && rate <= RATE_MAX);
        if self.pipeline == Some(0) || self.outstanding == 0 {
            Some("--pipeline and --outstanding: 1 or more".to_owned())
        } else if self.rate.is_some_and(bad_rate) {
            Some(format!("--rate: above 0, at most {RATE_MAX}"))
        } else if self.flash.is_some_and(bad_rate) || bad_rate(self.speed) {
            Some(format!("--flash and --speed: a factor above 0, at most {RATE_MAX}"))
        } else if self.requests == Some(0) || self.requests.is_none() && self.duration.is_zero() {
            Some("--requests and --duration: above 0".to_owned())
        } else if self.requests.is_some() && self.is_open() && self.rate.is_none() {
            Some(
                "--requests: with --rate or a closed loop; other profiles have a length".to_owned(),
            )
        } else if !(1..=2).contains(&self.threads) {
            Some("--threads: 1 or 2".to_owned())
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_two_rates() {
        assert_eq!("1000:50000".parse(), Ok(Pair(1000.0, 50_000.0)));
        assert_eq!("0:10".parse(), Ok(Pair(0.0, 10.0)));
        for bad in ["", "5", "0:0", "-1:5", "1:nan", "1:2e9"] {
            assert!(bad.parse::<Pair>().is_err(), "{bad}");
        }
    }
}
