//! The command line of `loadgen run`: text becomes values that can be relied on, or exit 2.

use std::{net::SocketAddr, time::Duration};

use clap::{Args, ValueEnum};

use crate::Failure;

/// Connections at most: each is a descriptor and a few KiB.
const CONNECTIONS_MAX: usize = 50_000;
/// The highest rate, per second, that arithmetic in ns makes sense of.
const RATE_MAX: f64 = 1e8;

/// How to speak with the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Spoken {
    /// 64-byte cells
    Binary,
    /// As any Redis client does
    Resp,
}

#[derive(Args, Debug)]
pub(crate) struct Arguments {
    /// Where the server listens for buyers
    #[arg(long, default_value = "127.0.0.1:7400", value_parser = address)]
    pub(crate) target: SocketAddr,
    /// Protocol to speak
    #[arg(long, value_enum, default_value = "binary")]
    pub(crate) protocol: Spoken,
    /// Name of the sale
    #[arg(long)]
    pub(crate) sale: String,
    /// Names of its items, most wanted first, comma between them
    #[arg(long, value_delimiter = ',', required = true)]
    pub(crate) item: Vec<String>,
    /// Connections to open
    #[arg(long, default_value_t = 64)]
    pub(crate) connections: usize,
    /// Requests that each connection keeps outstanding in a closed loop
    #[arg(long, default_value_t = 16)]
    pub(crate) pipeline: usize,
    /// Purchases a second in all: an open loop. Without it: a closed loop
    #[arg(long)]
    pub(crate) rate: Option<f64>,
    /// Requests that a connection may have outstanding in an open loop; more are late
    #[arg(long, default_value_t = 1024)]
    pub(crate) outstanding: usize,
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
    /// Skew of the items: the nth is wanted like 1 / n^zipf
    #[arg(long, default_value_t = 1.0)]
    pub(crate) zipf: f64,
    /// Buyers in the population, numbered from 1 [default: a new buyer for every purchase]
    #[arg(long)]
    pub(crate) buyers: Option<u64>,
    /// Units of a purchase
    #[arg(long, default_value_t = 1)]
    pub(crate) units: u32,
    /// Share of purchases that repeat an earlier key with the same content
    #[arg(long, default_value_t = 0.0)]
    pub(crate) duplicates: f64,
    /// Share of holds to confirm; these come on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) confirm: f64,
    /// Share of holds to release; these come on top of the rate
    #[arg(long, default_value_t = 0.0)]
    pub(crate) release: f64,
    /// Seed of what is asked for
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
    /// Threads of the generator
    #[arg(long, default_value_t = 1)]
    pub(crate) threads: usize,
    /// Process of the server, to tell its CPU time
    #[arg(long)]
    pub(crate) server_pid: Option<u32>,
    /// Write one JSON document instead of the table
    #[arg(long)]
    pub(crate) json: bool,
}

impl Arguments {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let shares = self.confirm + self.release;
        let bad_share = |share: f64| !(0.0..=1.0).contains(&share);
        let problem = if !(1..=CONNECTIONS_MAX).contains(&self.connections) {
            format!("--connections: 1 to {CONNECTIONS_MAX}")
        } else if self.pipeline == 0 || self.outstanding == 0 {
            "--pipeline and --outstanding: 1 or more".to_owned()
        } else if self.rate.is_some_and(|rate| !(rate > 0.0 && rate <= RATE_MAX)) {
            format!("--rate: above 0, at most {RATE_MAX}")
        } else if self.requests == Some(0) || self.requests.is_none() && self.duration.is_zero() {
            "--requests and --duration: above 0".to_owned()
        } else if !(self.zipf >= 0.0 && self.zipf.is_finite()) {
            "--zipf: 0 or more".to_owned()
        } else if self.buyers == Some(0) {
            "--buyers: 1 or more".to_owned()
        } else if !(1..=doorbuster::limits::UNITS_MAX).contains(&self.units) {
            format!("--units: 1 to {}", doorbuster::limits::UNITS_MAX)
        } else if !(0.0..=0.9).contains(&self.duplicates) {
            "--duplicates: a share from 0 to 0.9".to_owned()
        } else if bad_share(self.confirm) || bad_share(self.release) || shares > 1.0 {
            "--confirm and --release: shares from 0 to 1, together too".to_owned()
        } else if !(1..=2).contains(&self.threads) || self.threads > self.connections {
            "--threads: 1 or 2, and a connection for each".to_owned()
        } else {
            let mut names = std::iter::once(&self.sale).chain(&self.item);
            let problem = |name: &String| doorbuster::sale::Name::parse(name.as_bytes()).err();
            match names.find_map(problem) {
                Some(problem) => problem,
                None => return Ok(()),
            }
        };
        Err(Failure::new(Failure::USAGE, problem))
    }
}

fn address(text: &str) -> Result<SocketAddr, String> {
    let mut addresses =
        std::net::ToSocketAddrs::to_socket_addrs(text).map_err(|e| e.to_string())?;
    addresses.next().ok_or_else(|| "no address".to_owned())
}

/// `10s`, `1500ms`, `0.5s`, `2m`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "a number and a unit: 10s, 1500ms, 2m".to_owned();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let value: f64 = text[..text.len() - unit.len()].parse().map_err(|_| bad())?;
    let seconds = match unit {
        "ms" => value / 1e3,
        "s" => value,
        "m" => value * 60.0,
        _ => return Err(bad()),
    };
    if seconds > 86_400.0 {
        return Err("a day at most".to_owned());
    }
    Duration::try_from_secs_f64(seconds).map_err(|_| bad())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        assert_eq!(duration("1500ms"), Ok(Duration::from_millis(1500)));
        assert_eq!(duration("0.5s"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2m"), Ok(Duration::from_secs(120)));
        for bad in ["", "10", "s", "1h", "-1s", "1.2.3s", "1e9m"] {
            assert!(duration(bad).is_err(), "{bad}");
        }
    }
}
