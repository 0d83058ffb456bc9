//! Figures as people read them: thousands separated, times in the unit that fits.

/// `1234567` as `1,234,567`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A rate without its fraction.
pub(crate) fn rate(per_second: f64) -> String {
    grouped(per_second.round().max(0.0) as u64)
}

/// Nanoseconds in us, ms or s with three or more digits.
pub(crate) fn time(ns: u64) -> String {
    let (value, unit) = match ns {
        0..1_000_000 => (ns as f64 / 1e3, "us"),
        1_000_000..1_000_000_000 => (ns as f64 / 1e6, "ms"),
        _ => (ns as f64 / 1e9, "s"),
    };
    let decimals = if value < 10.0 { 2 } else { usize::from(value < 100.0) };
    format!("{value:.decimals$} {unit}")
}

/// A round number as an axis has it: `10k`, `1.5M`.
pub(crate) fn short(number: f64) -> String {
    let (value, unit) = match number.abs() {
        1e3..1e4 if number.fract() == 0.0 && number > 0.0 => return grouped(number as u64),
        0.0..1e4 => (number, ""),
        1e4..1e6 => (number / 1e3, "k"),
        1e6..1e9 => (number / 1e6, "M"),
        _ => (number / 1e9, "G"),
    };
    trimmed(value) + unit
}

/// A round time in ns as an axis has it: `500 us`, `20 ms`.
pub(crate) fn short_time(ns: f64) -> String {
    let (value, unit) = match ns {
        0.0..1e6 => (ns / 1e3, "us"),
        1e6..1e9 => (ns / 1e6, "ms"),
        _ => (ns / 1e9, "s"),
    };
    format!("{} {unit}", trimmed(value))
}

/// Three decimals at most, and none that say nothing.
fn trimmed(value: f64) -> String {
    let digits = format!("{value:.3}");
    digits.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Bytes as a machine's memory is told: `7.8 GiB`.
pub(crate) fn memory(bytes: u64) -> String {
    format!("{:.1} GiB", bytes as f64 / (1_u64 << 30) as f64)
}

/// A share in per cent.
pub(crate) fn share(part: u64, whole: u64) -> String {
    if whole == 0 { "-".to_owned() } else { format!("{:.2} %", part as f64 / whole as f64 * 100.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_read_well() {
        assert_eq!([0, 999, 1000, 1_234_567].map(grouped), ["0", "999", "1,000", "1,234,567"]);
        assert_eq!(time(950), "0.95 us");
        assert_eq!(time(12_345_678), "12.3 ms");
        assert_eq!(time(123_456), "123 us");
        assert_eq!(time(2_500_000_000), "2.50 s");
        assert_eq!(share(1, 8), "12.50 %");
        assert_eq!([0.0, 2500.0, 1e4, 1.5e6].map(short), ["0", "2,500", "10k", "1.5M"]);
        assert_eq!([5e5, 2e7, 1e9].map(short_time), ["500 us", "20 ms", "1 s"]);
        assert_eq!(memory(8_321_499_136), "7.8 GiB");
    }
}
