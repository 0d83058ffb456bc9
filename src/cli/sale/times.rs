//! Times on the command line: as a time of day, or so long from now.

use clap::Args;
use doorbuster::sale_file;
use jiff::{SignedDuration, Timestamp};

/// When units come.
#[derive(Args)]
pub(super) struct At {
    /// Add them then, as 2026-11-27T20:30:00Z
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "soon")]
    at: Option<Timestamp>,
    /// Add them so long from now, as 90s or 10m
    #[arg(id = "soon", long = "in", value_name = "DURATION", value_parser = span)]
    soon: Option<SignedDuration>,
}

/// Until when units stay set aside.
#[derive(Args)]
pub(super) struct Until {
    /// What is left then is everybody's, as 2026-11-27T21:00:00Z [default: never]
    #[arg(long, value_name = "TIME", value_parser = time, conflicts_with = "soon")]
    until: Option<Timestamp>,
    /// What is left so long from now is everybody's, as 90s or 10m
    #[arg(id = "soon", long = "in", value_name = "DURATION", value_parser = span)]
    soon: Option<SignedDuration>,
}

impl At {
    /// As the port takes it.
    pub(super) fn moment(&self) -> Option<String> {
        moment(self.at, self.soon)
    }
}

impl Until {
    /// As the port takes it.
    pub(super) fn moment(&self) -> Option<String> {
        moment(self.until, self.soon)
    }
}

fn moment(at: Option<Timestamp>, soon: Option<SignedDuration>) -> Option<String> {
    let from_now = soon.map(|soon| Timestamp::now().saturating_add(soon));
    let from_now = from_now.map(|at| at.expect("a duration has no calendar units"));
    at.or(from_now).map(|at| at.to_string())
}

fn time(text: &str) -> Result<Timestamp, String> {
    sale_file::moment("time", text)?;
    text.parse().map_err(|why: jiff::Error| why.to_string())
}

fn span(text: &str) -> Result<SignedDuration, String> {
    let span: Option<SignedDuration> = text.parse().ok();
    let span = span.filter(|span| !span.is_negative() && !span.is_zero());
    span.ok_or_else(|| "write it like 90s, 10m or 2h".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_absolute_or_from_now() {
        let at = time("2026-11-27T20:00:00Z").expect("a time");
        assert_eq!(moment(Some(at), None).as_deref(), Some("2026-11-27T20:00:00Z"));
        assert_eq!(moment(None, None), None);
        let soon = span("10m").expect("a duration");
        let then: Timestamp = moment(None, Some(soon)).expect("a time").parse().expect("readable");
        let left = then.duration_since(Timestamp::now());
        assert!((590..=600).contains(&left.as_secs()), "{left:?}");
        for bad in ["", "soon", "-10s", "0s"] {
            assert!(span(bad).is_err(), "{bad}");
        }
        assert!(time("soon").is_err() && time("1950-01-01T00:00:00Z").is_err());
    }
}
