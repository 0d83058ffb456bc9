//! The two clocks. Rooms get them as plain functions, so that a test can give them another.

use std::cell::Cell;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};

use crate::sale::Label;

/// Nanoseconds since some moment, never stepping back: for arrival stamps and deadlines.
pub fn monotonic() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    let seconds = u64::try_from(time.tv_sec).expect("this clock is past its epoch");
    seconds * 1_000_000_000 + u64::try_from(time.tv_nsec).expect("nanoseconds are positive")
}

/// Nanoseconds since the Unix epoch. May step; the matcher sees to it that its time does not.
///
/// It is asked by way of the C library, where a test can put another clock in its place.
pub fn unix() -> u64 {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).expect("this clock is past its epoch");
    u64::try_from(time.as_nanos()).expect("five centuries are enough")
}

/// Unix ns as ISO 8601 with microseconds.
pub fn iso(unix_ns: u64) -> String {
    match jiff::Timestamp::from_nanosecond(i128::from(unix_ns)) {
        Ok(time) => format!("{time:.6}"),
        Err(_) => format!("{unix_ns} ns"),
    }
}

/// The same where there may be millions a second: most have the second of the one before.
pub fn iso_label(unix_ns: u64) -> Label {
    const SECOND_NS: u64 = 1_000_000_000;
    const MICROS_AT: usize = 20;
    thread_local! {
        /// One more than the last second that was asked for on this thread, and its text.
        static LAST: Cell<(u64, Label)> = Cell::new((0, Label::of(b"")));
    }
    let (second, mut micros) = (unix_ns / SECOND_NS, unix_ns % SECOND_NS / 1000);
    let (last, mut text) = LAST.get();
    if last != second + 1 {
        text = iso(second * SECOND_NS).as_str().into();
        LAST.set((second + 1, text));
    }
    let Some(bytes) = text.as_bytes().first_chunk::<MICROS_AT>() else {
        return iso(unix_ns).as_str().into();
    };
    let mut out = [b'Z'; MICROS_AT + 7];
    out[..MICROS_AT].copy_from_slice(bytes);
    for digit in out[MICROS_AT..MICROS_AT + 6].iter_mut().rev() {
        *digit = b'0' + (micros % 10) as u8;
        micros /= 10;
    }
    Label::of(&out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_label_says_what_the_text_says() {
        let first = 1_795_000_000_123_456_789;
        for step in [0, 1, 999, 1_000, 876_543_211, 1, 86_400_000_000_000, 0] {
            let time = first + step;
            assert_eq!(iso_label(time).as_str(), iso(time));
        }
        // Beyond the year 9999 both say the number.
        assert_eq!(iso_label(u64::MAX).as_str(), iso(u64::MAX));
        assert_eq!(iso_label(0).as_str(), "1970-01-01T00:00:00.000000Z");
    }
}
