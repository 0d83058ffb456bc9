//! The command line of a run: text becomes values that can be relied on, or exit 2.
//!
//! One struct for each question: whom to drive, when, with what, and where the results go. `run`,
//! `knee`, `rival` and `suite` put them together.

mod mix;
mod output;
mod pace;
mod setup;
mod target;

use std::time::Duration;

use clap::Args;

use crate::Failure;
pub(crate) use mix::Mix;
pub(crate) use output::Output;
pub(crate) use pace::{Arrival, Pace, Pair};
pub(crate) use setup::{Database, Password, Setup};
pub(crate) use target::{Address, Spoken, Target};

/// All that a run needs to know.
#[derive(Args, Clone, Debug)]
#[group(skip)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) target: Target,
    #[command(flatten)]
    pub(crate) pace: Pace,
    #[command(flatten)]
    pub(crate) mix: Mix,
}

impl Arguments {
    /// Refuses what makes no sense.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        let problems = [self.target.problem(), self.pace.problem(), self.mix.problem()];
        match problems.into_iter().flatten().next() {
            Some(problem) => Err(Failure::new(Failure::USAGE, problem)),
            None if self.pace.threads > self.target.connections => {
                Err(Failure::new(Failure::USAGE, "--threads: a connection for each"))
            }
            None if self.target.protocol.is_rival() && self.mix.baskets + self.mix.wait > 0.0 => {
                Err(Failure::new(Failure::USAGE, "--baskets and --wait: rivals have neither"))
            }
            None if self.target.protocol.is_rival()
                && !(self.target.channel.is_none() && self.target.groups.is_empty()) =>
            {
                Err(Failure::new(Failure::USAGE, "--channel and --groups: rivals have neither"))
            }
            None if self.target.item.is_empty() && self.pace.trace.is_none() => {
                Err(Failure::new(Failure::USAGE, "--item: which of the sale to buy"))
            }
            None => Ok(()),
        }
    }
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
