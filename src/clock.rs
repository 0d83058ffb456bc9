//! The two clocks. Rooms get them as plain functions, so that a test can give them another.

use rustix::time::{ClockId, clock_gettime};

fn read(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).expect("this clock is past its epoch");
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).expect("nanoseconds are positive")
}

/// Nanoseconds since some moment, never stepping back: for arrival stamps and deadlines.
pub fn monotonic() -> u64 {
    read(ClockId::Monotonic)
}

/// Nanoseconds since the Unix epoch. May step; the matcher sees to it that its time does not.
pub fn unix() -> u64 {
    read(ClockId::Realtime)
}

/// Unix ns as ISO 8601 with microseconds.
pub fn iso(unix_ns: u64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(unix_ns)) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => format!("{unix_ns} ns"),
    }
}
