//! Numbers as people read them.

use std::time::Duration;

/// `1234567` as `1,234,567`.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A duration in the unit that suits it.
pub(super) fn duration(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    match seconds {
        s if s < 0.001 => format!("{:.0} us", s * 1e6),
        s if s < 0.1 => format!("{:.2} ms", s * 1e3),
        s if s < 1.0 => format!("{:.0} ms", s * 1e3),
        s => format!("{s:.2} s"),
    }
}

pub(super) use doorbuster::clock::iso as time;

/// Unix ms alike.
pub(super) fn time_ms(unix_ms: u64) -> String {
    time(unix_ms.saturating_mul(1_000_000))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_threes() {
        assert_eq!([count(7), count(1_000), count(1_234_567)], ["7", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_duration_takes_the_unit_that_suits_it() {
        let words = [250e-6, 0.0123, 0.45, 2.5].map(|s| duration(Duration::from_secs_f64(s)));
        assert_eq!(words, ["250 us", "12.30 ms", "450 ms", "2.50 s"]);
    }

    #[test]
    fn a_time_is_written_in_utc() {
        assert_eq!(time(1_795_809_600_123_456_789), "2026-11-27T20:00:00.123456Z");
    }
}
