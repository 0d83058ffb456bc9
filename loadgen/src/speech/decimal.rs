//! Numbers as decimal digits, without a detour through formatting.

/// As many digits as a number of 128 bits can have.
const DIGITS_MAX: usize = 39;
/// What is split off at once: 18 digits, for they fit into 64 bits.
const CHUNK: u128 = 1_000_000_000_000_000_000;
const CHUNK_DIGITS: usize = 18;

/// The digits of a number, most significant first, no zero in front.
pub(crate) struct Decimal {
    digits: [u8; DIGITS_MAX],
    start: usize,
}

impl Decimal {
    #[inline]
    pub(crate) fn new(value: u128) -> Decimal {
        let mut decimal = Decimal { digits: [b'0'; DIGITS_MAX], start: DIGITS_MAX };
        let mut high = value;
        while high > u128::from(u64::MAX) {
            let rest = high / CHUNK;
            let low = (high - rest * CHUNK) as u64;
            let end = decimal.start - CHUNK_DIGITS;
            decimal.put(low);
            // Zeros lie there already.
            decimal.start = end;
            high = rest;
        }
        let before = decimal.start;
        decimal.put(high as u64);
        if decimal.start == before {
            decimal.start -= usize::from(before == DIGITS_MAX);
        }
        decimal
    }

    /// Puts digits in front; none for 0.
    #[inline]
    fn put(&mut self, value: u64) {
        let mut left = value;
        while left >= 100 {
            let pair = (left % 100) as u8;
            left /= 100;
            self.start -= 2;
            (self.digits[self.start], self.digits[self.start + 1]) =
                (b'0' + pair / 10, b'0' + pair % 10);
        }
        while left > 0 {
            self.start -= 1;
            self.digits[self.start] = b'0' + (left % 10) as u8;
            left /= 10;
        }
    }

    #[inline]
    pub(crate) fn text(&self) -> &[u8] {
        &self.digits[self.start..]
    }
}

/// Reads a number that is nothing but digits and fits.
#[inline]
pub(crate) fn read(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |value, byte| {
        let digit = byte.wrapping_sub(b'0');
        let value = value.checked_mul(10)?.checked_add(u64::from(digit))?;
        (digit <= 9).then_some(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_those_that_format_writes() {
        let edges = [0, 1, 9, 10, 99, 100, 101, CHUNK - 1, CHUNK, CHUNK + 1, CHUNK * CHUNK];
        let wide = [u128::from(u64::MAX), u128::from(u64::MAX) + 1, 20 * CHUNK, u128::MAX];
        let powers = (0..38).map(|power| 10_u128.pow(power));
        let run = (0..1000).map(|number| 1_763_859_000_123_456 * 1_000_000_000_000 + number * 7);
        for value in edges.into_iter().chain(wide).chain(powers).chain(run) {
            assert_eq!(Decimal::new(value).text(), value.to_string().as_bytes());
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert_eq!(read(b"18446744073709551615"), Some(u64::MAX));
        assert_eq!(read(b"007"), Some(7));
        for bad in ["", "-1", "+1", "1x", " 1", "18446744073709551616"] {
            assert_eq!(read(bad.as_bytes()), None, "{bad}");
        }
    }
}
