//! Time: since the run began, in ns; and CPU time of processes.
//!
//! Readings are few (one per batch); whatever can be had by arithmetic is.

use std::time::{Duration, Instant};

/// Counts ns from the start of a run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Starts at `delay` from now; until then readings are 0.
    pub(crate) fn starting_in(delay: Duration) -> Clock {
        Clock(Instant::now() + delay)
    }

    pub(crate) fn now(&self) -> u64 {
        nanos(Instant::now().saturating_duration_since(self.0))
    }
}

pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// CPU time that a process has used so far, all its threads, in seconds; `None` where there is no
/// `/proc` or no such process. Counted by the kernel in steps of 10 ms.
pub(crate) fn cpu_seconds(process: Option<u32>) -> Option<f64> {
    let who = process.map_or_else(|| "self".to_owned(), |id| id.to_string());
    let stat = std::fs::read_to_string(format!("/proc/{who}/stat")).ok()?;
    // Field 2 is the program's name in parentheses and may hold anything; 14 and 15 are the times.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some((user + system) as f64 / rustix::param::clock_ticks_per_second() as f64)
}
