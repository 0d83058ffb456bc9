//! When requests are sent, and for how long.

use std::time::Duration;

use clap::Args;

use super::duration;

/// The highest rate, per second, that arithmetic in ns makes sense of.
const RATE_MAX: f64 = 1e8;

#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Pace")]
pub(crate) struct Pace {
    /// Purchases a second in all: an open loop. Without it: a closed loop
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Requests that a connection may have outstanding in an open loop; more are late
    #[arg(long, default_value_t = 1024)]
    pub(crate) outstanding: usize,
    /// Requests that each connection keeps outstanding in a closed loop
    #[arg(long, default_value_t = 16)]
    pub(crate) pipeline: usize,
    /// How long to measure
    #[arg(long, default_value = "10s", value_parser = duration, conflicts_with = "requests")]
    pub(crate) duration: Duration,
    /// Measure this many purchases instead
    #[arg(long)]
    pub(crate) requests: Option<u64>,
    /// How long to drive before measuring
    #[arg(long, default_value = "1s", value_parser = duration)]
    pub(crate) warmup: Duration,
    /// How long to wait for the last answers
    #[arg(long, default_value = "5s", value_parser = duration)]
    pub(crate) timeout: Duration,
    /// Threads of the generator
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
}

impl Pace {
    /// What makes no sense, if anything.
    pub(super) fn problem(&self) -> Option<String> {
        if self.pipeline == 0 || self.outstanding == 0 {
            Some("--pipeline and --outstanding: 1 or more".to_owned())
        } else if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= RATE_MAX)) {
            Some(format!("--rate: above 0, at most {RATE_MAX}"))
        } else if self.requests == Some(0) || self.requests.is_none() && self.duration.is_zero() {
            Some("--requests and --duration: above 0".to_owned())
        } else if !(1..=2).contains(&self.threads) {
            Some("--threads: 1 or 2".to_owned())
        } else {
            None
        }
    }
}
